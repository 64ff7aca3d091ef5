"""Mutation of sequences (point edits, crossover, moved blocks, insertions and deletions) and projection to a radius."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from rapidfuzz.distance import Levenshtein
from torch import Tensor

from invdesign.domains.sequences.domain import Sequences
from invdesign.domains.sequences.wild_type.design_constraints import DesignConstraints
from invdesign.domains.sequences.wild_type.wild_type import distance


def mutate(
    parents: Sequence[str],
    n: int,
    *,
    radius: int,
    domain: Sequences,
    crossover_rate: float = 0.3,
    shift_rate: float = 0.15,
    paste_rate: float = 0.0,
    move_rate: float = 0.0,
) -> list[str]:
    """Return mutated copies of parents.

    The parent of rank r (from 0) is drawn with a weight of 1 / sqrt(1 + r). The number of point edits is geometrically
    distributed (probability 1/2) and at most `radius`. At the given rates, a copy first undergoes one block operation
    (crossover, shift, paste or move), which counts as one edit although it can change many positions; if that changes
    it, point edits follow with probability 1/2 only. Residues that the design constraints do not allow are set back to
    the wild type's.

    Args:
        parents: Sequences, best first.
        n: Number of sequences to return.
        radius: Maximum number of point edits.
        domain: Alphabet and design constraints; letters are inserted and deleted if its length is variable.
        crossover_rate: Fraction that receives a segment of another parent at the same positions.
        shift_rate: Fraction in which a block moves by one position.
        paste_rate: Fraction in which a block of another parent overwrites any position.
        move_rate: Fraction in which a block is cut out and inserted elsewhere. Moving blocks to arbitrary positions
            helps where positions have no meaning of their own, as in functions of motifs.

    Returns:
        `n` sequences, not necessarily distinct.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> [len(child) for child in mutate(["MKTAYIAK"], 3, radius=2, domain=Sequences(length=8))]
        [8, 8, 8]
    """
    rng = random.Random(int(torch.randint(2**62, ())))
    constraints = domain.constraints
    weights = [1 / (1 + rank) ** 0.5 for rank in range(len(parents))]
    children = []
    for parent in rng.choices(parents, weights, k=n):
        child, chance = parent, rng.random()
        if chance < crossover_rate:
            child = _cross_over(child, rng.choice(parents), radius, rng)
        elif chance < crossover_rate + shift_rate:
            child = _shift_block(child, rng)
        elif chance < crossover_rate + shift_rate + paste_rate:
            child = _paste_block(child, rng.choice(parents), rng)
        elif chance < crossover_rate + shift_rate + paste_rate + move_rate:
            child = _move_block(child, rng)
        if child == parent or rng.random() < 0.5:
            child = _edit_letters(child, radius, constraints, domain.length is None, rng)
        children.append(constraints.repair(child))
    return children


@runtime_checkable
class HasLogits(Protocol):
    """VAE that rates every letter at every position."""

    def logits(self, x: Tensor, z: Tensor) -> Tensor:
        """Return the logits of every letter at every position, `n x length x n_tokens`."""
        ...


def project_to_radius(space: Any, Z: Tensor, designs: Sequence[Any], center: str, radius: int) -> list[Any]:
    """Return decoded sequences within a radius of a center, keeping the likeliest edits of those farther away.

    The score of an edit is the difference of the decoder's log-probabilities of the new letter and of the center's
    letter, at the latent point that was decoded.

    Args:
        space: Latent space. Where its VAE has no `logits(x, z)`, as the linear model, all designs are left as they are.
        Z: `n x d` latent points.
        designs: `n` designs decoded from `Z`; None where decoding failed.
        center: Incumbent.
        radius: Maximum number of edits from the center.

    Returns:
        `n` designs; None where the given one is None.
    """
    far = [i for i, design in enumerate(designs) if design is not None and distance(design, center) > radius]
    projected = list(designs)
    if not far or not isinstance(space.vae, HasLogits):
        return projected
    raw = (Z[far] * space.scale + space.shift).float()
    center_tokens = space.encoding.encode([center]).expand(len(far), -1)
    design_tokens = space.encoding.encode([designs[i] for i in far])
    with torch.no_grad():
        logits = space.vae.logits(design_tokens, raw).log_softmax(-1)
    n_steps = logits.shape[1]
    of_design = logits.gather(2, design_tokens[:, :n_steps, None])[..., 0]
    of_center = logits.gather(2, center_tokens[:, :n_steps, None])[..., 0]
    gains = of_design - of_center
    for row, i in enumerate(far):
        projected[i] = _keep_likeliest_edits(center, designs[i], gains[row].tolist(), radius)
    return projected


def _keep_likeliest_edits(center: str, design: str, gains: Sequence[float], radius: int) -> str:
    if len(center) == len(design):
        changed = [i for i, (old, new) in enumerate(zip(center, design, strict=True)) if old != new]
        likeliest = set(sorted(changed, key=lambda i: -gains[i])[:radius])
        return "".join(new if i in likeliest else old for i, (old, new) in enumerate(zip(center, design, strict=True)))
    edits = list(Levenshtein.editops(center, design))
    order = sorted(range(len(edits)), key=lambda k: -gains[min(edits[k].dest_pos, len(gains) - 1)])
    return _apply_edits(center, design, [edits[k] for k in sorted(order[:radius])])


def _apply_edits(source: str, target: str, edits: Sequence[Any]) -> str:
    """Apply a subset of the edit operations that transform the source into the target, given in their order."""
    # One group of letters for each letter of the source and one for insertions at the end.
    groups = [[letter] for letter in source] + [[]]
    for edit in reversed(edits):
        if edit.tag == "replace":
            groups[edit.src_pos][-1] = target[edit.dest_pos]
        elif edit.tag == "delete":
            groups[edit.src_pos].pop()
        else:
            groups[edit.src_pos].insert(0, target[edit.dest_pos])
    return "".join(letter for group in groups for letter in group)


def _edit_letters(
    parent: str, radius: int, constraints: DesignConstraints, has_variable_length: bool, rng: random.Random
) -> str:
    """Apply point edits: an insertion or a deletion with probability 0.2 each, if lengths are variable."""
    n_edits = 1
    while n_edits < radius and rng.random() < 0.5:
        n_edits += 1
    letters = list(parent)
    is_aligned = constraints.wild_type is not None and len(parent) == len(constraints.wild_type.sequence)
    not_forbidden = [letter for letter in constraints.letters if letter not in constraints.forbidden]
    for _ in range(n_edits):
        chance = rng.random() if has_variable_length else 1.0
        if chance < 0.2 and (not constraints.max_length or len(letters) < constraints.max_length):
            letters.insert(rng.randrange(len(letters) + 1), rng.choice(not_forbidden))
        elif chance < 0.4 and len(letters) > constraints.min_length:
            letters.pop(rng.randrange(len(letters)))
        else:
            position = rng.randrange(len(letters))
            has_positions = is_aligned and len(letters) == len(parent)
            choices = constraints.allowed_letters(position) if has_positions else not_forbidden
            others = [letter for letter in choices if letter != letters[position]]
            if others:
                letters[position] = rng.choice(others)
    return "".join(letters)


def _cross_over(parent: str, other: str, radius: int, rng: random.Random) -> str:
    """Copy a segment of another parent of the same length to the same positions."""
    if len(parent) != len(other):
        return parent
    differing = [i for i, (a, b) in enumerate(zip(parent, other, strict=True)) if a != b]
    if not differing:
        return parent
    start = rng.randrange(len(differing))
    copied = differing[start : start + rng.randint(1, radius)]
    return parent[: copied[0]] + other[copied[0] : copied[-1] + 1] + parent[copied[-1] + 1 :]


def _shift_block(parent: str, rng: random.Random) -> str:
    """Move a block by one position; the displaced letter goes to its other side."""
    if len(parent) < 3:
        return parent
    start, stop = sorted(rng.sample(range(len(parent) + 1), 2))
    block = parent[start:stop]
    shifted = block[1:] + block[:1] if rng.random() < 0.5 else block[-1:] + block[:-1]
    return parent[:start] + shifted + parent[stop:]


def _paste_block(parent: str, other: str, rng: random.Random) -> str:
    """Overwrite any position with a block of another parent, of at most half the shorter one's length."""
    n = rng.randint(1, max(1, min(len(parent), len(other)) // 2))
    start, position = rng.randint(0, len(other) - n), rng.randint(0, len(parent) - n)
    return parent[:position] + other[start : start + n] + parent[position + n :]


def _move_block(parent: str, rng: random.Random) -> str:
    """Cut out a block of at most half the length and insert it at any position."""
    n = rng.randint(1, max(1, len(parent) // 2))
    start = rng.randint(0, len(parent) - n)
    rest = parent[:start] + parent[start + n :]
    position = rng.randint(0, len(rest))
    return rest[:position] + parent[start : start + n] + rest[position:]
