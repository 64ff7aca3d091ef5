"""The aligned step: proposals become designs before they are scored, so every score belongs to a real design.

`decode` is many-to-one and `encode(decode(z)) != z`; a surrogate scored at a proposal is scored where no design lives.
Here proposals are decoded, sieved, and encoded again; `Pool.X` holds the designs' own places.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic

import torch
from torch import Tensor

from invdesign.core import B, Check, D, Domain, Validator, first_occurrences
from invdesign.latent.space import LatentSpace


@dataclass(frozen=True)
class Funnel:
    """How many proposals were left after each sieve of a round."""

    proposed: int = 0
    decoded: int = 0
    unique: int = 0
    novel: int = 0
    screened: int = 0
    asked: int = 0

    def without_repeats(self, n: int) -> Funnel:
        """The funnel of joined pools, less the designs that came through in more than one of them."""
        return replace(self, unique=self.unique - n, novel=self.novel - n, screened=self.screened - n)

    def __add__(self, other: Funnel) -> Funnel:
        return Funnel(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))


@dataclass(frozen=True, eq=False)
class Pool(Generic[D]):
    """Designs to choose from, with where they live: `n` designs, `X = [z | features]` is `n x (d + f)`."""

    designs: tuple[D, ...]
    keys: tuple[str, ...]
    proposals: Tensor
    Z: Tensor
    X: Tensor
    log_density: Tensor
    percentile: Tensor
    checks: tuple[tuple[Check, ...], ...]
    source: tuple[int, ...]
    funnel: Funnel = field(default_factory=Funnel)

    def __len__(self) -> int:
        return len(self.designs)


def join_pools(pools: Sequence[Pool[D]]) -> Pool[D]:
    """One pool of several, each design once; `source` counts through the proposals of all of them."""
    offsets = [sum(pool.funnel.proposed for pool in pools[:i]) for i in range(len(pools))]
    rows = first_occurrences(key for pool in pools for key in pool.keys)

    def taken(name: str) -> Any:
        values = [value for pool in pools for value in getattr(pool, name)]
        return tuple(values[i] for i in rows)

    def stacked(name: str) -> Tensor:
        # An empty pool knows nothing of the features' width.
        filled = [getattr(pool, name) for pool in pools if len(pool)]
        return torch.cat(filled)[rows] if filled else getattr(pools[0], name)

    source = [i + offset for pool, offset in zip(pools, offsets, strict=True) for i in pool.source]
    funnel = sum((pool.funnel for pool in pools[1:]), pools[0].funnel)
    n_repeats = sum(len(pool) for pool in pools) - len(rows)
    return Pool(
        designs=taken("designs"),
        keys=taken("keys"),
        proposals=stacked("proposals"),
        Z=stacked("Z"),
        X=stacked("X"),
        log_density=stacked("log_density"),
        percentile=stacked("percentile"),
        checks=taken("checks"),
        source=tuple(source[i] for i in rows),
        funnel=funnel.without_repeats(n_repeats),
    )


def inputs(domain: Domain[D, B], designs: Sequence[D], Z: Tensor, *, use_features: bool) -> Tensor:
    """Surrogate inputs `[z | features]`, `n x (d + f)`; features alone are asked of the domain where they are used."""
    if not use_features or not len(designs):
        return Z
    features = torch.as_tensor(domain.features(designs), dtype=torch.float64).reshape(len(designs), -1)
    return torch.cat([Z, features], dim=1)


def run_checks(validators: Sequence[Validator], designs: Sequence[Any]) -> list[tuple[Check, ...]]:
    """All findings per design, in the order of the validators."""
    if not designs:
        return []
    columns = [validator(designs) for validator in validators]
    return [tuple(checks) for checks in zip(*columns, strict=True)] if columns else [()] * len(designs)


def apply_screens(screens: Sequence[Validator], designs: Sequence[Any]) -> list[tuple[int, tuple[Check, ...]]]:
    """Which designs pass all screens, each with the findings; what one screen refuses the next ones do not see."""
    kept: list[tuple[int, tuple[Check, ...]]] = [(i, ()) for i in range(len(designs))]
    for screen in screens:
        findings = screen([designs[i] for i, _ in kept]) if kept else []
        kept = [(i, (*done, check)) for (i, done), check in zip(kept, findings, strict=True) if check.passed]
    return kept


def decode_screen_encode(
    space: LatentSpace[D, B],
    proposals: Tensor,
    *,
    is_known: Callable[[str], bool],
    screens: Sequence[Validator] = (),
    min_density_percentile: float = 0.0,
    use_features: bool = True,
    made: Sequence[D] = (),
    settle: Callable[[Tensor, list[D | None]], list[D | None]] | None = None,
) -> Pool[D]:
    """Decode proposals, drop what is no design, a repeat, known or screened out, and encode the rest again.

    Args:
        space: the latent space.
        proposals: `n x d` latent points.
        is_known: whether a key was measured, is pending, or must not be proposed.
        screens: cheap checks; a design that fails one is dropped.
        min_density_percentile: density percentile (0 to 100) below which a design counts as a void's and is dropped.
        use_features: whether the surrogate reads the domain's features.
        made: further proposals that are designs already; those that the map cannot encode are dropped.
        settle: changes what was decoded at `n x d` points, e.g. to designs near an incumbent.

    Returns:
        The pool; it may be empty. `source` points from each design to its proposal, those made after those decoded.
    """
    decoded = space.decode(proposals)
    fitting = [
        None if encoding_error else design
        for design, encoding_error in zip(made, space.domain.encoding_errors(made), strict=True)
    ]
    decoded = [*(decoded if settle is None else settle(proposals, decoded)), *fitting]
    found = [(i, design, space.domain.key(design)) for i, design in enumerate(decoded) if design is not None]
    unique = [found[i] for i in first_occurrences(key for _, _, key in found)]
    novel = [entry for entry in unique if not is_known(entry[2])]
    passed = [(*novel[i], checks) for i, checks in apply_screens(screens, [design for _, design, _ in novel])]
    Z = space.encode([design for _, design, _, _ in passed])
    log_density = space.log_density(Z)
    percentile = space.percentile(log_density)
    dense = [i for i in range(len(passed)) if percentile[i] >= min_density_percentile]
    kept = [passed[i] for i in dense]
    designs, rows = tuple(entry[1] for entry in kept), [entry[0] for entry in kept]
    Z = Z[dense]
    # What was made has no latent point that it was proposed at: its own stands for it.
    places = [proposals[row] if row < len(proposals) else Z[i] for i, row in enumerate(rows)]
    return Pool(
        designs=designs,
        keys=tuple(entry[2] for entry in kept),
        proposals=torch.stack(places) if places else proposals[:0],
        Z=Z,
        X=inputs(space.domain, designs, Z, use_features=use_features),
        log_density=log_density[dense],
        percentile=percentile[dense],
        checks=tuple(entry[3] for entry in kept),
        source=tuple(rows),
        funnel=Funnel(len(decoded), len(found), len(unique), len(novel), len(kept)),
    )
