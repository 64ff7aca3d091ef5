"""Optional capabilities of domains, encodings and oracles, with their defaults."""

from __future__ import annotations

import base64
import inspect
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from functools import partial
from html import escape
from typing import Any, TypeVar

import numpy as np

from invdesign.core.errors import InvdesignError
from invdesign.core.protocols import (
    Alphabet,
    Anatomy,
    Computable,
    ComputedProperty,
    Descriptors,
    DesignSpace,
    Encoding,
    Equivalence,
    ExactText,
    Features,
    NamedUnits,
    Oracle,
    PlacementCheck,
    Preparable,
    Presentation,
    Sanity,
    Scaffolded,
    Screened,
    Sourced,
    Substitutable,
    Traits,
    Typicality,
    Validator,
)
from invdesign.core.records import Array, B, D, Place
from invdesign.core.value_source import ValueSource, as_source

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


def places(domain: DesignSpace[D], design: D) -> list[Place]:
    """Return the parts of a design with their surroundings; none where the domain does not say."""
    return domain.places(design) if isinstance(domain, Anatomy) else []


def draw_places(domain: DesignSpace[D], design: D, strengths: Sequence[float]) -> str:
    """Return a design as an SVG picture with its parts marked; unmarked where the domain has no parts."""
    return domain.draw_places(design, strengths) if isinstance(domain, Anatomy) else draw(domain, design)


def svg_uri(svg: str) -> str:
    """Return an SVG picture as a data URI.

    Shown as an image of its own, no script in the picture runs and no identifier in it clashes with another one.
    """
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode("ascii")


def own_text_reader(domain: DesignSpace[D]) -> Callable[[str], D]:
    """Return what reads the texts that the domain wrote itself: `from_text` where it has nothing faster."""
    return domain.from_own_text if isinstance(domain, ExactText) else domain.from_text


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


def possible_units(domain: DesignSpace[D], name: str) -> tuple[str, ...]:
    """Return the units among which a property of this name leaves open; none where the domain does not say."""
    return domain.possible_units(name) if isinstance(domain, NamedUnits) else ()


def ask_for_unit(name: str, units: Sequence[str]) -> str:
    """Return the question for the unit of a property, with what answers it.

    Args:
        name: Name of the property.
        units: Units that it may be in, the usual one first.
    """
    usual, *others = units
    return (
        f"{name}: expected a unit, got none: is it in {' or in '.join(units)}? Set objectives.{name}.unit={usual} (or "
        f"{', '.join(others)}), or write the unit into the heading of its column"
    )


def quality(domain: DesignSpace[D], designs: Sequence[D]) -> dict[str, Array]:
    """Return measures that tell designs from nonsense, `n` values each; none where the domain has none."""
    return domain.quality(designs) if isinstance(domain, Sanity) else {}


def substitutions(domain: DesignSpace[D], design: D) -> list[list[tuple[str, D]]]:
    """Return for each place the designs that differ from a design there alone, each with its name; or nothing."""
    return domain.substitutions(design) if isinstance(domain, Substitutable) else []


def computed_properties(domain: DesignSpace[D]) -> Mapping[str, ComputedProperty]:
    """Return the properties that the domain computes, by name; none where it computes none."""
    return domain.computed_properties() if isinstance(domain, Computable) else {}


def scaffold_of(domain: DesignSpace[D]) -> Callable[[D], str | None] | None:
    """Return what gives the scaffold of a design; None where designs of the domain have no scaffolds."""
    return domain.scaffold if isinstance(domain, Scaffolded) else None


def traits(domain: DesignSpace[D], designs: Sequence[D]) -> list[frozenset[str]]:
    """Return the names of what each design has; none where the domain has no traits."""
    return domain.traits(designs) if isinstance(domain, Traits) else [frozenset() for _ in designs]


def default_screens(domain: DesignSpace[D]) -> tuple[Validator, ...]:
    """Return the screens of a campaign that states none; no screens where the domain has none."""
    return domain.default_screens() if isinstance(domain, Screened) else ()


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


def descriptors(encoding: Encoding[D, B], designs: Sequence[D]) -> Array:
    """Return `n x p` descriptors of whole designs; `n x 0` where the encoding has none.

    Raises:
        InvdesignError: The encoding returns another shape.
    """
    if not isinstance(encoding, Descriptors):
        return np.zeros((len(designs), 0))
    described = np.asarray(encoding.descriptors(designs), dtype=np.float64)
    if described.ndim != 2 or len(described) != len(designs):
        raise InvdesignError(
            f"descriptors of {type(encoding).__name__}: expected {len(designs)} x p numbers, got shape "
            f"{described.shape}. Return 0 x p for no designs, too"
        )
    return described


def prepare_oracle(oracle: Oracle) -> None:
    """Load what an oracle needs, so that what is missing is known before a VAE is trained.

    An oracle without the method `prepare` is called with no designs: many load what they need at their first call. A
    function of the user's need not expect that, so its error is a warning in the log.

    Args:
        oracle: The oracle, or a `functools.partial` of one.

    Raises:
        InvdesignError: What it needs is missing.
    """
    function, settings = _bound_settings(oracle)
    if isinstance(function, Preparable):
        _call_with_settings(function.prepare, settings)
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


def value_sources(oracle: Oracle, n_outputs: int) -> tuple[ValueSource, ...]:
    """Return what the values of an oracle are, for each of its properties.

    An oracle states it with the attribute `source`: a kind, a `ValueSource`, one for each property, or a function of
    those settings that it has parameters for, called once the oracle is prepared. Of those that do not state it, an
    oracle of this package computes, and one of the user's is a measurement.

    Args:
        oracle: The oracle, or a `functools.partial` of one.
        n_outputs: `m`, the number of properties.

    Raises:
        InvdesignError: What is stated is no source, or of another number of properties.

    Example:
        >>> def docking(designs):
        ...     return [0.0 for _ in designs]
        >>> docking.source = "computed"
        >>> value_sources(docking, 1)[0].kind
        'computed'
    """
    function, settings = _bound_settings(oracle)
    if not isinstance(function, Sourced):
        module = getattr(function, "__module__", None) or type(function).__module__
        return (ValueSource("computed" if module.split(".")[0] == "invdesign" else "measured"),) * n_outputs
    stated: Any = function.source
    if callable(stated):
        stated = _call_with_settings(stated, settings)
    sources = tuple(map(as_source, stated)) if isinstance(stated, list | tuple) else (as_source(stated),)
    if len(sources) == 1:
        return sources * n_outputs
    if len(sources) != n_outputs:
        raise InvdesignError(
            f"oracle: expected the sources of {n_outputs} properties, got {len(sources)}. Correct its attribute "
            "`source`"
        )
    return sources


def stating(source: Any) -> Callable[[OracleFunction], OracleFunction]:
    """Return a decorator that states what the values of an oracle function are; see `value_sources`."""

    def decorate(function: OracleFunction) -> OracleFunction:
        vars(function)["source"] = source
        return function

    return decorate


def _bound_settings(oracle: Oracle) -> tuple[Any, dict[str, Any]]:
    """Return the function of an oracle and the settings that are bound to it."""
    return (oracle.func, oracle.keywords) if isinstance(oracle, partial) else (oracle, {})


def _call_with_settings(function: Callable[..., Any], settings: dict[str, Any]) -> Any:
    """Call a function with those settings that it has parameters for."""
    known = inspect.signature(function).parameters
    return function(**{name: value for name, value in settings.items() if name in known})
