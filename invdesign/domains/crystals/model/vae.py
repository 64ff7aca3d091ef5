"""Variational autoencoder of crystals: a graph encoder of orbits and a decoder that preserves the symmetry."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Normal

from invdesign.core import Encoding, InvdesignError
from invdesign.domains.crystals.model.candidates import EXPANSIONS, Disturb, choose, gumbel_noise, penalty
from invdesign.domains.crystals.model.descriptor_tables import element_table, group_table, similar_elements, site_table
from invdesign.domains.crystals.model.encoding import HasVocabulary, Vocabulary, unpack
from invdesign.domains.crystals.model.layers import (
    N_BINS,
    WAVES,
    binned_log_likelihood,
    binned_mode,
    fourier_features,
    mlp,
    perturb,
)
from invdesign.vae.base import VAE, refuse_condition
from invdesign.vae.priors import PriorKind, make_prior

REDECODED_TOGETHER = 100
"""Latents whose candidates are decoded in one batch."""


class CrystalVAE(VAE):
    """VAE of crystals of any space group, written as a header (group, cell) and an ordered list of orbits.

    An orbit is a site, an element and the free coordinates of the site. Part of the latent is a superposition code:
    every item (the header or an orbit) adds a vector to a sum. The decoder subtracts the vectors of the items that it
    has generated and predicts the next item from the remainder (as `SequenceVAE` does with tokens). The other part
    comes from message passing on the graph of orbits, pooled by multiplicity: it is a smooth function of the structure,
    and the property head can use it.

    The decoder generates the group, the free parameters of its cell, and orbits until it stops: a site of that group in
    the order of the letters (a site without free coordinates at most once), an element, and the free coordinates. A
    number is a bin and a position within the bin. No output can break the symmetry, and `generate` is deterministic.

    In training, free coordinates, cells and elements are changed at random, in the input and the target alike. A model
    without this augmentation memorizes a corpus of a few thousand crystals; with it the decoder must reproduce any
    number.

    Args:
        vocabulary: Groups, sites and elements.
        elements: `n_elements x p` standardized properties of the vocabulary's elements.
        d: Number of latent dimensions.
        n_graph: Number of latent dimensions that come from the graph.
        embedding: Width of the embeddings of groups, sites, elements and numbers.
        width: Number of hidden units.
        layers: Number of message-passing layers.
        cutoff: Largest distance that the radial basis resolves [angstrom].
        n_properties: Number of outputs of the property head; 0 for none.
        n_candidates: Samples of the decoder that are compared where the most likely crystal is nonsense; 0 for none.
        prior: `"normal"`, or `"flow"` for a prior that is learned with the model.

    Raises:
        InvdesignError: `n_graph` is not between 0 and `d`.

    References:
        Xie et al., CDVAE, arXiv:2110.06197; Kazeev et al., WyckoffTransformer, arXiv:2503.02407; Joseph and Barron,
        Sparse Superposition Codes, arXiv:1006.3780.
    """

    is_autoregressive = True
    group_descriptors: Tensor
    is_cell_free: Tensor
    site_descriptors: Tensor
    site_groups: Tensor
    site_n_free: Tensor
    site_multiplicities: Tensor
    element_descriptors: Tensor
    similar: Tensor
    low: Tensor
    step: Tensor

    def __init__(
        self,
        vocabulary: Vocabulary,
        elements: Tensor,
        *,
        d: int = 64,
        n_graph: int = 16,
        embedding: int = 96,
        width: int = 192,
        layers: int = 3,
        cutoff: float = 6.0,
        n_properties: int = 0,
        n_candidates: int = 0,
        prior: PriorKind = "normal",
    ) -> None:
        super().__init__()
        if not 0 < n_graph < d:
            raise InvdesignError(f"crystal model: expected n_graph between 0 and d={d}, got {n_graph}")
        self.vocabulary, self.layout, self.d, self.n_graph = vocabulary, vocabulary.layout, d, n_graph
        self.embedding, self.width, self.n_layers, self.cutoff = embedding, width, layers, cutoff
        self.n_properties, self.n_candidates = n_properties, n_candidates
        self.prior_kind, self.prior = prior, make_prior(prior, d)
        self._register_tables(vocabulary, elements)
        self._build_embeddings()
        self._build_encoder()
        self._build_decoder()
        self.property_head = mlp(d, width, n_properties) if n_properties else None

    def architecture(self) -> dict[str, Any]:
        """Return the constructor's arguments, without vocabulary and elements, as JSON."""
        names = ("d", "n_graph", "embedding", "width", "cutoff", "n_properties", "n_candidates")
        sizes = {name: getattr(self, name) for name in names}
        return {"layers": self.n_layers, **sizes, "prior": self.prior_kind}

    @classmethod
    def from_architecture(cls, architecture: Mapping[str, Any], encoding: Encoding[Any, Any]) -> CrystalVAE:
        """Return an untrained model of a stored architecture, with the vocabulary of its encoding."""
        vocabulary = vocabulary_of(encoding)
        return cls(vocabulary, element_table(vocabulary.elements), **architecture)

    def with_properties(self, n: int) -> CrystalVAE:
        """Return a copy with a new property head of `n` outputs; 0 for none."""
        vae = copy.deepcopy(self)
        vae.n_properties = n
        vae.property_head = mlp(self.d, self.width, n) if n else None
        return vae

    def sizes(self, x: Tensor) -> Tensor:
        """Return the number of orbits (`n`) of each crystal."""
        return (self.layout.orbits(x)[..., 0] > 0).sum(1)

    def posterior(self, x: Tensor, condition: Tensor | None = None) -> Normal:
        """Return the posterior q(z|x) of `n` rows: `n x d` independent normals."""
        refuse_condition("CrystalVAE", condition)
        code = self._encode_items(self._embed_items(x)).sum(1)
        mean = torch.cat([code, self._encode_graph(x)], 1) + self.center
        return Normal(mean, self.log_sd(mean.detach()).clamp(-7, 2).exp(), validate_args=False)

    def augment(self, x: Tensor) -> Tensor:
        """Return rows with free coordinates and cells changed a little and elements replaced by similar ones."""
        return perturb(x, self.layout, self.site_n_free, self.similar)

    def predict(self, z: Tensor) -> Tensor | None:
        """Return the properties (`n x n_properties`, standardized) at latents (`n x d`); None without a head."""
        if self.property_head is None:
            return None
        predicted: Tensor = self.property_head(z)
        return predicted

    def log_likelihood(self, x: Tensor, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Compute log p(x|z) up to a constant.

        Args:
            x: `n` rows.
            z: `n x d` latents.
            condition: None; the model takes no condition.

        Returns:
            Log-likelihoods (`n`) [nats].
        """
        refuse_condition("CrystalVAE", condition)
        n_steps = min(int(self.sizes(x).max()) + 1, self.layout.n_orbits) if len(x) else 1
        items = self._embed_items(x)[:, :n_steps]
        codes = F.pad(self._encode_items(items).cumsum(1), (0, 0, 1, 0))
        matched = self._match_remainders(z, codes)
        hidden, _ = self.write(self._concatenate_inputs(F.pad(items, (0, 0, 1, 0)), matched, z))
        hidden = torch.cat([hidden, matched], 2)
        group = self.layout.group(x)
        total = self._rate_header(hidden[:, 0], group, self.layout.cell(x))
        for term in self._rate_orbits(hidden[:, 1:], group, self.layout.orbits(x)[:, :n_steps]):
            total = total + term
        return total

    @torch.no_grad()
    def generate(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Generate the most likely crystal at each latent that is not nonsense.

        The decoder generates greedily. Where the result is nonsense (see `candidates.penalty`), it is compared with
        larger cells and with `n_candidates` samples of the decoder, drawn with fixed noise, by log-likelihood minus
        penalty.

        Args:
            z: `n x d` latents.
            condition: None; the model takes no condition.

        Returns:
            `n` rows without the columns of the graph; the same latent always gives the same row.
        """
        refuse_condition("CrystalVAE", condition)
        z = z.to(self.center.dtype)
        x = self._write_rows(z, lambda logits: logits)
        if not self.n_candidates:
            return x
        nonsense = [i for i, row in enumerate(x.cpu()) if self._penalty_of_row(row) > 0]
        for start in range(0, len(nonsense), REDECODED_TOGETHER):
            rows = torch.tensor(nonsense[start : start + REDECODED_TOGETHER], device=x.device)
            x[rows] = self._choose_rows(z[rows], x[rows])
        return x

    def _choose_rows(self, z: Tensor, greedy: Tensor) -> Tensor:
        """Return the best of the greedy rows (`n x layout.n_columns`) and the candidates for each latent."""
        n = len(z)
        sampled = self._write_rows(z.repeat(self.n_candidates, 1), gumbel_noise(n, self.n_candidates))
        likely = torch.cat([greedy, sampled[: self.n_candidates // 4 * n]])
        rows = torch.cat([greedy, sampled, *(self._expand_cells(likely, factor) for factor in EXPANSIONS)])
        likelihood = self.log_likelihood(rows, z.repeat(len(rows) // n, 1)).view(-1, n).cpu()
        on_cpu = rows.cpu()

        def penalty_of(candidate: int, i: int) -> float:
            return self._penalty_of_row(on_cpu[candidate * n + i])

        chosen = torch.tensor(choose(likelihood, penalty_of), device=rows.device)
        return rows[chosen * n + torch.arange(n, device=rows.device)]

    def _expand_cells(self, rows: Tensor, factor: float) -> Tensor:
        """Return rows with the lengths of the cells multiplied by a factor."""
        expanded = rows.clone()
        self.layout.cell(expanded)[:, 0] += math.log(factor)
        return expanded

    def _penalty_of_row(self, row: Tensor) -> float:
        vocabulary = self.vocabulary
        return penalty(
            unpack(vocabulary, row[None])[0],
            min_closeness=vocabulary.min_closeness,
            usual_closeness=vocabulary.usual_closeness,
        )

    def _write_rows(self, z: Tensor, disturb: Disturb) -> Tensor:
        """Generate a row at each latent; every decision takes the maximum of its disturbed logits."""
        x = z.new_zeros(len(z), self.layout.n_columns)
        orbits = self.layout.orbits(x)  # a view
        remainder = z - F.pad(self.center[: self.d - self.n_graph], (0, self.n_graph))
        item, state = z.new_zeros(len(z), 3 * self.embedding), None
        group = site = torch.zeros(len(z), dtype=torch.long, device=z.device)
        is_open = torch.ones(len(z), dtype=torch.bool, device=z.device)
        for step in range(self.layout.n_orbits + 1 if len(z) else 0):
            matched = remainder @ self.match[step]
            hidden, state = self.write(self._concatenate_inputs(item[:, None], matched[:, None], z), state)
            h = torch.cat([hidden[:, 0], matched], 1)
            if step == 0:
                group, cell = self._decode_header(h, disturb)
                x[:, 0], x[:, 1:7] = group, cell
            else:
                site = self._decode_site(h, group, site, disturb, is_first=step == 1) * is_open
                is_open = site > 0
                if not bool(is_open.any()):
                    break
                element, u = self._decode_orbit(h, site, is_open, disturb)
                orbits[:, step - 1] = torch.cat([site[:, None], element[:, None], u], 1)
            item = self._embed_items(x)[:, step]
            remainder = remainder - F.pad(self._encode_items(item[:, None], first=step)[:, 0], (0, self.n_graph))
        return x

    def _register_tables(self, vocabulary: Vocabulary, elements: Tensor) -> None:
        """Register the descriptors of groups, sites and elements and the range of the cells as buffers."""
        groups, sites = group_table(vocabulary), site_table(vocabulary)
        tables = {
            "group_descriptors": groups.facts,
            "is_cell_free": groups.is_free,
            "site_descriptors": sites.facts,
            "site_groups": sites.group,
            "site_n_free": sites.n_free,
            "site_multiplicities": sites.multiplicity,
            "element_descriptors": F.pad(elements.float(), (0, 0, 1, 0)),
            "similar": similar_elements(elements),
            "low": torch.tensor(vocabulary.low),
            "step": (torch.tensor(vocabulary.high) - torch.tensor(vocabulary.low)) / N_BINS,
        }
        for name, table in tables.items():
            self.register_buffer(name, table, persistent=False)

    def _build_embeddings(self) -> None:
        """Build the embeddings of groups, sites and elements (by identity and by descriptors) and of numbers."""
        e, width = self.embedding, self.width
        self.of_group = nn.Embedding(len(self.group_descriptors), e)
        self.of_site = nn.Embedding(len(self.site_descriptors), e)
        self.of_element = nn.Embedding(len(self.element_descriptors), e)
        self.group_from = nn.Linear(self.group_descriptors.shape[1], e, bias=False)
        self.site_from = nn.Linear(self.site_descriptors.shape[1], e, bias=False)
        self.element_from = nn.Linear(self.element_descriptors.shape[1], e, bias=False)
        for table in (self.of_group, self.of_site, self.of_element):
            nn.init.normal_(table.weight, 0, 0.5)
        self.from_cell = mlp(6 * (1 + 2 * len(WAVES)), width, e)
        self.from_free = mlp(3 * 2 * len(WAVES), width, e)

    def _build_encoder(self) -> None:
        """Build the superposition code, the message passing and the posterior."""
        k, e, d, width = self.layout.n_orbits, self.embedding, self.d, self.width
        # Superposition code: half of it is the same for all positions of the list, the other half depends on the
        # position, with a weight that falls off along the list.
        n_code = d - self.n_graph
        n_shared = n_code // 2
        self.code = mlp(3 * e, width, 2 * e)
        decay = torch.exp(-3.0 * torch.arange(k + 1) / (k + 1))
        decay = decay / decay.square().sum().sqrt() * (k + 1) ** 0.5
        self.share = nn.Parameter(torch.randn(2 * e, n_shared) * (2 * e) ** -0.5 * 0.7)
        self.place = nn.Parameter(torch.randn(k + 1, 2 * e, n_code - n_shared) * (2 * e) ** -0.5 * decay[:, None, None])
        # Message passing: nodes, gates and messages of the neighbours, updates.
        self.node = mlp(2 * e, width, e)
        self.near = nn.ModuleList(nn.Linear(2 * e + 16, 2 * e) for _ in range(self.n_layers))
        self.far = nn.ModuleList(nn.Linear(e, e) for _ in range(self.n_layers))
        self.pool = mlp(2 * e, width, self.n_graph)
        self.center = nn.Parameter(torch.zeros(d))
        self.log_sd = nn.Linear(d, d)
        nn.init.normal_(self.log_sd.weight, 0, 1e-3)
        nn.init.constant_(self.log_sd.bias, -2.0)

    def _build_decoder(self) -> None:
        """Build the recurrent network and the heads of group, cell, site, element and free coordinates."""
        k, e, d, width = self.layout.n_orbits, self.embedding, self.d, self.width
        self.match = nn.Parameter(torch.randn(k + 1, d, e) * d**-0.5)
        self.write = nn.GRU(4 * e + d, width, batch_first=True)
        self.to_group = mlp(width + e, width, len(self.group_descriptors))
        self.to_cell = mlp(width + 2 * e, width, 6 * 2 * N_BINS)
        self.to_site = mlp(width + 2 * e, width, e)
        self.site_bias = nn.Embedding(len(self.site_descriptors), 1)
        self.to_element = mlp(width + 2 * e, width, e)
        self.to_free = nn.ModuleList(mlp(width + 3 * e + 2 * len(WAVES) * j, width, 2 * N_BINS) for j in range(3))

    def _embed_group(self, group: Tensor) -> Tensor:
        embedded: Tensor = self.of_group(group) + self.group_from(self.group_descriptors[group])
        return embedded

    def _embed_site(self, site: Tensor) -> Tensor:
        embedded: Tensor = self.of_site(site) + self.site_from(self.site_descriptors[site])
        return embedded

    def _embed_element(self, element: Tensor) -> Tensor:
        embedded: Tensor = self.of_element(element) + self.element_from(self.element_descriptors[element])
        return embedded

    def _embed_items(self, x: Tensor) -> Tensor:
        """Embed the header and the orbits of rows: `n x (k + 1) x 3 e`, 0 for positions without an orbit."""
        group, cell, orbits = self.layout.group(x), self.layout.cell(x), self.layout.orbits(x)
        site, u = orbits[..., 0].long(), orbits[..., 2:]
        is_cell_free = self.is_cell_free[group].repeat(1, 1 + 2 * len(WAVES))
        embedded_cell = self.from_cell(torch.cat([cell, fourier_features(cell)], 1) * is_cell_free)
        header = torch.cat([self._embed_group(group), embedded_cell, torch.zeros_like(embedded_cell)], 1)
        is_free = (torch.arange(3, device=x.device) < self.site_n_free[site][..., None]).float()
        embedded_free = self.from_free(fourier_features(u) * is_free.repeat(1, 1, 2 * len(WAVES)))
        parts = [self._embed_site(site), self._embed_element(orbits[..., 1].long()), embedded_free]
        return torch.cat([header[:, None], torch.cat(parts, 2) * (site > 0)[..., None]], 1)

    def _encode_items(self, items: Tensor, *, first: int = 0) -> Tensor:
        """Return the vector that each item adds to the sum: `n x steps x (d - n_graph)`, 0 for missing items.

        Args:
            items: `n x steps x 3 e` embedded items.
            first: Position of the first item in the list; the header is at 0.
        """
        code = self.code(items) * (items.abs().sum(2, keepdim=True) > 0)
        positional = torch.einsum("nse,sec->nsc", code, self.place[first : first + items.shape[1]])
        return torch.cat([code @ self.share, positional], 2)

    def _encode_graph(self, x: Tensor) -> Tensor:
        """Return the pooled result of message passing between orbits: `n x n_graph`."""
        orbits = self.layout.orbits(x)
        k = int(self.sizes(x).max()) if len(x) else 1
        site, element = orbits[:, :k, 0].long(), orbits[:, :k, 1].long()
        distance, owner = (edge[:, :k] for edge in self.layout.edges(x))
        h = self.node(torch.cat([self._embed_site(site), self._embed_element(element)], 2))
        centers = torch.linspace(0.8, self.cutoff, 16, device=x.device)
        basis = torch.exp(-((distance[..., None] - centers) / 0.35).square())
        rows, owner = torch.arange(len(x), device=x.device)[:, None, None], owner.clamp(max=k - 1)
        weights = torch.exp(-distance / 2)[..., None]
        weights = weights / weights.sum(2, keepdim=True)
        for near, far in zip(self.near, self.far, strict=True):
            # A linear layer of [own, neighbour, basis], split so that each node is projected once, not per edge.
            weight, bias = near.get_parameter("weight"), near.get_parameter("bias")
            of_own, of_neighbour, of_basis = weight.split([h.shape[2], h.shape[2], basis.shape[3]], 1)
            edges = (h @ of_own.T + bias)[:, :, None] + (h @ of_neighbour.T)[rows, owner] + basis @ of_basis.T
            gate, message = edges.chunk(2, 3)
            h = h + far((torch.sigmoid(gate) * F.silu(message) * weights).sum(2))
        fraction = self.site_multiplicities[site]
        fraction = fraction / fraction.sum(1, keepdim=True).clamp_min(1)
        mean = (h * fraction[..., None]).sum(1)
        rms = (h.square() * fraction[..., None]).sum(1).clamp_min(1e-6).sqrt()
        pooled: Tensor = self.pool(torch.cat([mean, rms], 1))
        return pooled

    def _match_remainders(self, z: Tensor, codes: Tensor) -> Tensor:
        """Project what remains of latents (`n x d`) after the codes (`n x steps x (d - n_graph)`): `n x steps x e`."""
        centered = z - F.pad(self.center[: self.d - self.n_graph], (0, self.n_graph))
        remainders = centered[:, None] - F.pad(codes, (0, self.n_graph))
        return torch.einsum("nsd,sde->nse", remainders, self.match[: codes.shape[1]])

    def _concatenate_inputs(self, items: Tensor, matched: Tensor, z: Tensor) -> Tensor:
        """Return the inputs of the recurrent network: previous items, matched remainders, latents."""
        return torch.cat([items, matched, z[:, None].expand(-1, items.shape[1], -1)], 2)

    def _rate_header(self, h: Tensor, group: Tensor, cell: Tensor) -> Tensor:
        """Return the log-probability (`n`) of group and cell given the hidden states `h`."""
        total = -F.cross_entropy(self.to_group(h), group, reduction="none")
        out = self.to_cell(torch.cat([h, self._embed_group(group)], 1)).view(len(h), 6, 2, N_BINS)
        rated = binned_log_likelihood(out[:, :, 0], out[:, :, 1], (cell - self.low) / self.step)
        return total + (rated * self.is_cell_free[group]).sum(1)

    def _rate_orbits(self, h: Tensor, group: Tensor, orbits: Tensor) -> Iterator[Tensor]:
        """Yield the log-probabilities (`n` each) of sites, elements and each free coordinate.

        Args:
            h: `n x steps x ...` hidden states.
            group: `n` numbers of groups.
            orbits: `n x steps x 5`; the step after the last orbit rates the end of the list.
        """
        site, element, u = orbits[..., 0].long(), orbits[..., 1].long(), orbits[..., 2:]
        previous = F.pad(site[:, :-1], (1, 0))
        logits = self._compute_site_logits(h, group, previous)
        rated = -F.cross_entropy(logits.transpose(1, 2), site, reduction="none")
        is_open = F.pad(previous[:, 1:] > 0, (1, 0), value=True)
        yield (rated * is_open).sum(1)
        embedded_site = self._embed_site(site)
        logits = self._compute_element_logits(h, embedded_site)
        rated = -F.cross_entropy(logits.transpose(1, 2), element, reduction="none")
        yield (rated * (site > 0)).sum(1)
        embedded = torch.cat([embedded_site, self._embed_element(element)], 2)
        for j, head in enumerate(self.to_free):
            out = head(torch.cat([h, embedded, fourier_features(u[..., :j])], 2)).unflatten(2, (2, N_BINS))
            rated = binned_log_likelihood(out[..., 0, :], out[..., 1, :], u[..., j] * N_BINS)
            yield (rated * (self.site_n_free[site] > j)).sum(1)

    def _decode_header(self, h: Tensor, disturb: Disturb) -> tuple[Tensor, Tensor]:
        """Return the best groups (`n`) and cells (`n x 6`)."""
        group = disturb(self.to_group(h)[:, 1:]).argmax(1) + 1
        out = self.to_cell(torch.cat([h, self._embed_group(group)], 1)).view(len(h), 6, 2, N_BINS)
        return group, self.low + self.step * binned_mode(disturb(out[:, :, 0]), out[:, :, 1])

    def _decode_site(self, h: Tensor, group: Tensor, previous: Tensor, disturb: Disturb, *, is_first: bool) -> Tensor:
        """Return the best sites (`n`) after the previous ones; 0 ends the list, which has one orbit at least."""
        logits = self._compute_site_logits(h[:, None], group, previous[:, None])[:, 0]
        if is_first:
            logits[:, 0] = -torch.inf
        return disturb(logits).argmax(1)

    def _decode_orbit(self, h: Tensor, site: Tensor, is_open: Tensor, disturb: Disturb) -> tuple[Tensor, Tensor]:
        """Return the best elements (`n`, 0 for ended lists) and free coordinates (`n x 3`)."""
        embedded_site = self._embed_site(site)
        logits = self._compute_element_logits(h[:, None], embedded_site[:, None])[:, 0, 1:]
        element = (disturb(logits).argmax(1) + 1) * is_open
        embedded = torch.cat([embedded_site, self._embed_element(element)], 1)
        u = h.new_zeros(len(h), 3)
        for j, head in enumerate(self.to_free):
            out = head(torch.cat([h, embedded, fourier_features(u[:, :j])], 1)).unflatten(1, (2, N_BINS))
            value = (binned_mode(disturb(out[:, 0]), out[:, 1]) / N_BINS) % 1.0
            u[:, j] = value * (self.site_n_free[site] > j)
        return element, u

    def _compute_site_logits(self, h: Tensor, group: Tensor, previous: Tensor) -> Tensor:
        """Return the logits of every site (`n x steps x n_sites`), -1e9 for sites that cannot follow the previous."""
        embedded_group = self._embed_group(group)[:, None].expand(-1, h.shape[1], -1)
        query = self.to_site(torch.cat([h, embedded_group], 2))
        numbers = torch.arange(len(self.site_groups), device=h.device)
        logits = query @ self._embed_site(numbers).T / math.sqrt(self.embedding) + self.site_bias.weight[:, 0]
        is_later = numbers > previous[..., None]
        is_repeatable = (numbers == previous[..., None]) & (self.site_n_free > 0)
        is_of_group = (self.site_groups == group[:, None])[:, None]
        is_allowed = (is_of_group & (is_later | is_repeatable)) | (numbers == 0)
        masked: Tensor = logits.masked_fill(~is_allowed, -1e9)
        return masked

    def _compute_element_logits(self, h: Tensor, embedded_site: Tensor) -> Tensor:
        """Return the logits of every element: `n x steps x (n_elements + 1)`."""
        query = self.to_element(torch.cat([h, embedded_site], 2))
        numbers = torch.arange(len(self.element_descriptors), device=h.device)
        logits: Tensor = query @ self._embed_element(numbers).T / math.sqrt(self.embedding)
        return logits


def vocabulary_of(encoding: Encoding[Any, Any]) -> Vocabulary:
    """Return the vocabulary of an encoding of crystals.

    Raises:
        InvdesignError: The encoding is that of another domain.
    """
    if not (isinstance(encoding, HasVocabulary) and isinstance(encoding.vocabulary, Vocabulary)):
        raise InvdesignError(
            f"crystal_vae: expected an encoding of crystals, got {type(encoding).__name__}. Choose the VAE of the "
            "domain, e.g. vae=sequences/default"
        )
    return encoding.vocabulary


def crystal_vae(
    encoding: Encoding[Any, Any],
    *,
    d: int = 64,
    n_graph: int = 16,
    embedding: int = 96,
    width: int = 192,
    layers: int = 3,
    cutoff: float = 6.0,
    n_properties: int = 0,
    n_candidates: int = 0,
    prior: PriorKind = "normal",
) -> CrystalVAE:
    """Build an untrained crystal VAE for an encoding of `Crystals`.

    Args:
        encoding: The encoding; its vocabulary is the model's.
        d: Number of latent dimensions.
        n_graph: Number of latent dimensions that come from the graph.
        embedding: Width of the embeddings of groups, sites, elements and numbers.
        width: Number of hidden units.
        layers: Number of message-passing layers.
        cutoff: Largest distance that the radial basis resolves [angstrom].
        n_properties: Number of outputs of the property head; 0 for none.
        n_candidates: Samples of the decoder that are compared where the most likely crystal is nonsense; 0 for none.
        prior: `"normal"`, or `"flow"` for a prior that is learned with the model.

    Returns:
        The model.

    Raises:
        InvdesignError: The encoding is that of another domain, or `n_graph` is not between 0 and `d`.

    Example:
        >>> from invdesign.domains.crystals import Crystal, Crystals
        >>> from invdesign.domains.crystals.crystal import Orbit
        >>> copper = Crystal(225, (3.6, 3.6, 3.6, 90.0, 90.0, 90.0), (Orbit("Cu", "a", (0.0, 0.0, 0.0), 4),))
        >>> encoding = Crystals().fit([copper])
        >>> vae = crystal_vae(encoding, d=8, n_graph=4, embedding=8, width=8)
        >>> vae.posterior(encoding.encode([copper])).loc.shape
        torch.Size([1, 8])
    """
    vocabulary = vocabulary_of(encoding)
    return CrystalVAE(
        vocabulary,
        element_table(vocabulary.elements),
        d=d,
        n_graph=n_graph,
        embedding=embedding,
        width=width,
        layers=layers,
        cutoff=cutoff,
        n_properties=n_properties,
        n_candidates=n_candidates,
        prior=prior,
    )
