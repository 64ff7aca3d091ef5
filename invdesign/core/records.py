"""Records that travel between the layers: all frozen.

Shapes: `n` designs, `q` proposals, `d` latent dimensions, `f` features, `m` objectives.
`D` is a design (one object in its domain's own form), `B` a batch of designs as tensors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from invdesign.core.intervals import EDGES, QUANTILE_SCORES
from invdesign.core.value_source import GIVEN, ValueKind, ValueSource
from invdesign.core.value_usage import ValueUsage

if TYPE_CHECKING:
    from botorch.models.model import Model
    from torch import Tensor

D = TypeVar("D")
B = TypeVar("B")

Array = npt.NDArray[np.float64]
Status = Literal["pending", "measured", "failed", "timeout", "crashed", "invalid"]
FAILED: tuple[Status, ...] = ("failed", "timeout", "crashed", "invalid")
"""Statuses of a measurement that ended without a value."""


@dataclass(frozen=True)
class Check:
    """Result of a validator or a screen for one design."""

    name: str
    """Name of the check."""
    passed: bool
    """Whether the design passed."""
    detail: str = ""
    """Reason or value, for people."""


@dataclass(frozen=True)
class Neighbor:
    """The known design that is nearest to another one."""

    label: str
    """What people call it."""
    similarity: str
    """How near it is, with the name of the measure, e.g. `"Tanimoto similarity 0.62"`."""
    group: str = ""
    """Which of the known designs it belongs to, e.g. `"corpus"`."""


@dataclass(frozen=True)
class Outcome:
    """Result of measuring one design."""

    y: tuple[float, ...]
    """The `m` properties in their units; NaN where there is no value, never 0 for a failure."""
    status: Status = "measured"
    """How the measurement ended."""
    reason: str = ""
    """Why it failed."""
    seconds: float = 0.0
    """Duration of the oracle call [s]."""
    error: tuple[float, ...] = ()
    """Standard errors of `y`, NaN where not known; empty where none is known."""
    bound: tuple[int, ...] = ()
    """Censoring of `y`: 1 where the true value is above it, -1 below, 0 for a plain value; empty without any."""


@dataclass(frozen=True, eq=False)
class Call(Generic[D]):
    """One design to measure, as it is submitted to an executor."""

    id: str
    """Identifier of the call: another attempt at the same design has another one."""
    design: D
    """The design."""


@dataclass(frozen=True, eq=False)
class Candidate(Generic[D]):
    """A design with its latent, its measurement and its checks."""

    design: D
    """The design itself."""
    key: str
    """Canonical identity: two designs with one key are the same thing."""
    z: Tensor = field(repr=False)
    """Latent mean of the design (`d`, standardized, float64); never the proposal that it was decoded from. NaN
    where the latent space cannot write the design."""
    round: int = 0
    """Round that proposed it; 0 for a seed design."""
    origin: str = "seed"
    """Name of the proposer, `"seed"`, `"given"` (came measured), or `"substitute"` (made in place of a suggestion)."""
    parents: tuple[str, ...] = ()
    """Keys of the measured designs nearest to its proposal."""
    region: int = 0
    """Index of its trust region."""
    y: tuple[float, ...] = ()
    """The `m` properties in their units, NaN where not measured; empty while pending."""
    mean: tuple[float, ...] = ()
    """The `m` properties that a surrogate predicted when the design was selected, NaN for one that could not be fitted;
    empty for a seed design."""
    sd: tuple[float, ...] = ()
    """Standard deviations of those predictions."""
    quantiles: tuple[tuple[float, ...], ...] = ()
    """Quantiles of those predictions, at `intervals.QUANTILE_SCORES`; skewed where the outcome transform or the
    residuals of earlier predictions are. Empty where only the standard deviation is known."""
    acquisition: float = math.nan
    """Acquisition value at selection."""
    log_density: float = math.nan
    """log p(z) of real designs at its latent."""
    percentile: float = math.nan
    """Percentage (0 to 100) of held-out designs with a lower plausibility log p(x, z)."""
    status: Status = "pending"
    """State of its measurement."""
    reason: str = ""
    """Why the measurement failed."""
    checks: tuple[Check, ...] = ()
    """Results of screens and validators."""
    name: str = ""
    """Name that the user gave the design; empty for one that was proposed."""
    error: tuple[float, ...] = ()
    """Standard errors of `y`, NaN where not known; empty where none is known."""
    bound: tuple[int, ...] = ()
    """Censoring of `y`: 1 where the true value is above it, -1 below, 0 for a plain value; empty without any."""
    sources: tuple[ValueSource, ...] = ()
    """What the oracle's values are, for each property; empty where `y` was measured."""
    nearest: Neighbor | None = None
    """The known design nearest to it; None where it was not looked for."""
    anomaly_p: float | None = None
    """Share of real designs that are as unlike the others as this one is; None where it was not audited."""

    @cached_property
    def is_placed(self) -> bool:
        """Whether the design has a place in the latent space."""
        return bool(self.z.isfinite().all())

    def with_outcome(self, outcome: Outcome) -> Candidate[D]:
        """Return the candidate with its measurement."""
        o = outcome
        return replace(self, y=o.y, status=o.status, reason=o.reason, error=o.error, bound=o.bound)

    def predicted_quantiles(self, j: int) -> tuple[float, ...]:
        """Return the stated quantiles of the `j`-th property at `QUANTILE_SCORES`; NaN where it was not predicted.

        Args:
            j: Number of the property. Where only its mean and standard deviation are known it is taken as normal.
        """
        if j < len(self.quantiles):
            return self.quantiles[j]
        mean, sd = (values[j] if j < len(values) else math.nan for values in (self.mean, self.sd))
        return tuple(mean + score * sd for score in QUANTILE_SCORES)

    def interval(self, j: int, percent: Literal[50, 90] = 90) -> tuple[float, float]:
        """Return the stated interval of the `j`-th property; NaN where it was not predicted.

        Args:
            j: Number of the property.
            percent: Probability that the interval contains the outcome [%].

        Example:
            >>> import torch
            >>> candidate = Candidate("CCO", "CCO", torch.zeros(2), mean=(1.0,), sd=(2.0,))
            >>> [round(end, 2) for end in candidate.interval(0)]
            [-2.29, 4.29]
        """
        quantiles = self.predicted_quantiles(j)
        low, high = EDGES[percent]
        return quantiles[low], quantiles[high]

    def value_kind(self, j: int) -> ValueKind:
        """Return how the `j`-th property was obtained; values that came with the design were measured."""
        return "measured" if self.origin == GIVEN or j >= len(self.sources) else self.sources[j].kind

    def value_error(self, j: int) -> float:
        """Return the standard error of the `j`-th property: its own, or that of the oracle; NaN where not known."""
        if self.origin != GIVEN and j < len(self.sources):
            return self.sources[j].error
        return self.error[j] if j < len(self.error) else math.nan

    @property
    def is_valid(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)


