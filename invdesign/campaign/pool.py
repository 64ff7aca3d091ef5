"""The aligned step: proposals become designs before they are scored.

The surrogate is evaluated at `encode(decode(z))`, the latent mean of the decoded design, not at the proposed `z`:
decoding is many-to-one, so no design may lie at `z` itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic

import torch
from torch import Tensor

from invdesign.core import B, Check, D, Validator, first_occurrences
from invdesign.latent.space import LatentSpace


@dataclass(frozen=True)
class Funnel:
    """Number of proposals that remain after each step of a round."""

    proposed: int = 0
    """Latent points and mutated designs."""
    decoded: int = 0
    """Proposals that are a design."""
    unique: int = 0
    """Distinct designs."""
    novel: int = 0
    """Designs that are not excluded, measured or pending."""
    screened: int = 0
    """Designs that pass all screens and the density limit."""
    selected: int = 0
    """Designs of the batch."""
    refused: tuple[tuple[str, int], ...] = ()
    """Designs that each screen, or the density limit, refused, by its name; a design is refused once."""

    def without_repeats(self, n: int) -> Funnel:
        """Return the funnel of joined pools, without the `n` designs that are in more than one of them."""
        return replace(self, unique=self.unique - n, novel=self.novel - n, screened=self.screened - n)

    def __add__(self, other: Funnel) -> Funnel:
        counts = {
            name: getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__ if name != "refused"
        }
        refused = Counter(dict(self.refused))
        refused.update(dict(other.refused))
        return replace(self, **counts, refused=tuple(refused.items()))


def describe_refused(funnel: Funnel) -> str:
    """Return the number of designs that each screen refused, the largest first.

    Example:
        >>> describe_refused(Funnel(refused=(("brenk", 3), ("size", 1200))))
        'size 1,200, brenk 3'
    """
    return ", ".join(f"{name} {n:,}" for name, n in sorted(funnel.refused, key=lambda item: -item[1]))


@dataclass(frozen=True, eq=False)
class Pool(Generic[D]):
    """Decoded, screened and re-encoded proposals, from which the batch is selected: `n` designs."""

    designs: tuple[D, ...]
    """The designs."""
    keys: tuple[str, ...]
    """Their keys."""
    proposals: Tensor
    """`n x d`, the latent points that they were decoded from; for a mutated design its own latent."""
    Z: Tensor
    """`n x d`, their latents."""
    X: Tensor
    """Surrogate inputs `[z | features | descriptors]`, `n x (d + f + p)`; `Z` where no other is read."""
    log_density: Tensor
    """`n`, log p(z) of real designs."""
    checks: tuple[tuple[Check, ...], ...]
    """Results of the screens."""
    source: tuple[int, ...]
    """Number of the proposal of each design; mutated designs come after latent points."""
    funnel: Funnel = field(default_factory=Funnel)
    """Number of proposals that remained after each step."""

    def __len__(self) -> int:
        return len(self.designs)


def decode_screen_encode(
    latent_space: LatentSpace[D, B],
    proposals: Tensor,
    *,
    is_excluded: Callable[[str], bool],
    screens: Sequence[Validator] = (),
    min_plausibility: float = 0.0,
    features: Callable[[Sequence[D]], Tensor] | None = None,
    mutated: Sequence[D] = (),
    project: Callable[[Tensor, list[D | None]], list[D | None]] | None = None,
    adapt: Callable[[D], D | None] | None = None,
) -> Pool[D]:
    """Decode proposals, drop what is no design, repeated, excluded or screened out, and encode the rest again.

    Args:
        latent_space: The latent space.
        proposals: `n x d` latent points.
        is_excluded: Whether a key was measured, is pending, or must not be proposed.
        screens: Cheap checks; a design that fails one is dropped.
        min_plausibility: Plausibility percentile (0 to 100) below which a design is dropped.
        features: Function from designs to what the surrogate reads beside their latents; None where it reads nothing.
        mutated: Further proposals that are designs already; those that cannot be encoded are dropped.
        project: Replaces what was decoded at `n x d` points, e.g. by designs near an incumbent.
        adapt: Returns the design that meets the constraints of the domain, or None, see `Constrained`.

    Returns:
        The pool; it may be empty.
    """
    decoded = latent_space.decode(proposals)
    if project is not None:
        decoded = project(proposals, decoded)
    candidates = _adapt_candidates(latent_space, decoded, mutated, adapt)
    found = [(i, design, latent_space.domain.key(design)) for i, design in enumerate(candidates) if design is not None]
    unique = [found[i] for i in first_occurrences(key for _, _, key in found)]
    novel = [entry for entry in unique if not is_excluded(entry[2])]
    refused: Counter[str] = Counter()
    passed = [(*novel[i], checks) for i, checks in apply_screens(screens, [design for _, design, _ in novel], refused)]
    Z = latent_space.encode([design for _, design, _, _ in passed])
    log_density = latent_space.log_density(Z)
    dense = _plausible(latent_space, [design for _, design, _, _ in passed], Z, min_plausibility)
    kept = [passed[i] for i in dense]
    refused["min_plausibility"] += len(passed) - len(kept)
    designs, rows = tuple(entry[1] for entry in kept), [entry[0] for entry in kept]
    Z = Z[dense]
    points = [proposals[row] if row < len(proposals) else Z[i] for i, row in enumerate(rows)]
    return Pool(
        designs=designs,
        keys=tuple(entry[2] for entry in kept),
        proposals=torch.stack(points) if points else proposals[:0],
        Z=Z,
        X=Z if features is None or not designs else torch.cat([Z, features(designs)], dim=1),
        log_density=log_density[dense],
        checks=tuple(entry[3] for entry in kept),
        source=tuple(rows),
        funnel=Funnel(
            len(candidates), len(found), len(unique), len(novel), len(kept), refused=tuple((+refused).items())
        ),
    )


def _plausible(latent_space: LatentSpace[D, B], designs: Sequence[D], Z: Tensor, min_percentile: float) -> list[int]:
    """Return the positions of the designs whose plausibility is not below a percentile of held-out designs."""
    if min_percentile <= 0:
        return list(range(len(designs)))
    percentile = latent_space.percentile(latent_space.plausibility(designs, Z))
    return (percentile >= min_percentile).nonzero()[:, 0].tolist()


def _adapt_candidates(
    latent_space: LatentSpace[D, B],
    decoded: Sequence[D | None],
    mutated: Sequence[D],
    adapt: Callable[[D], D | None] | None,
) -> list[D | None]:
    """Return decoded and mutated designs that meet the constraints; None for those that cannot, or cannot be encoded.

    A design as it was decoded can be encoded.
    """
    given = [*decoded, *mutated]
    adapted = [design if design is None or adapt is None else adapt(design) for design in given]
    is_known = [old is new for old, new in zip(decoded, adapted[: len(decoded)], strict=True)]
    is_known += [False] * len(mutated)
    new = [design for design, known in zip(adapted, is_known, strict=True) if design is not None and not known]
    errors = iter(latent_space.encoding.errors(new))
    return [
        design if design is None or known or not next(errors) else None
        for design, known in zip(adapted, is_known, strict=True)
    ]


def join_pools(pools: Sequence[Pool[D]]) -> Pool[D]:
    """Return one pool of several, each design once; `source` counts through the proposals of all of them."""
    offsets = [sum(pool.funnel.proposed for pool in pools[:i]) for i in range(len(pools))]
    rows = first_occurrences(key for pool in pools for key in pool.keys)

    def take(name: str) -> tuple[Any, ...]:
        values = [value for pool in pools for value in getattr(pool, name)]
        return tuple(values[i] for i in rows)

    def stack(name: str) -> Tensor:
        # The width of the features is not known of an empty pool.
        filled = [getattr(pool, name) for pool in pools if len(pool)]
        stacked: Tensor = torch.cat(filled)[rows] if filled else getattr(pools[0], name)
        return stacked

    source = [i + offset for pool, offset in zip(pools, offsets, strict=True) for i in pool.source]
    funnel = sum((pool.funnel for pool in pools[1:]), pools[0].funnel)
    n_repeats = sum(len(pool) for pool in pools) - len(rows)
    return Pool(
        designs=take("designs"),
        keys=take("keys"),
        proposals=stack("proposals"),
        Z=stack("Z"),
        X=stack("X"),
        log_density=stack("log_density"),
        checks=take("checks"),
        source=tuple(source[i] for i in rows),
        funnel=funnel.without_repeats(n_repeats),
    )


def run_checks(validators: Sequence[Validator], designs: Sequence[Any]) -> list[tuple[Check, ...]]:
    """Return the results of all validators for each design, in the order of the validators."""
    if not designs:
        return []
    columns = [validator(designs) for validator in validators]
    return [tuple(checks) for checks in zip(*columns, strict=True)] if columns else [()] * len(designs)


def apply_screens(
    screens: Sequence[Validator], designs: Sequence[Any], refused: Counter[str] | None = None
) -> list[tuple[int, tuple[Check, ...]]]:
    """Return the positions of the designs that pass all screens, each with its results.

    A design that fails a screen is not given to the next ones.

    Args:
        screens: Cheap checks.
        designs: The designs to check.
        refused: Counts the designs that each check refuses.
    """
    passed: list[tuple[int, tuple[Check, ...]]] = [(i, ()) for i in range(len(designs))]
    for screen in screens:
        results = screen([designs[i] for i, _ in passed]) if passed else []
        if refused is not None:
            refused.update(check.name for check in results if not check.passed)
        passed = [(i, (*checks, check)) for (i, checks), check in zip(passed, results, strict=True) if check.passed]
    return passed
