"""The words of the house: the records that travel between its rooms, and the protocols of its plug-ins.

Shapes: `n` designs, `q` proposals, `d` latent dimensions, `f` features, `m` objectives.
`D` is a design (one object in its domain's own form), `B` a batch of them as tensors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeVar, runtime_checkable

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from botorch.acquisition import AcquisitionFunction
    from botorch.models.model import Model
    from torch import Tensor, nn

D = TypeVar("D")
B = TypeVar("B")

Array = npt.NDArray[np.float64]
Goal = Literal["maximize", "minimize"] | float | tuple[float, float]
Combine = Literal["pareto", "weighted", "geometric"]
Status = Literal["pending", "measured", "failed", "timeout", "crashed", "invalid"]


class InvdesignError(Exception):
    """Bad input or a state that the user can mend: says what was expected, what was got, where, and the remedy."""


@dataclass(frozen=True)
class Objective:
    """One property to be designed for.

    Args:
        name: what the oracle measures, e.g. `"logp"`.
        unit: its unit, shown wherever the property is; empty for a plain number.
        goal: `"maximize"`, `"minimize"`, a target value, or a window `(low, high)` to stay in.
        weight: share in a weighted or geometric combination.
        worst: the value (property unit) of desirability 0; needed by `combine="geometric"`.
        best: the value of desirability 1. For a target or a window, `worst` is the tolerated distance from it.
    """

    name: str
    unit: str = ""
    goal: Goal = "maximize"
    weight: float = 1.0
    worst: float | None = None
    best: float | None = None

    def __post_init__(self) -> None:
        goal = self.goal
        if isinstance(goal, str):
            if goal not in ("maximize", "minimize"):
                said = f"objective {self.name!r}: goal {goal!r} is none of"
                raise InvdesignError(f"{said} 'maximize', 'minimize', a number, or a window [low, high]")
        elif isinstance(goal, Sequence):
            if len(goal) != 2 or not float(goal[0]) < float(goal[1]):
                raise InvdesignError(f"objective {self.name!r}: a window is [low, high] with low < high, got {goal!r}")
            object.__setattr__(self, "goal", (float(goal[0]), float(goal[1])))
        elif not math.isfinite(goal):
            raise InvdesignError(f"objective {self.name!r}: the target must be finite, got {goal!r}")
        if not self.weight > 0:
            raise InvdesignError(f"objective {self.name!r}: weight must be positive, got {self.weight!r}")

    def utility(self, y: Any) -> Any:
        """Turn a property (array or tensor, any shape) so that more is better; the only sign flip of the house."""
        goal = self.goal
        if goal == "maximize":
            return y
        if goal == "minimize":
            return -y
        if isinstance(goal, tuple):
            low, high = goal
            return -((low - y).clip(0) + (y - high).clip(0))
        return -abs(y - goal)

    def desirability(self, y: Any) -> Any:
        """The utility scaled to 0 at `worst` and 1 at `best`, clipped (Derringer and Suich, 1980)."""
        if isinstance(self.goal, str):
            if self.worst is None or self.best is None:
                needed = "`worst` and `best`, the values that count 0 and 1"
                raise InvdesignError(f"objective {self.name!r}: a geometric mean needs {needed}")
            return ((y - self.worst) / (self.best - self.worst)).clip(0, 1)
        if not self.worst:
            needed = "`worst`, the distance from the goal that counts 0"
            raise InvdesignError(f"objective {self.name!r}: a geometric mean needs {needed}")
        return (1 + self.utility(y) / self.worst).clip(0, 1)


def utilities(objectives: Sequence[Objective], Y: Array, *, combine: Combine = "pareto") -> Array:
    """Utilities that a search maximizes.

    Args:
        objectives: `m` of them.
        Y: `n x m` properties in their units; NaN where unmeasured.
        combine: keep the objectives apart (`"pareto"`), add them weighted, or take the weighted geometric mean of
            their desirabilities.

    Returns:
        `n x m` for `"pareto"`, else `n x 1`. NaN in a row's property is NaN in its combination.
    """
    Y = np.asarray(Y, dtype=np.float64).reshape(-1, len(objectives))
    if combine == "geometric":
        shares = np.array([o.weight for o in objectives])
        shares = shares / shares.sum()
        wanted = np.stack([o.desirability(Y[:, j]) for j, o in enumerate(objectives)], axis=1)
        with np.errstate(divide="ignore"):
            return np.exp((np.log(wanted) * shares).sum(axis=1, keepdims=True))
    U = np.stack([o.utility(Y[:, j]) for j, o in enumerate(objectives)], axis=1)
    if combine == "weighted":
        return (U * np.array([o.weight for o in objectives])).sum(axis=1, keepdims=True)
    return U


@dataclass(frozen=True)
class Check:
    """A validator's or a screen's finding on one design."""

    name: str
    passed: bool
    detail: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of one oracle call: `m` values and a status, with the reason of a failure."""

    y: tuple[float, ...]
    status: Status = "measured"
    reason: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, eq=False)
