"""Sequences made of sequences: point edits, crossover, blocks that move, insertions and deletions; and the way back."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import torch
from rapidfuzz.distance import Levenshtein
from torch import Tensor

from invdesign.domains.sequences.domain import Sequences
from invdesign.domains.sequences.wild_type.design_constraints import Scope
from invdesign.domains.sequences.wild_type.wild_type import distance


def mutate(
    parents: Sequence[str],
    n: int,
    *,
    radius: int,
    domain: Sequences,
    crossed: float = 0.3,
    shifted: float = 0.15,
    pasted: float = 0.0,
    moved: float = 0.0,
) -> list[str]:
    """Sequences near parents: of each some letters are changed, often one and seldom as many as `radius`.

    Some of them first take a stretch of another parent, or have a block moved, which counts as one edit though it
    changes many places. Earlier parents are chosen more often. Only edits that the scope allows are made.

    Args:
        parents: best first.
        n: sequences.
        radius: most edits from the parent.
        domain: what the sequences are; letters are inserted and deleted where it leaves lengths open.
        crossed: share that takes a stretch of another parent.
        shifted: share in which a block moves by one place.
        pasted: share that has a block of another parent written over it, at any place.
        moved: share in which a block is cut out and put in elsewhere. Where sites have no meaning of their own, as in
            functions of motifs, blocks that go anywhere make room for others.
    """
    draw = random.Random(int(torch.randint(2**62, ())))
    scope = domain.scope
    weights = [1 / (1 + rank) ** 0.5 for rank in range(len(parents))]
    made = []
    for parent in draw.choices(parents, weights, k=n):
        child, chance = parent, draw.random()
        if chance < crossed:
            child = _crossed(child, draw.choice(parents), radius, draw)
        elif chance < crossed + shifted:
            child = _shifted(child, draw)
        elif chance < crossed + shifted + pasted:
            child = _pasted(child, draw.choice(parents), draw)
        elif chance < crossed + shifted + pasted + moved:
            child = _moved(child, draw)
        if child == parent or draw.random() < 0.5:
            child = _edited(child, radius, scope, domain.length is None, draw)
        made.append(scope.restored(child))
    return made


def project_to_radius(space: Any, Z: Tensor, designs: Sequence[Any], center: str, radius: int) -> list[Any]:
    """Decoded sequences within a radius of a center: of those that differ in more places the likeliest edits are kept.

    An edit is the likelier the more the decoder prefers its letter to the center's at the point that was decoded.

    Args:
        space: the latent space; its VAE answers `logits(x, z)`.
        Z: `n x d` points.
        designs: what was decoded there; None where nothing was.
        center: the incumbent.
        radius: most edits from it.
    """
    far = [i for i, design in enumerate(designs) if design is not None and distance(design, center) > radius]
    found = list(designs)
    if not far:
        return found
    raw = (Z[far] * space.scale + space.shift).float()
    own = space.domain.to_batch([center]).expand(len(far), -1)
    written = space.domain.to_batch([designs[i] for i in far])
    with torch.no_grad():
        logits = space.vae.logits(written, raw).log_softmax(-1)
    n_steps = logits.shape[1]
    gain = logits.gather(2, written[:, :n_steps, None])[..., 0] - logits.gather(2, own[:, :n_steps, None])[..., 0]
    for row, i in enumerate(far):
        found[i] = _likeliest(center, designs[i], gain[row].tolist(), radius)
    return found


def _likeliest(center: str, design: str, gain: Sequence[float], radius: int) -> str:
    edits = list(Levenshtein.editops(center, design))
    if len(center) == len(design):
        places = [i for i, (a, b) in enumerate(zip(center, design, strict=True)) if a != b]
        kept = set(sorted(places, key=lambda i: -gain[i])[:radius])
        return "".join(b if i in kept else a for i, (a, b) in enumerate(zip(center, design, strict=True)))
    order = sorted(range(len(edits)), key=lambda k: -gain[min(edits[k].dest_pos, len(gain) - 1)])
    return _applied(center, design, [edits[k] for k in sorted(order[:radius])])


def _applied(source: str, target: str, edits: Sequence[Any]) -> str:
    """The source with some of the edits that lead to the target, in their order."""
    letters = [[a] for a in source] + [[]]
    for edit in reversed(edits):
        if edit.tag == "replace":
            letters[edit.src_pos][-1] = target[edit.dest_pos]
        elif edit.tag == "delete":
            letters[edit.src_pos].pop()
        else:
            letters[edit.src_pos].insert(0, target[edit.dest_pos])
    return "".join(a for group in letters for a in group)


def _edited(parent: str, radius: int, scope: Scope, changes_length: bool, draw: random.Random) -> str:
    n_edits = 1
    while n_edits < radius and draw.random() < 0.5:
        n_edits += 1
    letters = list(parent)
    is_counted = scope.wild_type is not None and len(parent) == len(scope.wild_type.sequence)
    free = [a for a in scope.letters if a not in scope.forbidden]
    for _ in range(n_edits):
        chance = draw.random() if changes_length else 1.0
        if chance < 0.2 and (not scope.max_length or len(letters) < scope.max_length):
            letters.insert(draw.randrange(len(letters) + 1), draw.choice(free))
        elif chance < 0.4 and len(letters) > scope.min_length:
            letters.pop(draw.randrange(len(letters)))
        else:
            place = draw.randrange(len(letters))
            choices = scope.allowed(place) if is_counted and len(letters) == len(parent) else free
            others = [a for a in choices if a != letters[place]]
            if others:
                letters[place] = draw.choice(others)
    return "".join(letters)


def _crossed(parent: str, other: str, radius: int, draw: random.Random) -> str:
    """The parent with a stretch of another one, at the same place."""
    if len(parent) != len(other):
        return parent
    places = [i for i, (a, b) in enumerate(zip(parent, other, strict=True)) if a != b]
    if not places:
        return parent
    start = draw.randrange(len(places))
    taken = places[start : start + draw.randint(1, radius)]
    return parent[: taken[0]] + other[taken[0] : taken[-1] + 1] + parent[taken[-1] + 1 :]


def _shifted(parent: str, draw: random.Random) -> str:
    """The parent with a block moved by one place: the letter that it displaces goes to its other side."""
    if len(parent) < 3:
        return parent
    start, stop = sorted(draw.sample(range(len(parent) + 1), 2))
    block = parent[start:stop]
    return parent[:start] + (block[1:] + block[:1] if draw.random() < 0.5 else block[-1:] + block[:-1]) + parent[stop:]


def _pasted(parent: str, other: str, draw: random.Random) -> str:
    """The parent with a block of another one, of at most half its length, written over it at any place."""
    n = draw.randint(1, max(1, min(len(parent), len(other)) // 2))
    start, place = draw.randint(0, len(other) - n), draw.randint(0, len(parent) - n)
    return parent[:place] + other[start : start + n] + parent[place + n :]


def _moved(parent: str, draw: random.Random) -> str:
    """The parent with a block, of at most half its length, cut out and put in at any place."""
    n = draw.randint(1, max(1, len(parent) // 2))
    start = draw.randint(0, len(parent) - n)
    rest = parent[:start] + parent[start + n :]
    place = draw.randint(0, len(rest))
    return rest[:place] + parent[start : start + n] + rest[place:]