@dataclass(frozen=True)
class Rejection:
    """A row of input that was rejected."""

    row: int
    """Number of the row in the file, from 1."""
    text: str
    """Content of the row."""
    reason: str
    """Why it was rejected."""
    remedy: str = ""
    """What the user can do, e.g. the nearest valid value."""
    is_kept: bool = False
    """Whether the design of the row is used all the same: repaired, merged with another row, or without a value."""


@dataclass(frozen=True, eq=False)
class Corpus(Generic[D]):
    """Designs that exist: what a VAE is trained on, and what a campaign starts from."""

    designs: Sequence[D]
    """`n` distinct, canonical designs: a tuple, or a sequence that reads them from disk (see `io.stored_designs`)."""
    properties: Mapping[str, Array] = field(default_factory=dict)
    """Measured properties by name, each of length `n`, NaN where unknown; the mean where a design has repeats."""
    weights: Array | None = None
    """`n` sampling weights for training, or None for equal ones."""
    rejected: tuple[Rejection, ...] = ()
    """Rows of the file that were rejected."""
    name: str = "corpus"
    """Name, for people."""
    sha256: str = ""
    """Checksum of the content: the key of every cache."""
    errors: Mapping[str, Array] = field(default_factory=dict)
    """Standard errors of the properties by name, each of length `n`, NaN where not known."""
    bounds: Mapping[str, Array] = field(default_factory=dict)
    """Censoring of the properties by name, each of length `n`: 1 where the true value is above the one given (`>50`),
    -1 where it is below, 0 for a plain value; no entry for a property without censored values."""
    names: tuple[str, ...] = ()
    """`n` names that the user gave the designs, empty where unknown; or nothing."""
    usage: tuple[ValueUsage, ...] = ()
    """Account of the measured values that were read."""
    families: tuple[str, ...] = ()
    """`n` families of relatives that are held out together, e.g. genera; or nothing, for designs on their own."""
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Labels by name, e.g. `laboratory`, each of length `n`; empty where unknown or where rows of a design differ."""

    def __len__(self) -> int:
        return len(self.designs)


@dataclass(frozen=True)
class Place:
    """A part of a design (an atom, a site, a letter) with its surroundings."""

    name: str
    """Name for people, e.g. `"N5"`."""
    surroundings: tuple[str, ...]
    """Descriptions of the part with what lies around it, from near to wide; equal where the surroundings are."""


@dataclass(frozen=True, eq=False)
class Landscape:
    """What a search reads of one trust region: surrogate, density, box and measured designs."""

    model: Model
    """Fitted BoTorch model of the utilities; reads `X = [z | features]`, `... x q x (d + f)`."""
    latent_model: Model
    """Fitted BoTorch model that reads `z` alone; the same object where `f` is 0 or unused."""
    density: Callable[[Tensor], Tensor]
    """Differentiable log p(z), `... x d -> ...`."""
    bounds: Tensor
    """`2 x d`, the box of the trust region."""
    center: Tensor
    """`d`, latent of the incumbent."""
    X: Tensor
    """`n x (d + f)` inputs of the measured designs."""
    U: Tensor
    """`n x m` utilities of the measured designs, more is better."""
    d: int
    """Number of leading columns of `X` that are latents."""
    feasibility: Callable[[Tensor], Tensor] | None = None
    """Log-probability that a design at `X` can be made and measured, and keeps the outcome constraints; None where
    nothing failed and there are none."""
    is_admissible: Tensor | None = None
    """`n` booleans: whether each measured design meets the outcome constraints; None where there are none."""
    reference: Tensor | None = None
    """`m` utilities of the reference point of the hypervolume; None for one that follows from the front."""
    elites: Tensor | None = None
    """`k x d` latents around which designs are proposed, best first; None for the best measured ones."""

    @property
    def Z(self) -> Tensor:  # noqa: N802
        """`n x d` latents of the measured designs."""
        return self.X[:, : self.d]

    @property
    def admissible_U(self) -> Tensor:  # noqa: N802
        """`k x m` utilities of the measured designs that meet the outcome constraints; of the worst where none does."""
        if self.is_admissible is None:
            return self.U
        return self.U[self.is_admissible] if bool(self.is_admissible.any()) else self.U.amin(0, keepdim=True)

    @property
    def ranking_U(self) -> Tensor:  # noqa: N802
        """`n x m` utilities, those of designs that violate an outcome constraint lowered below all others."""
        if self.is_admissible is None:
            return self.U
        lowered = self.U - 2 * (self.U.amax(0) - self.U.amin(0)) - 1.0
        return self.U.where(self.is_admissible[:, None], lowered)
