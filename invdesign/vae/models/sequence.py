"""VAE of token sequences of any length: SMILES, SELFIES, protein, DNA."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.distributions import Normal

from invdesign.core import Encoding, InvdesignError
from invdesign.core.protocols import TokenGrammar
from invdesign.vae.base import VAE, Ranked, refuse_condition
from invdesign.vae.conditioning import Conditioning
from invdesign.vae.models.causal import Cache, Kind, Recurrent, Window, causal
from invdesign.vae.models.rotated_code import RotatedCode
from invdesign.vae.models.weight_tables import TableCache, WeightTables
from invdesign.vae.priors import PriorKind, make_prior
from invdesign.vae.spherical import make_posterior
from invdesign.vae.tokens import END, PAD, UNKNOWN

BEAM_MARGIN = 6.0
"""Log-probability [nats] by which an unfinished sequence may be worse than a finished one before it is dropped."""
MAX_KEPT = 2**24
"""Numbers of the matrices of all positions up to which they are kept between calls: 64 MB."""
MAX_READ_TOGETHER = 8192
"""Tokens that are encoded at once on a CPU, which bounds the memory."""


class SequenceVAE(VAE):
    """Token VAE with an additive posterior mean and a decoder that reads the remainder.

    The posterior mean is a sum over tokens: every token, in the context of those before it, adds a `d`-vector. Since
    this code is causal, the decoder can compute the terms of the tokens that it has written, and at every step it reads
    the remainder `z - (sum so far)`. Such a decoder need not learn to remember; it reconstructs after minutes of
    training where plain recurrent decoders take hours.

    In the shared dimensions a token adds the same vector at every position, like a count of fragments: these dimensions
    are smooth, and the property head reads them. In the others it adds through a matrix of its position, with weights
    that decrease along the sequence, so that early tokens are decoded first and later ones after the earlier terms are
    subtracted (a sparse superposition code): these dimensions carry the order.

    Args:
        n_tokens: Size of the vocabulary.
        length: Tokens of the longest sequence, end token included.
        d: Latent dimensions.
        encoder: Network that reads the context of a token: the two tokens before it (`"window"`), those within reach of
            convolutions, or all of them.
        decoder: Network that writes the next token from the remainder and the tokens written so far.
        embedding: Width of a token's vector.
        width: Hidden units.
        depth: Layers of a convolutional, recurrent or transformer network.
        anchors: Number of learnt position matrices; more positions than this are interpolated between them.
        fall: Initial ratio of the weights of the first and the last position, as a power of e.
        n_shared: Latent dimensions that do not depend on position; by default half of `d`.
        is_rotated: Whether the matrices of all positions are one learnt matrix, rotated by a fixed random rotation of
            each position, plus the learnt matrices of the anchors. What is learnt at one position then holds at the
            later ones, which only long sequences reach.
        n_properties: Outputs of the property head; 0 for none.
        n_condition: Entries of the condition that encoder and decoder read; 0 for none.
        token_dropout: Fraction of the written tokens hidden from the decoder in training.
        input_dropout: Fraction of the tokens hidden from the encoder in training; the decoder must infer them from the
            rest.
        beam: Number of sequences that `generate` keeps in its beam search; 1 takes the most likely token at every step.
        prior: `"normal"`, `"flow"` for a prior that is learned with the model, or `"sphere"`.
        grammar: What every complete sequence obeys; `generate` writes no token that breaks it.

    References:
        Joseph and Barron, Sparse Superposition Codes, arXiv:1006.3780; Bowman et al., Generating Sentences from a
        Continuous Space (token dropout), arXiv:1511.06349.
    """

    is_autoregressive = True
    spread: Tensor

    def __init__(
        self,
        n_tokens: int,
        length: int,
        *,
        d: int = 64,
        encoder: Kind = "window",
        decoder: Kind = "recurrent",
        embedding: int = 128,
        width: int = 256,
        depth: int = 1,
        anchors: int = 64,
        fall: float = 4.5,
        n_shared: int | None = None,
        is_rotated: bool = False,
        n_properties: int = 0,
        n_condition: int = 0,
        token_dropout: float = 0.0,
        input_dropout: float = 0.0,
        beam: int = 1,
        prior: PriorKind = "normal",
        grammar: TokenGrammar | None = None,
    ) -> None:
        super().__init__()
        if n_tokens <= UNKNOWN or length < 2 or d < 1:
            raise InvdesignError(
                "sequence model: expected n_tokens > 3, length >= 2 and d >= 1, "
                f"got n_tokens={n_tokens}, length={length}, d={d}"
            )
        if n_shared is not None and not 0 <= n_shared <= d:
            raise InvdesignError(f"sequence model: n_shared must lie between 0 and d={d}, got {n_shared}")
        self.n_tokens, self.length, self.d = n_tokens, length, d
        self.encoder, self.decoder, self.embedding = encoder, decoder, embedding
        self.width, self.depth, self.n_properties = width, depth, n_properties
        self.token_dropout, self.input_dropout, self.beam = token_dropout, input_dropout, beam
        self.prior_kind, self.prior, self.grammar = prior, make_prior(prior, d), grammar
        self.n_shared = d // 2 if n_shared is None else n_shared
        self.anchors, self.fall, self.is_rotated = min(anchors, length), fall, is_rotated

        self.embed = nn.Embedding(n_tokens, embedding)
        self.read = causal(encoder, embedding, width, depth=depth, length=length)
        n_read = embedding + width
        # Weights fall so that the power of all positions together is one.
        weight = torch.exp(-fall * torch.linspace(0, 1, self.anchors))
        weight = weight / weight.square().sum().sqrt() * math.sqrt(self.anchors / length)
        n_placed = d - self.n_shared
        self.place = nn.Parameter(torch.randn(self.anchors, n_read, n_placed) * n_read**-0.5 * weight[:, None, None])
        self.share = nn.Parameter(torch.randn(n_read, self.n_shared) * n_read**-0.5 * (3 / length) ** 0.5)
        self.center = nn.Parameter(torch.zeros(d))
        self.log_sd = nn.Linear(d, d)
        nn.init.normal_(self.log_sd.weight, 0, 1e-3)
        nn.init.constant_(self.log_sd.bias, -1.5)

        self.match = nn.Parameter(torch.randn(self.anchors, d, embedding) * d**-0.5)
        self.write = causal(decoder, 2 * embedding, width, depth=depth, length=length)
        self.from_hidden = nn.Linear(width, embedding)
        self.from_match = nn.Linear(embedding, embedding)
        self.out = nn.Linear(embedding, n_tokens)
        nn.init.normal_(self.out.weight, 0, embedding**-0.5)
        nn.init.zeros_(self.out.bias)
        self.property_head = nn.Linear(self.n_shared or d, n_properties) if n_properties else None
        self.n_condition = n_condition
        self.conditioning = Conditioning(n_condition, d, embedding) if n_condition else None
        self.register_buffer("spread", _interpolation(length, self.anchors), persistent=False)
        self._table_cache = TableCache()
        self.rotation = RotatedCode(n_read, n_placed, embedding, length, fall) if is_rotated and n_placed else None
        if self.rotation is not None:
            nn.init.zeros_(self.place)
            with torch.no_grad():
                self.match.copy_(self.match[:1].expand_as(self.match))
                self.match[:, self.n_shared :] = 0

    def architecture(self) -> dict[str, Any]:
        """Return the constructor arguments of this model, as JSON."""
        sizes = ("n_tokens", "length", "d", "embedding", "width", "depth", "anchors", "n_shared", "n_properties")
        others = ("encoder", "decoder", "fall", "is_rotated", "token_dropout", "input_dropout", "beam")
        condition = {"n_condition": self.n_condition} if self.n_condition else {}
        return {**{name: getattr(self, name) for name in (*sizes, *others)}, "prior": self.prior_kind, **condition}

    @classmethod
    def from_architecture(cls, architecture: Mapping[str, Any], encoding: Encoding[Any, Any]) -> SequenceVAE:
        """Return an untrained model of a stored architecture, with the grammar of its encoding."""
        return cls(**architecture, grammar=encoding.shape.grammar)

    def with_properties(self, n: int) -> SequenceVAE:
        """Return a copy with a new property head of `n` outputs."""
        vae = copy.deepcopy(self)
        vae.n_properties = n
        vae.property_head = nn.Linear(self.n_shared or self.d, n) if n else None
        return vae

    def with_condition(self, n: int) -> SequenceVAE:
        """Return a copy that reads conditions of `n` entries, and ignores them until it is trained."""
        vae = copy.deepcopy(self)
        vae.n_condition = n
        vae.conditioning = Conditioning(n, self.d, self.embedding) if n else None
        return vae

    def sizes(self, x: Tensor) -> Tensor:
        """Return the tokens of every row."""
        return (x != PAD).sum(1)

    def posterior(self, x: Tensor, condition: Tensor | None = None) -> Normal:
        """Return the posteriors of `n` rows of token numbers."""
        given = self._read_condition(condition, len(x))
        return self._posterior(self._parts(self._trim(x), given), given)

    def log_likelihood(self, x: Tensor, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return log p(x | z) of every row in nats."""
        given = self._read_condition(condition, len(x))
        x = self._trim(x)
        return self._rate(x, z, self._parts(x, given), given)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> tuple[Normal, Tensor, Tensor]:
        """Encode rows (with input dropout in training), draw a latent for each, and rate the rows there."""
        given = self._read_condition(condition, len(x))
        x = self._trim(x)
        parts = self._parts(x, given)
        seen = parts
        if self.training and self.input_dropout:
            is_hidden = (torch.rand(x.shape, device=x.device) < self.input_dropout) & (x != PAD)
            seen = self._parts(x.masked_fill(is_hidden, UNKNOWN), given)
        posterior = self._posterior(seen, given)
        z = posterior.rsample()
        return posterior, z, self._rate(x, z, parts, given)

    def predict(self, z: Tensor) -> Tensor | None:
        """Return the properties that the head predicts from the shared dimensions; None without a head."""
        if self.property_head is None:
            return None
        predicted: Tensor = self.property_head(z[..., : self.n_shared or self.d])
        return predicted

    def logits(self, x: Tensor, z: Tensor) -> Tensor:
        """Return the logits of every token at every step, given the true tokens before it: `n x steps x n_tokens`."""
        given = self._read_condition(None, len(x))
        x = self._trim(x)
        return self._logits(x, z, self._parts(x, given), given)

    def generate(self, z: Float[Tensor, "n d"], condition: Tensor | None = None) -> Int[Tensor, "n length"]:
        """Return the token numbers that the decoder writes at latents, padded after the end."""
        best: Tensor = self.generate_ranked(z, condition)[0].batch
        return best

    def generate_ranked(self, z: Float[Tensor, "n d"], condition: Tensor | None = None) -> list[Ranked]:
        """Return the sequences of the beam, the best of each latent first: `beam` batches of `n x length` tokens.

        Each sequence is rated by its log-likelihood and by the distance of its own posterior mean from `z` in posterior
        standard deviations: the remainder of the right sequence is small.
        """
        with torch.no_grad():
            tables = self._tables()
        with torch.inference_mode():
            ranked = self._search_beams(z, condition, tables)
        # A training cannot use tensors of the inference mode.
        return [Ranked(output.batch.clone(), output.scores.clone()) for output in ranked]

    def _search_beams(self, z: Tensor, condition: Tensor | None, tables: WeightTables) -> list[Ranked]:
        """Return the sequences of the beam, the best of each latent first; tensors of the inference mode.

        Args:
            z: `n x d` latents.
            condition: Conditions, or None.
            tables: Products of the weights.
        """
        n, k = len(z), self.beam
        z = z.to(self.center.dtype)
        given = self._read_condition(condition, n)
        written = torch.full((n, k, self.length), PAD, dtype=torch.long, device=z.device)
        rated = torch.full((n, k), -torch.inf, device=z.device)
        rated[:, 0] = 0
        distance, sd = torch.zeros_like(rated), self.log_sd(z).clamp(-6, 2).exp()
        rows = torch.arange(n, device=z.device)
        beams = self._start_beams(z, given)
        for step in range(self.length if n else 0):
            best, parent, token = self._choose_next(beams, rated[rows], step, tables)
            history = written[rows].gather(1, parent[..., None].expand(-1, -1, self.length))
            history[:, :, step] = token
            written[rows] = history
            is_open, is_end = ~beams.ended.gather(1, parent), token == END
            if k > 1:
                is_last = is_open & is_end if step < self.length - 1 else is_open
                added = self._measure_distances(beams, is_last, parent, token, sd, tables, step)
                distance[rows] = distance[rows].gather(1, parent) + added
            ended = ~is_open | is_end
            best = _drop_worse(best, ended)
            rated[rows] = best
            ended = ended | (best == -torch.inf)
            going = (~ended).any(1).nonzero()[:, 0]
            if not len(going):
                break
            first = k * torch.arange(len(rows), device=z.device)
            # Finished rows are removed from the batch once they are many.
            if len(going) <= 0.7 * len(rows):
                rows, sd, first = rows[going], sd[going], first[going]
                parent, token, ended = parent[going], token[going], ended[going]
            beams = self._keep_beams(beams, first, parent, token, ended)
        scores, order = (rated - distance).sort(dim=1, descending=True, stable=True)
        every = torch.arange(n, device=z.device)
        return [Ranked(written[every, order[:, rank]], scores[:, rank]) for rank in range(k)]

    def _start_beams(self, z: Tensor, given: _Given) -> _Beams:
        """Return beams of `n` latents with one sequence each, which has no token."""
        n, device = len(z), z.device
        first = torch.arange(self.beam, device=device) == 0
        return _Beams(
            ended=~first.expand(n, -1),
            slots=torch.arange(n, device=device) * self.beam,
            last=torch.full((n, 1), END, device=device),
            left=z - given.origin,
            vector=given.vector,
            state=None if self.grammar is None else self.grammar.start(n, device),
        )

    def _choose_next(
        self, beams: _Beams, rated: Tensor, step: int, tables: WeightTables
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the best sequences of one more token: log-likelihood, number in the beam before, token; `n x beam`."""
        (n, k), (gain, token) = rated.shape, self._extend(beams, step, tables)
        width = gain.shape[1]
        # A finished sequence is not extended.
        gains = gain.new_full((n * k, width), -torch.inf)
        gains[:, 0].masked_fill_(beams.ended.flatten(), 0)
        gains[beams.slots] = gain
        tokens = token.new_full((n * k, width), PAD)
        tokens[beams.slots] = token
        best, chosen = (rated[..., None] + gains.view(n, k, width)).flatten(1).topk(k)
        return best, chosen // width, tokens.view(n, -1).gather(1, chosen)

    def _extend(self, beams: _Beams, step: int, tables: WeightTables) -> tuple[Tensor, Tensor]:
        """Return the log-probabilities of the best next tokens, and the tokens, `l x beam`; caches are updated."""
        embedded = _add(self.embed(beams.last), beams.vector)
        if step:
            context, beams.reading = self._read(beams.last, embedded, tables, beams.reading)
            beams.left = beams.left - torch.cat([embedded, context], dim=2)[:, 0] @ tables.place[step - 1]
        if isinstance(self.write, Recurrent) and tables.writing:
            rest, added = self._read_remainder(beams.left, self.write, tables, step)
            hidden, beams.writing = self.write.step_from_terms(tables.writing, beams.last[:, 0], rest, beams.writing)
        else:
            matched = beams.left @ tables.match[step]
            states, beams.writing = self.write(torch.cat([embedded, matched[:, None]], dim=2), beams.writing)
            hidden, added = states[:, 0], self.from_match(matched)
        scores = self.out(self.from_hidden(hidden) + added)
        norm = scores.logsumexp(1, keepdim=True)
        scores[:, PAD] = scores[:, UNKNOWN] = -torch.inf
        if self.grammar is not None and beams.state is not None:
            scores.masked_fill_(self.grammar.forbidden(beams.state), -torch.inf)
        gain, token = scores.topk(min(self.beam, self.n_tokens))
        return gain - norm, token

    def _read_remainder(self, left: Tensor, write: Recurrent, tables: WeightTables, step: int) -> tuple[Tensor, Tensor]:
        """Return what remainders (`l x d`) add to the gates of the decoder, and to the vector of the scores."""
        if tables.remainder is None:
            matched = left @ tables.match[step]
            return matched @ write.rest_weights(self.embedding), self.from_match(matched)
        rest, added = (left @ tables.remainder[step]).split([3 * self.width, self.embedding], dim=1)
        return rest, added + self.from_match.bias

    def _measure_distances(
        self,
        beams: _Beams,
        is_last: Tensor,
        parent: Tensor,
        token: Tensor,
        sd: Tensor,
        tables: WeightTables,
        step: int,
    ) -> Tensor:
        """Return half the squared distances of complete sequences from their latents, in posterior standard deviations.

        The remainder of a latent after all tokens is its difference from the sum of their terms, which is the posterior
        mean (on a sphere, before its projection).

        Args:
            beams: Beams before the last token.
            is_last: `n x k`, whether a sequence is complete with its token; the others have distance 0.
            parent: `n x k` numbers of the sequences in the beam before.
            token: `n x k` tokens.
            sd: `n x d` posterior standard deviations.
            tables: Products of the weights.
            step: Position of the token.
        """
        distances = beams.left.new_zeros(is_last.shape)
        row, column = is_last.nonzero(as_tuple=True)
        if not len(row):
            return distances
        n, k = is_last.shape
        kept, last = beams.find_rows(n * k)[row * k + parent[row, column]], token[row, column][:, None]
        embedded = _add(self.embed(last), None if beams.vector is None else beams.vector[kept])
        context, _ = self._read(last, embedded, tables, _keep(beams.reading, kept, self.encoder))
        left = beams.left[kept] - torch.cat([embedded, context], dim=2)[:, 0] @ tables.place[step]
        distances[row, column] = 0.5 * (left / sd[row]).square().sum(1).to(distances.dtype)
        return distances

    def _keep_beams(self, beams: _Beams, first: Tensor, parent: Tensor, token: Tensor, ended: Tensor) -> _Beams:
        """Return the beams of some latents, each sequence with its next token; finished ones are left out.

        Args:
            beams: The beams before.
            first: Position of the first sequence of each latent among all sequences before.
            parent: Numbers of the sequences in the beam before, for each latent.
            token: Their next tokens.
            ended: Whether they are finished.
        """
        slots = (~ended).flatten().nonzero()[:, 0]
        before = (first[:, None] + parent).flatten()[slots]
        kept, token = beams.find_rows(beams.ended.numel())[before], token.flatten()[slots]
        state = None
        if self.grammar is not None and beams.state is not None:
            state = self.grammar.follow((beams.state[0][kept], beams.state[1][kept]), token)
        return _Beams(
            ended=ended,
            slots=slots,
            last=token[:, None],
            left=beams.left[kept],
            vector=None if beams.vector is None else beams.vector[kept],
            state=state,
            reading=_keep(beams.reading, kept, self.encoder),
            writing=_keep(beams.writing, kept, self.decoder),
        )

    def _trim(self, x: Tensor) -> Tensor:
        used = int((x != PAD).sum(1).max()) if len(x) else 0
        return x[:, : max(used, 1)]

    def _tables(self) -> WeightTables:
        """Return what depends on the weights alone; kept where it is small."""
        return self._table_cache.get(self, self._make_tables) if self._has_small_tables else self._make_tables()

    @property
    def _has_small_tables(self) -> bool:
        return self.length * (self.embedding + self.width) * self.d <= MAX_KEPT

    @torch.no_grad()
    def _make_tables(self) -> WeightTables:
        has_terms = self.conditioning is None
        reading: tuple[Tensor, ...] = ()
        writing: tuple[Tensor, ...] = ()
        remainder = None
        with torch.autocast(self.center.device.type, enabled=False):
            match = self._match(self.length)
            if has_terms and isinstance(self.read, Window):
                reading = self.read.token_terms(self.embed.weight)
            if has_terms and isinstance(self.write, Recurrent):
                writing = self.write.token_terms(self.embed.weight)
                remainder = self._remainder_table(match, self.write) if writing else None
            return WeightTables(self._place(self.length), match, reading, writing, remainder)

    def _remainder_table(self, match: Tensor, write: Recurrent) -> Tensor | None:
        """Return the products of the matrices that read the remainder; None where they are large."""
        if self.length * self.d * (3 * self.width + self.embedding) > MAX_KEPT:
            return None
        return match @ torch.cat([write.rest_weights(self.embedding), self.from_match.weight.mT], dim=1)

    def _read(self, x: Tensor, embedded: Tensor, tables: WeightTables, cache: Cache = ()) -> tuple[Tensor, Cache]:
        """Return the contexts of further tokens, `n x steps x width`, and the cache of the encoder."""
        if isinstance(self.read, Window) and tables.reading:
            return self.read.from_terms(tables.reading, x, cache)
        context, cache = self.read(embedded, cache)
        return context, cache

    def _place(self, steps: int) -> Tensor:
        """Return the matrix of the first positions: `steps x n_read x d`; the shared dimensions come first."""
        placed = torch.einsum("la,acd->lcd", self.spread[:steps], self.place)
        if self.rotation is not None:
            placed = placed + self.rotation.place(steps)
        return torch.cat([self.share.expand(steps, -1, -1), placed], dim=2)

    def _match(self, steps: int) -> Tensor:
        match = torch.einsum("la,ade->lde", self.spread[:steps], self.match)
        if self.rotation is None:
            return match
        return match + F.pad(self.rotation.match(steps), (0, 0, self.n_shared, 0))

    def _read_condition(self, condition: Tensor | None, n: int) -> _Given:
        """Return the origin of the latents and the vector that a condition adds to every token."""
        if self.conditioning is None:
            refuse_condition("SequenceVAE", condition)
            return _Given(self.center)
        shift, vector = self.conditioning(condition, n)
        return _Given(self.center + shift, vector)

    def _parts(self, x: Tensor, given: _Given) -> Tensor:
        """Return the term of each token in the posterior mean: `n x steps x d`."""
        if torch.is_grad_enabled():
            self._table_cache.clear()  # a training changes the weights
            return self._read_parts(x, given.vector, self._place(x.shape[1]))
        tables = self._tables() if self._has_small_tables else None
        place = self._place(x.shape[1]) if tables is None else tables.place[: x.shape[1]]
        parts = x.new_empty(*x.shape, self.d, dtype=place.dtype)
        n_rows = max(1, MAX_READ_TOGETHER // max(1, x.shape[1]) if x.device.type == "cpu" else len(x))
        for start in range(0, len(x), n_rows):
            rows = slice(start, start + n_rows)
            vector = None if given.vector is None else given.vector[rows]
            parts[rows] = self._read_parts(x[rows], vector, place, tables)
        return parts

    def _read_parts(
        self, x: Tensor, vector: Tensor | None, place: Tensor, tables: WeightTables | None = None
    ) -> Tensor:
        embedded = _add(self.embed(x), vector)
        context = self.read(embedded)[0] if tables is None else self._read(x, embedded, tables)[0]
        read = torch.cat([embedded, context], dim=2) * (x != PAD)[..., None]
        return torch.bmm(read.transpose(0, 1), place).transpose(0, 1)

    def _posterior(self, parts: Tensor, given: _Given) -> Normal:
        mean = (parts.sum(1) + given.origin).float()
        return make_posterior(self.prior, mean, self.log_sd(mean.detach()).float().clamp(-6, 2).exp())

    def _logits(self, x: Tensor, z: Tensor, parts: Tensor, given: _Given) -> Tensor:
        written = F.pad(parts[:, :-1].cumsum(1), (0, 0, 1, 0))
        left = (z - given.origin)[:, None] - written
        matched = torch.bmm(left.transpose(0, 1), self._match(x.shape[1])).transpose(0, 1)
        before = F.pad(x[:, :-1], (1, 0), value=END)
        if self.training and self.token_dropout:
            hidden_tokens = torch.rand(before.shape, device=x.device) < self.token_dropout
            before = before.masked_fill(hidden_tokens, UNKNOWN)
        hidden, _ = self.write(torch.cat([_add(self.embed(before), given.vector), matched], dim=2))
        logits: Tensor = self.out(self.from_hidden(hidden) + self.from_match(matched))
        return logits

    def _rate(self, x: Tensor, z: Tensor, parts: Tensor, given: _Given) -> Tensor:
        logits = self._logits(x, z, parts, given).float()
        lost = F.cross_entropy(logits.flatten(0, 1), x.flatten(), ignore_index=PAD, reduction="none")
        return -lost.view(x.shape).sum(1)


@dataclass(frozen=True, eq=False)
class _Given:
    """What a condition decides of `n` designs."""

    origin: Tensor
    """`d` or `n x d`, latent of a sequence without tokens."""
    vector: Tensor | None = None
    """`n x embedding`, what is added to the vector of every token; None without conditions."""


@dataclass
class _Beams:
    """Sequences of a beam search: `k` for each of `n` latents, of which `l` are unfinished."""

    ended: Tensor
    """`n x k`, whether a sequence is finished, or cannot become one of the best."""
    slots: Tensor
    """`l`, positions of the unfinished sequences among all `n k`; the other fields have one entry or row for each."""
    last: Tensor
    """`l x 1`, last token."""
    left: Tensor
    """`l x d`, remainder of the latent."""
    vector: Tensor | None
    """`l x embedding`, what the condition adds to the vector of every token; None without conditions."""
    state: tuple[Tensor, Tensor] | None
    """State of the grammar; None without one."""
    reading: Cache = ()
    """Cache of the encoder."""
    writing: Cache = ()
    """Cache of the decoder."""

    def find_rows(self, n: int) -> Tensor:
        """Return for each unfinished one of `n` sequences its row in these tensors; other entries are not set."""
        found = torch.empty(n, dtype=torch.long, device=self.slots.device)
        found[self.slots] = torch.arange(len(self.slots), device=found.device)
        return found


def _drop_worse(log_likelihood: Tensor, ended: Tensor) -> Tensor:
    """Return the log-likelihoods (`n x k`), -infinity for unfinished sequences far worse than a finished one."""
    finished = log_likelihood.masked_fill(~ended, -torch.inf).amax(1, keepdim=True)
    return log_likelihood.masked_fill(~ended & (log_likelihood < finished - BEAM_MARGIN), -torch.inf)


def _interpolation(length: int, anchors: int) -> Tensor:
    """Return the weights (`length x anchors`) of the anchors at each position, linear between neighbours."""
    if anchors == 1:
        return torch.ones(length, 1)
    at = torch.linspace(0, anchors - 1, length)
    return (1 - (at[:, None] - torch.arange(anchors)).abs()).clamp(min=0)


def _keep(cache: Cache, rows: Tensor, kind: Kind) -> Cache:
    # The first axis of a recurrent state is its layers.
    return tuple(kept[:, rows] if kind == "recurrent" else kept[rows] for kept in cache)


def _add(embedded: Tensor, vector: Tensor | None) -> Tensor:
    """Return the vectors of tokens, `n x steps x embedding`, with the vector of each condition."""
    return embedded if vector is None else embedded + vector[:, None]
