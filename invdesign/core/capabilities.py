"""Optional capabilities of domains and encodings, with their defaults."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from invdesign.core.protocols import DesignSpace, Encoding, Equivalence, Features, Presentation
from invdesign.core.records import Array, B, D


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


def is_same(domain: DesignSpace[D], first: D, second: D) -> bool:
    """Return whether one design can stand for another: equal keys where the domain has no tolerances."""
    if isinstance(domain, Equivalence):
        return domain.is_same(first, second)
    return domain.key(first) == domain.key(second)


def features(encoding: Encoding[D, B], designs: Sequence[D]) -> Array:
    """Return `n x f` features that a surrogate reads beside the latent; `n x 0` where the encoding has none."""
    if isinstance(encoding, Features):
        return np.asarray(encoding.features(designs), dtype=np.float64).reshape(len(designs), -1)
    return np.zeros((len(designs), 0))