class Candidate(Generic[D]):
    """A design and all that is known of it.

    Args:
        design: the design itself.
        key: its canonical identity: two designs with one key are the same thing.
        z: its latent (`d`, standardized, float64), encoded from the design, never the proposal it was decoded from.
        round: the round that asked for it; 0 for a seed.
        origin: the proposer that found it, `"seed"` or `"told"`.
        parents: keys of the designs that it came from (the measured designs nearest to its proposal).
        region: the trust region that it belongs to.
        y: the `m` properties in their units, NaN where not measured; empty while pending.
        mean: the `m` properties that the surrogate predicted when it was asked; empty for a seed.
        sd: the standard deviations of those predictions.
        acquisition: the acquisition value that it was picked for.
        log_density: log p(z) of real designs at z.
        percentile: share (0 to 100) of the corpus with a lower log-density.
        status: how its measurement stands, with `reason` where it failed.
        checks: the findings of screens and validators.
    """

    design: D
    key: str
    z: Tensor
    round: int = 0
    origin: str = "seed"
    parents: tuple[str, ...] = ()
    region: int = 0
    y: tuple[float, ...] = ()
    mean: tuple[float, ...] = ()
    sd: tuple[float, ...] = ()
    acquisition: float = math.nan
    log_density: float = math.nan
    percentile: float = math.nan
    status: Status = "pending"
    reason: str = ""
    checks: tuple[Check, ...] = ()

    def measured(self, outcome: Outcome) -> Candidate[D]:
        """The same candidate with its measurement."""
        return replace(self, y=outcome.y, status=outcome.status, reason=outcome.reason)

    @property
    def is_valid(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)


@dataclass(frozen=True)
class Rejection:
    """A row of input that was refused: where it stands, what it says, why, and what would help."""

    row: int
    text: str
    reason: str
    remedy: str = ""


@dataclass(frozen=True, eq=False)
class Corpus(Generic[D]):
    """Designs that exist: what a VAE is trained on, and what a campaign starts from.

    Args:
        designs: distinct, canonical.
        properties: measured properties by name, each of length `n`, NaN where unknown.
        weights: `n` sampling weights for training, or None.
        rejected: the rows that were refused.
        name: shown to people.
        sha256: checksum of the content, the key of every cache.
    """

    designs: tuple[D, ...]
    properties: Mapping[str, Array] = field(default_factory=dict)
    weights: Array | None = None
    rejected: tuple[Rejection, ...] = ()
    name: str = "corpus"
    sha256: str = ""

    def __len__(self) -> int:
        return len(self.designs)


@dataclass(frozen=True, eq=False)
class Landscape:
    """All that a search sees of one trust region: the surrogate, the density, the box, and what was measured.

    Args:
        model: fitted BoTorch model of the utilities; reads `X = [z | features]`, `... x q x (d + f)`.
        latent_model: fitted BoTorch model that reads `z` alone; the same object where `f` is 0 or unused.
        density: differentiable log p(z), `... x d -> ...`.
        bounds: `2 x d`, the trust region's box.
        center: `d`, the incumbent's latent.
        X: `n x (d + f)` inputs of the measured designs.
        U: `n x m` utilities of the measured designs, more is better.
        d: how many of the columns of X are latents.
        feasibility: log-probability that a design at X can be made and measured, or None where nothing failed.
        elites: `k x d` latents of the designs to breed from, best first; None for the best measured ones.
    """

    model: Model
    latent_model: Model
    density: Callable[[Tensor], Tensor]
    bounds: Tensor
    center: Tensor
    X: Tensor
    U: Tensor
    d: int
    feasibility: Callable[[Tensor], Tensor] | None = None
    elites: Tensor | None = None

    @property
    def Z(self) -> Tensor:  # noqa: N802
        """`n x d` latents of the measured designs."""
        return self.X[:, : self.d]


