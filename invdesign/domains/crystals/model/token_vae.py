"""VAE of crystals as sequences of tokens: the sequence model of molecules and proteins on the rows of a crystal."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Normal

from invdesign.core import Encoding
from invdesign.domains.crystals.model.candidates import EXPANSIONS
from invdesign.domains.crystals.model.descriptor_tables import element_table, similar_elements
from invdesign.domains.crystals.model.encoding import Vocabulary
from invdesign.domains.crystals.model.formula_grammar import formula_grammar
from invdesign.domains.crystals.model.layers import perturb
from invdesign.domains.crystals.model.token_language import COORDINATES, ELEMENTS, SCALE, SHAPE, TokenLanguage
from invdesign.domains.crystals.model.vae import vocabulary_of
from invdesign.vae.base import VAE, Ranked
from invdesign.vae.models.sequence import SequenceVAE
from invdesign.vae.priors import PriorKind, make_prior

JITTER = 0.012
"""Standard deviation of the changes of free coordinates in training, in half of the crystals: about one bin."""
STRAIN = 0.015
"""Standard deviation of the changes of the shape of a cell in training; those of its scale are half as large."""
WIDENING = 5.0
"""Factor of the changes of coordinates and shape in the crystals of `wide_share`."""


class CrystalTokenVAE(VAE):
    """VAE of crystals of any space group, written as tokens (see `token_language`) by a `SequenceVAE`.

    The beam search of the decoder obeys the grammar of crystals, so that it writes no site that the group lacks, and
    its sequences are ranked: where the first is no crystal or nonsense, a later one is taken.

    In training, free coordinates, cells and elements are changed at random, as those of `CrystalVAE` are.

    Args:
        vocabulary: Groups, sites and elements.
        elements: `n_elements x p` standardized properties of the vocabulary's elements.

    The other arguments are those of `crystal_token_vae`.
    """

    is_autoregressive = True
    similar: Tensor

    def __init__(
        self,
        vocabulary: Vocabulary,
        elements: Tensor,
        *,
        d: int = 64,
        embedding: int = 128,
        width: int = 256,
        fall: float = 4.5,
        anchors: int = 0,
        is_rotated: bool = False,
        n_properties: int = 0,
        n_condition: int = 0,
        token_dropout: float = 0.0,
        substitution_rate: float = 0.3,
        n_substitutions: int = 1,
        wide_share: float = 0.0,
        beam: int = 8,
        prior: PriorKind = "flow",
    ) -> None:
        super().__init__()
        self.language, self.d, self.anchors = TokenLanguage(vocabulary), d, anchors
        self.substitution_rate, self.n_substitutions, self.wide_share = substitution_rate, n_substitutions, wide_share
        self.n_condition = n_condition
        self.prior_kind, self.prior = prior, make_prior(prior, d)
        self.sequence = SequenceVAE(
            self.language.n_tokens,
            self.language.length,
            d=d,
            embedding=embedding,
            width=width,
            anchors=anchors or self.language.length,
            fall=fall,
            is_rotated=is_rotated,
            n_properties=n_properties,
            n_condition=n_condition,
            token_dropout=token_dropout,
            beam=beam,
            grammar=self.language.grammar(),
        )
        self.register_buffer("similar", similar_elements(elements), persistent=False)
        self._align_embeddings(elements)

    def architecture(self) -> dict[str, Any]:
        """Return the constructor's arguments, without vocabulary and elements, as JSON."""
        names = ("d", "embedding", "width", "fall", "is_rotated", "n_properties", "token_dropout", "beam")
        sizes = {name: getattr(self.sequence, name) for name in names}
        changes = ("substitution_rate", "n_substitutions", "wide_share")
        if self.sequence.n_condition:
            sizes["n_condition"] = self.sequence.n_condition
        own = {name: getattr(self, name) for name in ("anchors", *changes)}
        return {**sizes, **own, "prior": self.prior_kind}

    @classmethod
    def from_architecture(cls, architecture: Mapping[str, Any], encoding: Encoding[Any, Any]) -> CrystalTokenVAE:
        """Return an untrained model of a stored architecture, with the vocabulary of its encoding."""
        vocabulary = vocabulary_of(encoding)
        return cls(vocabulary, element_table(vocabulary.elements), **architecture)

    def with_properties(self, n: int) -> CrystalTokenVAE:
        """Return a copy with a new property head of `n` outputs; 0 for none."""
        vae = copy.deepcopy(self)
        vae.sequence = vae.sequence.with_properties(n)
        return vae

    def with_condition(self, n: int) -> CrystalTokenVAE:
        """Return a copy that reads conditions of `n` entries."""
        vae = copy.deepcopy(self)
        vae.sequence = vae.sequence.with_condition(n)
        vae.n_condition = n
        return vae

    def sizes(self, x: Tensor) -> Tensor:
        """Return the number of tokens (`n`) of each crystal."""
        return self.sequence.sizes(self.language.tokenize(x))

    def posterior(self, x: Tensor, condition: Tensor | None = None) -> Normal:
        """Return the posterior q(z|x) of `n` rows: `n x d` independent normals."""
        return self.sequence.posterior(self.language.tokenize(x), condition)

    def log_likelihood(self, x: Tensor, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return log p(x | z) of every row in nats."""
        return self.sequence.log_likelihood(self.language.tokenize(x), z, condition)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> tuple[Normal, Tensor, Tensor]:
        """Encode rows (changed at random in training), draw a latent for each, and rate the rows there."""
        tokens = self.language.tokenize(self.augment(x) if self.training else x)
        posterior, z, log_likelihood = self.sequence(tokens, condition)
        return posterior, z, log_likelihood

    def augment(self, x: Tensor) -> Tensor:
        """Return rows with free coordinates and cells changed a little and elements replaced by similar ones."""
        language = self.language
        return perturb(
            x,
            language.vocabulary.layout,
            language.n_free.to(x.device),
            self.similar,
            step=JITTER,
            strain=STRAIN,
            substitution_rate=self.substitution_rate,
            n_substitutions=self.n_substitutions,
            wide_share=self.wide_share,
            widening=WIDENING,
        )

    def predict(self, z: Tensor) -> Tensor | None:
        """Return the properties (`n x n_properties`, standardized) at latents (`n x d`); None without a head."""
        return self.sequence.predict(z)

    def generate(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return the row of the most likely crystal at each latent, without the columns of the graph."""
        return self.language.rows(self.sequence.generate(z, condition))

    @torch.no_grad()
    def generate_ranked(self, z: Tensor, condition: Tensor | None = None) -> list[Ranked]:
        """Return the rows of the sequences of the beam, the best of each latent first, then the best in larger cells.

        The larger cells are for crystals with atoms a little too near. A beam of one has no other outputs.
        """
        ranked = self.sequence.generate_ranked(z, condition)
        best = ranked[0]
        factors = EXPANSIONS if self.sequence.beam > 1 else ()
        rated = self.sequence.log_likelihood(best.batch, z, condition)
        for factor in factors:
            expanded = self.language.expand_cells(best.batch, factor)
            change = self.sequence.log_likelihood(expanded, z, condition) - rated
            ranked.append(Ranked(expanded, best.scores + change.clamp(max=0)))
        return [Ranked(self.language.rows(output.batch), output.scores) for output in ranked]

    @torch.no_grad()
    def generate_formula(self, z: Tensor, counts: Mapping[str, int]) -> list[Ranked]:
        """Return the rows of the crystals of a formula at latents, the best of each latent first: one batch a rank.

        Args:
            z: `n x d` latents.
            counts: Number of atoms of each element in the formula.

        Returns:
            Batches whose scores are infinitely low where the beam found no more crystals; none where the vocabulary
            lacks an element of the formula.
        """
        grammar = formula_grammar(self.language.grammar(), counts)
        if grammar is None:
            return []
        writer = copy.copy(self.sequence)
        writer.grammar = grammar
        ranked = writer.generate_ranked(z)
        return [Ranked(self.language.rows(output.batch), output.scores) for output in ranked]

    @torch.no_grad()
    def _align_embeddings(self, elements: Tensor) -> None:
        """Start tokens of similar elements, and of near bins, with similar vectors."""
        starts = self.language.starts
        features = {ELEMENTS: elements.float() / elements.float().std(0, correction=0).clamp_min(0.1)}
        for kind in range(SHAPE, SCALE + 1):
            n = starts[kind + 1] - starts[kind]
            features[kind] = _waves(n, is_periodic=kind == COORDINATES)
        for weight in (self.sequence.embed.weight, self.sequence.out.weight):
            for kind, table in features.items():
                directions = torch.randn(table.shape[1], weight.shape[1]) * table.shape[1] ** -0.5
                tokens = weight[starts[kind] : starts[kind + 1]]
                tokens.mul_(0.5).add_(table.to(weight) @ directions.to(weight) * 0.85 * weight.std())


def _waves(n: int, *, is_periodic: bool) -> Tensor:
    """Return smooth functions of the number of a bin, `n x 16`, of mean square 1."""
    at = torch.arange(n)[:, None] / max(n, 24) * (1.0 if is_periodic else 0.5)
    angles = 2 * math.pi * at * torch.arange(1, 9)
    return math.sqrt(2) * torch.cat([angles.sin(), angles.cos()], 1)


def crystal_token_vae(
    encoding: Encoding[Any, Any],
    *,
    d: int = 64,
    embedding: int = 128,
    width: int = 256,
    fall: float = 4.5,
    anchors: int = 0,
    is_rotated: bool = False,
    n_properties: int = 0,
    token_dropout: float = 0.0,
    substitution_rate: float = 0.3,
    n_substitutions: int = 1,
    wide_share: float = 0.0,
    beam: int = 8,
    prior: PriorKind = "flow",
) -> CrystalTokenVAE:
    """Build an untrained VAE of crystals as tokens, for an encoding of `Crystals`.

    Args:
        encoding: The encoding; its vocabulary is the model's.
        d: Number of latent dimensions.
        embedding: Width of a token's vector.
        width: Number of hidden units.
        fall: Initial ratio of the weights of the first and the last position, as a power of e.
        anchors: Number of learnt position matrices; 0 for one at each position.
        is_rotated: Whether all positions share one learnt matrix (see `RotatedCode`), to which those of the anchors are
            added.
        n_properties: Number of outputs of the property head; 0 for none.
        token_dropout: Fraction of the written tokens hidden from the decoder in training.
        substitution_rate: Fraction of the crystals in which training replaces an element by a similar one.
        n_substitutions: Number of such replacements, each in that fraction of the crystals.
        wide_share: Fraction of the crystals in which training changes coordinates and cell several times as much.
        beam: Number of sequences that are compared in decoding; 1 takes the most likely token at every step.
        prior: `"flow"` for a prior that is learned with the model, or `"normal"`.

    Raises:
        InvdesignError: The encoding is that of another domain.

    Example:
        >>> from invdesign.domains.crystals import Crystal, Crystals
        >>> from invdesign.domains.crystals.crystal import Orbit
        >>> copper = Crystal(225, (3.6, 3.6, 3.6, 90.0, 90.0, 90.0), (Orbit("Cu", "a", (0.0, 0.0, 0.0), 4),))
        >>> encoding = Crystals().fit([copper])
        >>> vae = crystal_token_vae(encoding, d=8, embedding=8, width=8)
        >>> vae.posterior(encoding.encode([copper])).loc.shape
        torch.Size([1, 8])
    """
    vocabulary = vocabulary_of(encoding)
    return CrystalTokenVAE(
        vocabulary,
        element_table(vocabulary.elements),
        d=d,
        embedding=embedding,
        width=width,
        fall=fall,
        anchors=anchors,
        is_rotated=is_rotated,
        n_properties=n_properties,
        token_dropout=token_dropout,
        substitution_rate=substitution_rate,
        n_substitutions=n_substitutions,
        wide_share=wide_share,
        beam=beam,
        prior=prior,
    )
