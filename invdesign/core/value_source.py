"""Where the values of an objective come from: a measurement, a calculation, or a prediction with its error."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from invdesign.core.errors import InvdesignError

if TYPE_CHECKING:
    from invdesign.core.objectives import Objective

ValueKind = Literal["measured", "computed", "predicted"]
KINDS: tuple[ValueKind, ...] = ("measured", "computed", "predicted")
GIVEN = "given"
"""Origin of designs that came measured: they cost no oracle call."""


@dataclass(frozen=True)
class ValueSource:
    """What the values that an oracle returns are; an oracle states it with the attribute `source`."""

    kind: ValueKind = "measured"
    """`"measured"` in a laboratory (or looked up among such values), `"computed"` by a formula or a simulation,
    `"predicted"` by a model that was fitted to other values."""
    method: str = ""
    """What made the values, e.g. `"regression (ridge) of mine400.csv"`; may be empty."""
    error: float = math.nan
    """Root mean square error on values that the model was not fitted to, in the unit of the property; NaN where not
    known."""
    rank_correlation: float = math.nan
    """Rank correlation with values that the model was not fitted to; NaN where not known."""
    n_held_out: int = 0
    """Number of those values."""
    highest: float = math.nan
    """Largest value that the model was fitted to; NaN where not known."""
    lowest: float = math.nan
    """Smallest value that the model was fitted to."""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InvdesignError(
                f"oracle: expected the source of its values to be one of {', '.join(KINDS)}, got {self.kind!r}. "
                "Correct the attribute `source` of the oracle"
            )

    def is_beyond(self, value: float) -> bool:
        """Return whether a value lies outside all values that the model was fitted to.

        Example:
            >>> ValueSource("predicted", lowest=1.0, highest=4.0).is_beyond(4.2)
            True
        """
        return value > self.highest or value < self.lowest

    def describe(self, unit: str = "") -> str:
        """Return the held-out accuracy as a phrase; empty where it is not known.

        Example:
            >>> ValueSource("predicted", error=0.8, rank_correlation=0.61, n_held_out=40).describe("eV")
            'held-out error 0.8 eV, rank correlation 0.61 (n = 40)'
        """
        parts = []
        if math.isfinite(self.error):
            parts.append(f"held-out error {self.error:.2g} {unit}".rstrip())
        if math.isfinite(self.rank_correlation):
            parts.append(f"rank correlation {self.rank_correlation:.2f}")
        n = f" (n = {self.n_held_out:,})" if parts and self.n_held_out else ""
        return ", ".join(parts) + n


def as_source(stated: Any) -> ValueSource:
    """Return a source that was stated as one, or as its kind alone.

    Raises:
        InvdesignError: It is neither.
    """
    return stated if isinstance(stated, ValueSource) else ValueSource(cast("ValueKind", stated))


def describe_predicted(objectives: Sequence[Objective], sources: Sequence[ValueSource]) -> list[str]:
    """Return a sentence for each objective whose values are predicted: what made them, and how accurate it is.

    Example:
        >>> from invdesign.core.objectives import Objective
        >>> describe_predicted([Objective("energy", "eV")], [ValueSource("predicted", "CHGNet", error=0.03)])
        ['The values of energy are predicted by CHGNet, not measured: held-out error 0.03 eV.']
    """
    sentences = []
    for objective, source in zip(objectives, sources, strict=False):
        if source.kind == "predicted":
            by = f" by {source.method}" if source.method else ""
            accuracy = source.describe(objective.unit) or "its error is not known"
            sentences.append(f"The values of {objective.name} are predicted{by}, not measured: {accuracy}.")
    return sentences


def sources_to_json(sources: tuple[ValueSource, ...]) -> list[dict[str, Any]]:
    """Return sources as JSON; what is not known is None."""
    return [{k: None if v != v else v for k, v in asdict(source).items()} for source in sources]


def sources_from_json(stored: list[Mapping[str, Any]]) -> tuple[ValueSource, ...]:
    """Return the sources that `sources_to_json` wrote."""
    known: list[dict[str, Any]] = [{k: math.nan if v is None else v for k, v in item.items()} for item in stored]
    return tuple(ValueSource(**item) for item in known)