@runtime_checkable
class Domain(Protocol[D, B]):
    """What a domain knows of its designs. A frozen value; `fit` answers a new one.

    `to_batch` never raises on a design that `read` accepted: what the vocabulary lacks becomes its unknown token,
    and `misfits` names it.
    """

    @property
    def name(self) -> str: ...
    @property
    def formats(self) -> tuple[str, ...]:
        """Suffixes that `write` knows, the lossless one first, e.g. `(".smi", ".sdf", ".svg")`."""
        ...

    def read(self, path: Path) -> Corpus[D]: ...
    def write(
        self, designs: Sequence[D], path: Path, *, columns: Mapping[str, Sequence[Any]] | None = None
    ) -> None: ...
    def key(self, design: D) -> str: ...
    def label(self, design: D) -> str:
        """What people call the design, on one line."""
        ...

    def to_text(self, design: D) -> str: ...
    def from_text(self, text: str) -> D: ...
    def fit(self, designs: Sequence[D]) -> Domain[D, B]:
        """The domain with what must be learnt from a corpus before a VAE can be built (a vocabulary, a length)."""
        ...

    def state(self) -> dict[str, Any]:
        """What `fit` learnt and how the domain is set, as JSON; `restore` takes it back."""
        ...

    def restore(self, state: Mapping[str, Any]) -> Domain[D, B]: ...
    def model(self, architecture: Mapping[str, Any]) -> nn.Module:
        """The untrained VAE of a stored architecture, for the domain as it is fitted."""
        ...

    def is_same(self, first: D, second: D) -> bool:
        """Whether the second can stand for the first: equal keys, or within tolerances where designs hold numbers."""
        ...

    def misfits(self, designs: Sequence[D]) -> list[str]:
        """Per design: why it cannot be written exactly in the vocabulary, or an empty string."""
        ...

    def to_batch(self, designs: Sequence[D]) -> B: ...
    def from_batch(self, batch: B) -> list[D | None]: ...
    def features(self, designs: Sequence[D]) -> Array:
        """`n x f` features that a surrogate may read beside the latent; `n x 0` where there are none."""
        ...

    def describe(self, designs: Sequence[D]) -> dict[str, list[Any]]:
        """Columns that identify the designs in a candidate list (InChIKey, formula, ...)."""
        ...

    def draw(self, design: D) -> str:
        """The design as an SVG picture."""
        ...


Oracle = Callable[[Sequence[Any]], "Array | Sequence[float] | Sequence[Sequence[float]]"]
Validator = Callable[[Sequence[Any]], list[Check]]
Density = Callable[["Tensor"], "Tensor"]
FitDensity = Callable[["Tensor", "Tensor"], Density]
FitSurrogate = Callable[..., "Model"]
Acquire = Callable[[Landscape], "AcquisitionFunction"]
Propose = Callable[[Landscape, int], "Tensor"]
BuildVAE = Callable[[Domain[Any, Any]], "nn.Module"]
Evaluate = Callable[[Oracle, Sequence[Any]], Iterator[tuple[int, Outcome]]]
Progress = Callable[[str, int, int], None]
# (shortlist, an empty folder) -> the files that it wrote there, for those who make or simulate the designs.
Deliver = Callable[[Sequence[Candidate[Any]], Path], Sequence[Path]]
# (shortlist, all told, objectives) -> HTML or SVG by title, whole without a network; scripts in it stand inline.
Illustrate = Callable[[Sequence[Candidate[Any]], Sequence[Candidate[Any]], Sequence[Objective]], Mapping[str, str]]


def silent(stage: str, done: int, total: int) -> None:
    """The progress of nobody watching."""


def round_seed(seed: int, round: int, stream: str = "") -> int:
    """The seed of a round's random numbers: a resumed campaign draws what an uninterrupted one would."""
    words = [seed & 0xFFFFFFFF, round & 0xFFFFFFFF, *stream.encode()]
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> 1)


def distinct(keys: Iterable[str]) -> list[int]:
    """Positions of the first occurrence of each key, in order."""
    first: dict[str, int] = {}
    for position, key in enumerate(keys):
        first.setdefault(key, position)
    return list(first.values())
