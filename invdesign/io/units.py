"""Units as tables write them, and conversion between units that differ by metric prefixes alone."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

PREFIXES = {
    "": 0, "f": -15, "p": -12, "n": -9, "u": -6, "m": -3, "c": -2, "d": -1, "h": 2, "k": 3, "M": 6, "G": 9, "T": 12,
}  # fmt: skip
"""Powers of ten of the metric prefixes; `u` is micro."""
BASES = (
    "M", "mol", "g", "l", "m", "s", "eV", "J", "cal", "Hz", "Pa", "bar", "V", "A", "W", "K", "C", "Da", "T", "N", "F",
    "S", "U", "IU", "Ohm",
)  # fmt: skip
"""Units that may have a prefix; `M` is mol/l of a solution, `l` a litre."""
FIXED = (
    "min", "h", "d", "day", "days", "%", "ppm", "ppb", "°C", "°", "deg", "\u00c5", "atom", "f.u.", "Ha", "Ry", "fold",
    "RLU", "RFU", "AU", "a.u.", "rpm", "wt%", "vol%", "mol%",
)  # fmt: skip
"""Units without a prefix."""
COMPOSED = {
    "M": {"mol": 1, "l": -1}, "Da": {"g": 1, "mol": -1}, "day": {"d": 1}, "days": {"d": 1}, "deg": {"°": 1},
}  # fmt: skip
"""Units that are products of others, or other names of them."""
SPELLINGS = {
    "\u00b5": "u", "\u03bc": "u", "\u212b": "\u00c5", "\u2103": "°C", "\u2126": "Ohm", "\u03a9": "Ohm",
    "micromolar": "uM", "nanomolar": "nM", "millimolar": "mM", "picomolar": "pM", "molar": "M", "Angstrom": "\u00c5",
    "angstrom": "\u00c5", "kD": "kDa", "units": "U", "hours": "h", "hour": "h", "hr": "h", "sec": "s",
    "minutes": "min", "percent": "%",
}  # fmt: skip
FACTOR = re.compile(r"(?P<name>[^\d^\-+]+?)\^?(?P<power>[+-]?\d+)?")
SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")


@dataclass(frozen=True)
class Unit:
    """A unit as a power of ten of base units."""

    exponent: int
    """Power of ten of the prefixes."""
    bases: tuple[tuple[str, int], ...]
    """Base units with their powers, sorted by name."""


def parse_unit(text: str) -> Unit | None:
    """Return a unit, or None where the text is no unit that is known here.

    Example:
        >>> parse_unit("mg/mL") == parse_unit("g l-1"), parse_unit("repeats")
        (True, None)
    """
    exponent, bases = 0, Counter[str]()
    for sign, part in _factors(_normalize(text)):
        found = FACTOR.fullmatch(part)
        known = _prefix_and_base(found["name"].strip()) if found else None
        if found is None or known is None:
            return None
        power = sign * int(found["power"] or 1)
        prefix, base = known
        exponent += power * prefix
        for part_base, part_power in COMPOSED.get(base, {base: 1}).items():
            bases[part_base] += part_power * power
    named = tuple(sorted((base, power) for base, power in bases.items() if power))
    return Unit(exponent, named) if bases else None


def conversion_factor(unit: str, target: str) -> float | None:
    """Return the number that turns values of one unit into another; None where they do not differ by prefixes alone.

    Example:
        >>> conversion_factor("uM", "nM"), conversion_factor("min", "s"), conversion_factor("widgets", "widgets")
        (1000.0, None, 1.0)
    """
    if _normalize(unit) == _normalize(target):
        return 1.0
    a, b = parse_unit(unit), parse_unit(target)
    if a is None or b is None or a.bases != b.bases:
        return None
    return float(f"1e{a.exponent - b.exponent}")


def split_heading(heading: str) -> tuple[str, str]:
    """Return the name and the unit of a heading; the unit is empty where the heading states none.

    The text in brackets or after a comma, a slash or an underscore must be a unit that is known; after an underscore
    one with a prefix or a slash, or an electron volt: `y_min`, `y_bar` and `energy_per_atom` are names.

    Example:
        >>> split_heading("IC50 (nM)"), split_heading("IC50_nM"), split_heading("log S")
        (('IC50', 'nM'), ('IC50', 'nM'), ('log S', ''))
    """
    bracketed = re.fullmatch(r"(.*\S)\s*[(\[]([^()\[\]]+)[)\]]", heading)
    if bracketed and parse_unit(bracketed[2]):
        return bracketed[1].rstrip("_ "), bracketed[2].strip()
    separated = re.fullmatch(r"(.*[^\s,/_])(?P<mark>\s*,\s*|\s+/\s*|_)(?P<unit>\S+)", heading)
    unit = parse_unit(separated["unit"]) if separated else None
    if separated is None or unit is None:
        return heading, ""
    is_clear = unit.exponent != 0 or "/" in separated["unit"] or separated["unit"] == "eV"
    if separated["mark"] != "_" or (is_clear and len(separated["unit"]) > 1):
        return separated[1], separated["unit"]
    return heading, ""


def _normalize(text: str) -> str:
    text = text.strip().translate(SUPERSCRIPTS)
    for spelling, usual in SPELLINGS.items():
        is_word = len(spelling) > 1
        text = re.sub(rf"\b{spelling}\b", usual, text) if is_word else text.replace(spelling, usual)
    return re.sub(r"(?<![A-Za-z])([fpnumcdhk]?)L\b", r"\1l", text)


def _factors(text: str) -> list[tuple[int, str]]:
    """Return the factors of a unit, each with the sign of its power: -1 after a slash."""
    factors = []
    for k, group in enumerate(text.split("/")):
        parts = [part for part in re.split(r"[\s·*]+", group.strip("() ")) if part]
        if not parts:
            return [(1, "")]
        factors += [(1 if k == 0 else -1, part) for part in parts if not (k == 0 and part == "1")]
    return factors


def _prefix_and_base(name: str) -> tuple[int, str] | None:
    """Return the power of ten of the prefix of a unit, and the unit without it."""
    if name in FIXED or name in BASES:
        return 0, name
    for base in BASES:
        prefix = name.removesuffix(base)
        if name != base and name.endswith(base) and prefix in PREFIXES:
            return PREFIXES[prefix], base
    return None
