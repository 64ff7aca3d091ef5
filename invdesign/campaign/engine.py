"""A campaign bound to its latent space."""

from __future__ import annotations

import inspect
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, Generic, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from invdesign.campaign.definition import Campaign
from invdesign.campaign.placement import place
from invdesign.campaign.reuse import Reuse
from invdesign.core import (
    Array,
    B,
    Candidate,
    Corpus,
    D,
    Encoding,
    FitSurrogate,
    InvdesignError,
    first_occurrences,
    improved_columns,
)
from invdesign.core.capabilities import descriptors, features
from invdesign.core.protocols import Features
from invdesign.latent.key_filter import KeyFilter
from invdesign.latent.space import LatentSpace
from invdesign.latent.training_keys import TrainingKeys, corpus_keys

FAR = 1e3
"""Distance [sd of the corpus] of designs without a latent: some thirty lengthscales."""


class DesignFeatures(NamedTuple):
    """Features and descriptors of one design."""

    features: npt.NDArray[np.float32 | np.uint8]
    """Features; small counts as bytes."""
    descriptors: Array
    """Descriptors."""


@dataclass(frozen=True, eq=False)
class FeatureCache(Generic[D]):
    """What a surrogate reads of a design beside its latent: features, then descriptors.

    Those of measured designs are computed once.
    """

    encoding: Encoding[D, Any]
    """Computes them."""
    use_descriptors: bool = False
    """Whether the surrogate reads descriptors."""
    rows: dict[str, DesignFeatures] = field(default_factory=dict)
    """Features of each design that was asked for, by key."""

    @cached_property
    def n_descriptors(self) -> int:
        """Number of descriptors: the last columns."""
        return descriptors(self.encoding, []).shape[1] if self.use_descriptors else 0

    def compute(self, designs: Sequence[D]) -> Tensor:
        """Return `n x (f + p)` float64 features and descriptors of designs."""
        F = features(self.encoding, designs)
        return torch.from_numpy(np.hstack([F, descriptors(self.encoding, designs)]) if self.n_descriptors else F)

    def of(self, candidates: Sequence[Candidate[D]]) -> Tensor:
        """Return `n x (f + p)` float64 features and descriptors of candidates."""
        new = [c for c in candidates if c.key not in self.rows]
        if new:
            for c, row in zip(new, self.compute([c.design for c in new]).numpy(), strict=True):
                values, described = np.split(row, [len(row) - self.n_descriptors])
                counts = values.astype(np.uint8)
                is_counted = bool((counts == values).all())
                self.rows[c.key] = DesignFeatures(counts if is_counted else values.astype(np.float32), described.copy())
        rows = [self.rows[c.key] for c in candidates]
        F = np.stack([row.features for row in rows]).astype(np.float64)
        return torch.from_numpy(
            np.hstack([F, np.stack([row.descriptors for row in rows])]) if self.n_descriptors else F
        )


def cache_features(encoding: Encoding[D, Any], surrogate: FitSurrogate) -> FeatureCache[D]:
    """Return the features that a surrogate reads: with descriptors if it has a parameter `n_descriptors`."""
    return FeatureCache(encoding, "n_descriptors" in inspect.signature(surrogate).parameters)


def bind_descriptors(surrogate: FitSurrogate, n_descriptors: int) -> FitSurrogate:
    """Return a surrogate whose inputs end with this number of descriptors; one that reads none as it is."""
    reads = "n_descriptors" in inspect.signature(surrogate).parameters
    return partial(surrogate, n_descriptors=n_descriptors) if reads else surrogate


@dataclass(frozen=True, eq=False)
class KnownKeys:
    """Keys of designs that exist: of a corpus, and of what the latent space was trained on."""

    corpus: Container[str]
    """Keys of the corpus."""
    training: TrainingKeys | KeyFilter
    """Keys of the training designs; a shipped model has no corpus beside it."""

    def __contains__(self, key: object) -> bool:
        return key in self.corpus or key in self.training


