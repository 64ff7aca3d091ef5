"""Optional capabilities of domains, encodings and oracles, with their defaults."""

from __future__ import annotations

import inspect
import logging
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from functools import partial
from html import escape
from typing import Any, TypeVar

import numpy as np

from invdesign.core.errors import InvdesignError
from invdesign.core.protocols import (
    Alphabet,
    DesignSpace,
    Encoding,
    Equivalence,
    Features,
    Oracle,
    PlacementCheck,
    Preparable,
    Presentation,
    Sanity,
    Typicality,
)
from invdesign.core.records import Array, B, D

logger = logging.getLogger(__name__)
OracleFunction = TypeVar("OracleFunction", bound=Callable[..., Any])


def label(domain: DesignSpace[D], design: D) -> str:
    """Return what people call a design; its text where the domain does not say."""
    return domain.label(design) if isinstance(domain, Presentation) else domain.to_text(design)


def describe(domain: DesignSpace[D], designs: Sequence[D]) -> dict[str, list[Any]]:
    """Return columns that identify designs in a candidate list; none where the domain does not say."""
    return domain.describe(designs) if isinstance(domain, Presentation) else {}


def draw(domain: DesignSpace[D], design: D) -> str:
    """Return a design as an SVG picture; its text where the domain does not draw."""
    if isinstance(domain, Presentation):
        return domain.draw(design)
    text = domain.to_text(design)
    shown = text if len(text) <= 40 else f"{text[:37]}..."
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 320 60" role="img">'
        f'<text x="8" y="35" font-family="monospace" font-size="13">{escape(shown)}</text></svg>'
    )


def placement_errors(encoding: Encoding[D, B], designs: Sequence[D]) -> list[str]:
    """Return for each design why a model cannot write it: the errors of the encoding where it does not distinguish."""
    if isinstance(encoding, PlacementCheck):
        return encoding.placement_errors(designs)
    return encoding.errors(designs)


def describe_alphabet(encoding: Encoding[D, B]) -> str:
    """Return what a model can write, in words; an empty string where the encoding has no description."""
    return encoding.describe_alphabet() if isinstance(encoding, Alphabet) else ""


def is_same(domain: DesignSpace[D], first: D, second: D) -> bool:
    """Return whether one design can stand for another: equal keys where the domain has no tolerances."""
    if isinstance(domain, Equivalence):
        return domain.is_same(first, second)
    return domain.key(first) == domain.key(second)


def quality(domain: DesignSpace[D], designs: Sequence[D]) -> dict[str, Array]:
    """Return measures that tell designs from nonsense, `n` values each; none where the domain has none."""
    return domain.quality(designs) if isinstance(domain, Sanity) else {}


def penalties(encoding: Encoding[D, B], designs: Sequence[D]) -> Array:
    """Return the nats by which decoded designs are less likely than for their decoder; 0 without `Typicality`."""
    if isinstance(encoding, Typicality):
        return np.asarray(encoding.penalties(designs), dtype=np.float64)
    return np.zeros(len(designs))


def features(encoding: Encoding[D, B], designs: Sequence[D]) -> Array:
    """Return `n x f` features that a surrogate reads beside the latent; `n x 0` where the encoding has none."""
    if isinstance(encoding, Features):
        return np.asarray(encoding.features(designs), dtype=np.float64).reshape(len(designs), -1)
    return np.zeros((len(designs), 0))


def prepare_oracle(oracle: Oracle) -> None:
    """Load what an oracle needs, so that what is missing is known before a VAE is trained.

    An oracle without the method `prepare` is called with no designs: many load what they need at their first call. A
    function of the user's need not expect that, so its error is a warning in the log.

    Args:
        oracle: The oracle, or a `functools.partial` of one.

    Raises:
        InvdesignError: What it needs is missing.
    """
    function, settings = (oracle.func, oracle.keywords) if isinstance(oracle, partial) else (oracle, {})
    if isinstance(function, Preparable):
        load: Callable[..., object] = function.prepare
        known = inspect.signature(load).parameters
        load(**{name: value for name, value in settings.items() if name in known})
        return
    try:
        with redirect_stdout(sys.stderr):
            oracle([])
    except InvdesignError:
        raise
    except (Exception, SystemExit) as error:  # it may be nothing but the empty list
        logger.warning("the oracle, called with no designs, raised %s: %s", type(error).__name__, error)


def prepare_with(load: Callable[..., object]) -> Callable[[OracleFunction], OracleFunction]:
    """Return a decorator that gives an oracle function the method `prepare`.

    Args:
        load: Loads what the function needs. It gets those settings of the function that it has parameters for.

    Example:
        >>> @prepare_with(lambda *, path: print("load", path))
        ... def score(designs, *, path, scale=1.0):
        ...     return [scale * len(design) for design in designs]
        >>> prepare_oracle(partial(score, path="table.csv", scale=2.0))
        load table.csv
    """

    def decorate(function: OracleFunction) -> OracleFunction:
        vars(function)["prepare"] = load
        return function

    return decorate
