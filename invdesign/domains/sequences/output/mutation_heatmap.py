"""The map of measured mutations: place by letter, what designs that carry a mutation measured."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from invdesign.core import Candidate, Objective
from invdesign.domains.sequences.alphabet import GAP, letters_of
from invdesign.domains.sequences.naturalness.frequency_models import aligned
from invdesign.domains.sequences.output.drawing import GROUPS, colour
from invdesign.domains.sequences.output.scatter_plots import (
    BETTER,
    SMALL,
    WORSE,
    box,
    captioned,
    missing,
    number,
    picture,
    text,
)
from invdesign.domains.sequences.wild_type.wild_type import WildType

LEFT, TOP, TALL = 46, 44, 15.0
MAX_MAPS = 3


@dataclass(frozen=True, eq=False)
class Effects:
    """What was measured of mutations.

    Args:
        reference: letters that mutations are counted on.
        of: where they come from, for people.
        zero: the value that a mutation is compared with.
        is_measured: whether that is the value of the reference itself; otherwise the median of all.
        values: measured values by place (0-based) and letter.
        listed: the places and letters in which the shortlist differs from the reference.
    """

    reference: str
    of: str
    zero: float
    is_measured: bool
    values: Mapping[tuple[int, str], Sequence[float]]
    listed: frozenset[tuple[int, str]]


def mutation_map(
    shortlist: Sequence[Candidate[str]],
    told: Sequence[Candidate[str]],
    objectives: Sequence[Objective],
    *,
    wild_type: WildType | None = None,
    kind: str = "protein",
    max_positions: int = 60,
) -> dict[str, str]:
    """Place by letter: the mean of what the measured designs with that mutation measured, against the wild type.

    Args:
        shortlist: its mutations are framed.
        told: what was measured.
        objectives: a map for each of the first three.
        wild_type: numbers places; the commonest letters of designs of one length stand for it where there is none.
        kind: of the letters.
        max_positions: places shown; of more those that vary, and of these the ones that most designs vary.
    """
    maps = {}
    for j, objective in enumerate(objectives[:MAX_MAPS]):
        title = f"Mutations and {objective.name}"
        known = [c for c in told if len(c.y) > j and math.isfinite(c.y[j])]
        sizes = {len(c.design) for c in known}
        if not known:
            maps[title] = missing("not drawn: nothing was measured")
        elif wild_type is None and len(sizes) > 1:
            maps[title] = missing("not drawn: designs differ in length, and there is no wild type to number them by")
        else:
            found = effects(shortlist, known, [c.y[j] for c in known], wild_type=wild_type)
            maps[title] = _drawn(found, objective, wild_type, kind, max_positions)
    return maps


def effects(
    shortlist: Sequence[Candidate[str]],
    told: Sequence[Candidate[str]],
    y: Sequence[float],
    *,
    wild_type: WildType | None = None,
) -> Effects:
    """Values of measured designs by the mutations that they carry; insertions count nowhere."""
    rows = aligned([c.design for c in told], wild_type)
    if wild_type is None:
        reference = "".join(Counter(column).most_common(1)[0][0] for column in zip(*rows, strict=True))
    else:
        reference = wild_type.sequence
    values: dict[tuple[int, str], list[float]] = {}
    own = []
    for row, c, value in zip(rows, told, y, strict=True):
        for i, letter in enumerate(row):
            if letter != reference[i]:
                values.setdefault((i, letter), []).append(value)
        if c.design == reference:
            own.append(value)
    mine = [row for row in aligned([c.design for c in shortlist], wild_type) if len(row) == len(reference)]
    listed = {(i, letter) for row in mine for i, letter in enumerate(row) if letter != reference[i]}
    zero = float(np.mean(own)) if own else float(np.median(y))
    of = "the commonest letters" if wild_type is None else wild_type.name
    return Effects(reference, of, zero, bool(own), values, frozenset(listed))


def _drawn(found: Effects, objective: Objective, wild_type: WildType | None, kind: str, max_positions: int) -> str:
    n_places = len(found.reference)
    places = _places(found, max_positions)
    if not places:
        return missing("not drawn: no measured design differs from the wild type by a substitution")
    letters = _letters(kind, found)
    means = {key: float(np.mean(values)) for key, values in found.values.items() if key[0] in set(places)}
    reference, *values = objective.utility(np.array([found.zero, *means.values()])).tolist()
    better = {key: value - reference for key, value in zip(means, values, strict=True)}
    limit = float(np.quantile(np.abs(list(better.values())), 0.95)) if better else 0.0
    limit = limit or max(map(abs, better.values()), default=0.0) or 1.0
    cell = min(28.0, max(13.0, 800 / len(places)))
    parts = []
    numbers = [i + 1 if wild_type is None else wild_type.number(i) for i in range(n_places)]
    for k, i in enumerate(places):
        x = LEFT + k * cell
        middle = x + cell / 2
        turn = f' transform="rotate(-90 {middle:.1f} {TOP - 22:.1f})"'
        parts.append(text(middle, TOP - 18.5, str(numbers[i]), size=9.5, opacity=0.75, more=turn))
        parts.append(text(middle, TOP - 6, found.reference[i], anchor="middle"))
        for r, letter in enumerate(letters):
            y = TOP + r * TALL
            name = f"{found.reference[i]}{numbers[i]}{'del' if letter == GAP else letter}"
            parts.append(_cell(found, (i, letter), x, y, cell, means, better, limit, name, objective))
    for r, letter in enumerate(letters):
        label = "del" if letter == GAP else letter
        y = TOP + (r + 0.5) * TALL + 4
        parts.append(text(LEFT - 10, y, label, anchor="end", fill=colour(letter, kind), more=' font-weight="bold"'))
    bottom = TOP + len(letters) * TALL
    parts += _key(limit, objective, bottom + 16)
    width = max(LEFT + cell * len(places) + 8, 480)
    drawing = picture(width, bottom + 50, parts, says=f"mean {objective.name} by place and letter")
    return captioned(drawing, _caption(found, objective, len(places)))


def _cell(
    found: Effects, key: tuple[int, str], x: float, y: float, cell: float, means: Mapping[tuple[int, str], float],
    better: Mapping[tuple[int, str], float], limit: float, name: str, objective: Objective,
) -> str:  # fmt: skip
    if found.reference[key[0]] == key[1]:
        return f'<circle cx="{x + cell / 2:.1f}" cy="{y + TALL / 2:.1f}" r="2.2" style="fill:currentColor"/>'
    is_listed = key in found.listed
    edge = ' stroke="currentColor" stroke-width="1.6"' if is_listed else ""
    if key not in means:
        said = f"{name}: not measured, in the shortlist"
        return box(x + 1, y + 1, cell - 2, TALL - 2, "none", says=said, more=edge) if is_listed else ""
    n = len(found.values[key])
    said = f"{name}: {number(means[key])} {objective.unit}".rstrip() + f", mean of {n} design{'s' if n > 1 else ''}"
    share = min(1.0, abs(better[key]) / limit)
    fill = BETTER if better[key] >= 0 else WORSE
    inside = 1.4 if is_listed else 0.4
    where = (x + inside, y + inside, cell - 2 * inside, TALL - 2 * inside)
    return box(*where, fill, opacity=0.1 + 0.9 * share, says=said, more=edge)


def _places(found: Effects, max_positions: int) -> list[int]:
    n_places = len(found.reference)
    if n_places <= max_positions:
        return list(range(n_places))
    n_at = Counter({i: 0 for i, _ in (*found.values, *found.listed)})
    for (i, _), values in found.values.items():
        n_at[i] += len(values)
    first = {i for i, _ in found.listed}
    return sorted(sorted(n_at, key=lambda i: (i not in first, -n_at[i], i))[:max_positions])


def _letters(kind: str, found: Effects) -> list[str]:
    """Rows of the map: residues by their chemistry; deletions last, where there are any."""
    known = letters_of(kind)
    ordered = [letter for group in GROUPS.get(kind, {}) for letter in group] or list(known)
    return ordered + [GAP] * any(letter == GAP for _, letter in found.values)


def _key(limit: float, objective: Objective, y: float) -> list[str]:
    n, step = 11, 20.0
    parts = []
    for k in range(n):
        share = 2 * k / (n - 1) - 1
        fill = BETTER if share >= 0 else WORSE
        parts.append(box(LEFT + k * step, y, step - 0.8, 9, fill, opacity=0.1 + 0.9 * abs(share)))
    unit = f" {objective.unit}" if objective.unit else ""
    parts.append(text(LEFT, y + 22, f"worse by {number(limit)}", size=SMALL, opacity=0.75))
    end = LEFT + n * step
    parts.append(text(end, y + 22, f"better by {number(limit)}{unit}", size=SMALL, anchor="end", opacity=0.75))
    parts.append(f'<circle cx="{end + 30:.0f}" cy="{y + 5:.0f}" r="2.2" style="fill:currentColor"/>')
    parts.append(text(end + 38, y + 9, "wild type", size=SMALL, opacity=0.75))
    edge = ' stroke="currentColor" stroke-width="1.6"'
    parts.append(box(end + 104, y, 13, 9, "none", more=edge))
    parts.append(text(end + 123, y + 9, "in the shortlist", size=SMALL, opacity=0.75))
    return parts


def _caption(found: Effects, objective: Objective, n_shown: int) -> str:
    unit = f" {objective.unit}" if objective.unit else ""
    whose = f"{found.of} itself ({number(found.zero)}{unit})"
    if not found.is_measured:
        whose = f"the median of all that was measured ({number(found.zero)}{unit}; {found.of} was not)"
    where = ""
    if n_shown < len(found.reference):
        where = f" Shown are {n_shown} of {len(found.reference)} places: the shortlist's, then those varied most often."
    return (
        f"Mean {objective.name} of the measured designs that carry each mutation, whatever else they carry, against "
        f"{whose}; empty where no design carries it.{where} Point at a cell for its value and number of designs."
    )
