"""Changes of designs that a domain can make by name, such as the reverse complement or another element."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, runtime_checkable

from invdesign.core.records import D


@dataclass(frozen=True)
class Transformation(Generic[D]):
    """A change that is defined for some designs of a domain."""

    name: str
    """Its name, e.g. `"Cl -> Br"`."""
    apply: Callable[[D], D | None]
    """Returns the changed design, None where the change is not defined."""
    identify: Callable[[D], str]
    """Returns what two designs share that count as the same result of the change."""
    order: int | None = None
    """Number of applications that return the design itself; None where there is none for all designs."""
    is_possible_result: Callable[[D], bool] = lambda _: True
    """Cheap test that is False only for designs in which the change cannot result; these are not identified."""


@runtime_checkable
class Transformable(Protocol[D]):
    """Optional, of a domain: changes of designs by name."""

    def transformation(self, text: str) -> Transformation[D]:
        """Return the change that a text names.

        Raises:
            InvdesignError: The text names none of the domain; the message lists them.
        """
        ...