@dataclass(frozen=True, eq=False)
class Engine(Generic[D, B]):
    """A campaign bound to its latent space: all that `ask` needs besides the state."""

    campaign: Campaign[D, B]
    """The definition."""
    latent_space: LatentSpace[D, B]
    """The trained latent space."""
    excluded: Container[str]
    """Keys that are never proposed, besides those of the history."""
    features: FeatureCache[D]
    """Features of measured designs."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Names that the user gave designs of the corpus, by key, where these may be proposed."""
    source: tuple[Candidate[D], ...] = ()
    """Designs of another assay with its values, where the campaign transfers from one."""
    reuse: Reuse = field(default_factory=Reuse)
    """What the last round computed."""
    definition: Campaign[D, B] | None = None
    """The campaign as it was defined, where `campaign` has recorded changes (see `steer_engine`); else None."""

    @property
    def surrogate(self) -> FitSurrogate:
        """Surrogate of the campaign, for inputs of this engine."""
        return bind_descriptors(self.campaign.surrogates.surrogate, self.n_descriptors)

    @property
    def n_descriptors(self) -> int:
        """Number of last columns of the inputs that are descriptors."""
        return self.features.n_descriptors if self.campaign.surrogates.use_features else 0

    def inputs(self, candidates: Sequence[Candidate[D]]) -> Tensor:
        """Return surrogate inputs `[z | features | descriptors]` of candidates, `n x (d + f + p)`."""
        Z = separate_unplaced(torch.stack([c.z for c in candidates]))
        if not self.campaign.surrogates.use_features:
            return Z
        return torch.cat([Z, self.features.of(candidates)], dim=1)

    def measured_inputs(self, measured: Sequence[Candidate[D]]) -> Tensor:
        """Return surrogate inputs of the measured designs of a round, which extend those of the round before."""
        if not self.campaign.surrogates.use_features:
            return self.inputs(measured)
        Z = separate_unplaced(torch.stack([c.z for c in measured]))
        keys = [c.key for c in measured]
        return self.reuse.inputs.of(keys, Z, lambda start, stop: self.features.of(measured[start:stop]))

    def informative(self, candidates: Sequence[Candidate[D]]) -> list[Candidate[D]]:
        """Return the candidates that a surrogate can read: without features those with a latent."""
        if self.campaign.surrogates.use_features and isinstance(self.features.encoding, Features):
            return list(candidates)
        return [c for c in candidates if c.is_placed]

    def with_latent_space(self, latent_space: LatentSpace[D, B]) -> Engine[D, B]:
        """Return the engine with another latent space, e.g. a fine-tuned one; features stay valid."""
        designs = [c.design for c in self.source]
        Z = place(latent_space, designs).Z
        source = tuple(replace(c, z=Z[row]) for row, c in enumerate(self.source))
        return replace(self, latent_space=latent_space, source=source)


def separate_unplaced(Z: Tensor) -> Tensor:
    """Return latents where those of designs without a place (NaN) are far from all others and from each other.

    A stationary kernel on the latents then relates them to nothing, so that only their features count.

    Args:
        Z: `n x d` latents.

    Example:
        >>> separate_unplaced(torch.tensor([[0.5, 0.1], [torch.nan, torch.nan]]))
        tensor([[5.0000e-01, 1.0000e-01],
                [1.0000e+03, 0.0000e+00]])
    """
    rows = (~Z.isfinite().all(1)).nonzero()[:, 0]
    if not len(rows):
        return Z
    separated, d = Z.clone(), Z.shape[1]
    separated[rows] = 0.0
    # Every axis in both directions, then farther out: squared distances stay small enough for float64.
    numbers = torch.arange(len(rows))
    signs = torch.where(numbers // d % 2 == 0, 1.0, -1.0).to(Z.dtype)
    separated[rows, numbers % d] = signs * FAR * (1 + numbers // (2 * d)).to(Z.dtype)
    return separated


def make_engine(
    campaign: Campaign[D, B],
    latent_space: LatentSpace[D, B],
    corpus: Corpus[D] | None = None,
    *,
    source: Corpus[D] | None = None,
) -> Engine[D, B]:
    """Return a campaign bound to its latent space.

    Args:
        campaign: The definition.
        latent_space: The trained latent space.
        corpus: Its designs, and those that the latent space was trained on, are never proposed, unless the campaign
            allows it.
        source: Designs with the values of another assay, where they are loaded already.
    """
    excluded: Container[str] = frozenset()
    names: dict[str, str] = {}
    if not campaign.filters.allow_corpus_designs:
        in_corpus = frozenset[str]() if corpus is None else corpus_keys(campaign.domain, corpus)
        excluded = KnownKeys(in_corpus, latent_space.training_keys)
    elif corpus is not None and corpus.names:
        pairs = zip(corpus.designs, corpus.names, strict=True)
        names = {campaign.domain.key(design): name for design, name in pairs if name}
    other = _source_candidates(campaign, latent_space, source)
    return Engine(
        campaign,
        latent_space,
        excluded,
        cache_features(latent_space.encoding, campaign.surrogates.surrogate),
        names,
        other,
    )


def _source_candidates(
    campaign: Campaign[D, B], latent_space: LatentSpace[D, B], source: Corpus[D] | None
) -> tuple[Candidate[D], ...]:
    """Return the designs of another assay with its values; nothing where the campaign transfers from none.

    Raises:
        InvdesignError: The source has no such property.
    """
    transfer = campaign.surrogates.transfer
    if transfer is None:
        return ()
    corpus = transfer.source() if source is None else source
    name = transfer.property or campaign.objectives[improved_columns(campaign.objectives)[0]].name
    if name not in corpus.properties:
        raise InvdesignError(
            f"transfer: expected a property {name!r} in {corpus.name}, got {', '.join(corpus.properties) or 'none'}. "
            "Set transfer.property"
        )
    rows = np.flatnonzero(np.isfinite(corpus.properties[name])).tolist()
    designs = [corpus.designs[row] for row in rows]
    Z = place(latent_space, designs).Z
    keys = list(map(campaign.domain.key, designs))
    return tuple(
        Candidate(designs[i], keys[i], Z[i], y=(float(corpus.properties[name][rows[i]]),), status="measured")
        for i in first_occurrences(keys)
    )
