"""Benchmark: constraints. Do proposals keep outcome constraints, and does any batch violate a known constraint?

Outcome constraints: a test function of two properties on an integer grid, whose unconstrained optimum is infeasible.
Known constraints: random limits of molecules, crystals and sequences; the seed designs and a batch are checked.
"""

from __future__ import annotations

import argparse
import hashlib
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rdkit import Chem

from invdesign.campaign import (
    Campaign,
    Engine,
    Filters,
    Limits,
    Seeding,
    Surrogates,
    Task,
    ask,
    initialize,
    make_engine,
    run,
    start,
    tell,
)
from invdesign.core import Array, Corpus, InvdesignError, Objective, Outcome
from invdesign.domains.crystals import Crystals
from invdesign.domains.crystals.constraints import element_lists
from invdesign.domains.crystals.mutations import mutate as mutate_crystals
from invdesign.domains.crystals.prototypes.ionic import ionic
from invdesign.domains.molecules import Molecules
from invdesign.domains.molecules.corpus import fragments
from invdesign.domains.molecules.mutations import decorate
from invdesign.domains.sequences import Sequences, WildType
from invdesign.domains.sequences.alphabet import letters_of
from invdesign.domains.sequences.mutations import mutate as mutate_sequences
from invdesign.execution.in_process import InProcess
from invdesign.latent.geometry import Euclidean
from invdesign.latent.prepare import Pretrained
from invdesign.search.acquisition import log_ei, ucb
from invdesign.search.mutations import MutationPolicy
from invdesign.search.search import Search
from invdesign.surrogate import exact_gp

N_ROUNDS, N_BATCH, N_SEEDS = 8, 10, 20
LETTERS = letters_of("protein")
RINGS = ("c1ccccc1", "c1ccncc1", "C1CCNCC1", "C(=O)N", "S(=O)(=O)", "c1ccoc1", "C#N", "CO")


def main() -> None:
    """Measure both kinds of constraints, and write the page next to this file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="campaigns for each acquisition function")
    parser.add_argument("--sets", type=int, default=1000, help="random sets of known constraints")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".md"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    start_time = time.perf_counter()
    outcome = [measure_outcomes(name, acquire, arguments.seeds) for name, acquire in ACQUIRE.items()]
    known = measure_known(arguments.sets)
    arguments.out.write_text(page(outcome, known, arguments, time.perf_counter() - start_time), encoding="utf-8")


# A latent space without a VAE: what is measured here is the campaign and the domains.


@dataclass(frozen=True, eq=False)
class Encoded:
    """An encoding that can write every design."""

    def errors(self, designs: Sequence[Any]) -> list[str]:
        """Return no error."""
        return [""] * len(designs)


@dataclass(frozen=True, eq=False)
class Space:
    """Latents that follow from the designs by a formula."""

    domain: Any
    d: int
    place: Callable[[Any], Array]
    """Returns the latent of a design, `d`."""
    find: Callable[[Array], Any]
    """Returns the design at a latent."""
    encoding: Any = Encoded()
    geometry: Any = None
    training_keys: Any = frozenset()

    def encode(self, designs: Sequence[Any]) -> torch.Tensor:
        """Return `n x d` latents."""
        rows = np.array([self.place(design) for design in designs], dtype=np.float64)
        return torch.from_numpy(rows.reshape(-1, self.d))

    def decode(self, Z: torch.Tensor) -> list[Any]:
        """Return the design at each latent."""
        return [self.find(z) for z in Z.numpy()]

    def draw(self, n: int, source: str = "corpus") -> torch.Tensor:
        """Return normal latents."""
        return torch.randn(n, self.d, dtype=torch.float64)

    def log_density(self, Z: torch.Tensor) -> torch.Tensor:
        """Return the log-density of a standard normal, up to a constant."""
        return -Z.square().sum(-1) / 2

    def plausibility(self, designs: Sequence[Any], Z: torch.Tensor) -> torch.Tensor:
        """Return the log-density."""
        return self.log_density(Z)

    def percentile(self, plausibility: torch.Tensor) -> torch.Tensor:
        """Return 50 for all."""
        return torch.full_like(plausibility, 50.0)


# Outcome constraints.

ACQUIRE = {"log_ei": log_ei, "ucb (default)": partial(ucb, beta=(0.25, 9.0))}
SCALE = 10.0


@dataclass(frozen=True)
class Grid:
    """Points of a plane with whole numbers from -20 to 20."""

    name: str = "grid"

    def key(self, design: tuple[int, int]) -> str:
        """Return the point as text."""
        return f"{design[0]},{design[1]}"

    to_text = key

    def from_text(self, text: str) -> tuple[int, int]:
        """Return the point of a text."""
        x, y = text.split(",")
        return int(x), int(y)


def gardner(designs: Sequence[tuple[int, int]]) -> Array:
    """Return objective (minimize) and constraint (at most 0.5) of the first simulation of Gardner et al. (2014).

    `cos(2 x) cos(y) + sin(x)` and `cos(x) cos(y) - sin(x) sin(y)` for x and y from 0 to 6.
    """
    P = (np.array(designs, dtype=float).reshape(-1, 2) + 20) * 6 / 40
    x, y = P[:, 0], P[:, 1]
    return np.stack([np.cos(2 * x) * np.cos(y) + np.sin(x), np.cos(x + y)], axis=1)


def measure_outcomes(name: str, acquire: Any, n_seeds: int) -> dict[str, Any]:
    """Return how many proposals keep the outcome constraint."""
    points = tuple((x, y) for x in range(-20, 21) for y in range(-20, 21))
    values = gardner(points)
    optimum = values[values[:, 1] <= 0.5, 0].min()
    early, late, best = [], [], []
    for seed in range(n_seeds):
        corpus = Corpus(points, name="grid", sha256="grid")
        campaign: Campaign[Any, Any] = Campaign(
            Grid(),  # type: ignore[arg-type]
            Task([Objective("cost", goal="minimize")], gardner, constraints={"strain": "<= 0.5"}),
            vae=Pretrained("none"),
            seeding=Seeding(n_seeds=N_SEEDS),
            surrogates=Surrogates(surrogate=exact_gp),
            search=Search(acquire=acquire, oversample=20),
            filters=Filters(allow_corpus_designs=True),
            limits=Limits(budget=N_SEEDS + N_ROUNDS * N_BATCH, batch=N_BATCH),
            seed=seed,
        )
        engine = make_engine(campaign, grid_space(), corpus)
        state = run(engine, start(engine, initialize(engine, corpus)), executor=InProcess)
        early.append(np.mean([c.y[1] <= 0.5 for c in state.history if 0 < c.round <= 5]))
        late.append(np.mean([c.y[1] <= 0.5 for c in state.history if c.round > 5]))
        best.append(min(c.y[0] for c in state.history if c.y[1] <= 0.5) / optimum)
    return {"name": name, "early": early, "late": late, "best": best}


def grid_space() -> Any:
    """Return the latent space of the grid."""

    def find(z: Array) -> tuple[int, int] | None:
        x, y = (int(v) for v in np.round(z * SCALE))
        return (x, y) if max(abs(x), abs(y)) <= 20 else None

    return Space(Grid(), 2, lambda point: np.array(point) / SCALE, find, geometry=Euclidean())


# Known constraints.


@dataclass(frozen=True, eq=False)
class Trial:
    """Random known constraints of a domain."""

    domain: Any
    corpus: Corpus[Any]
    mutations: MutationPolicy
    is_kept: Callable[[Any], bool]
    """Whether a design keeps them, computed otherwise than by the domain."""


def random_sequences(rng: np.random.Generator) -> Trial:
    """Return limits of variants of a random wild type."""
    n = int(rng.integers(8, 40))
    own = "".join(rng.choice(list(LETTERS), n))
    residues = [int(i) + 1 for i in rng.permutation(n)]
    fixed, designable = set(residues[: n // 4]), residues[n // 4 : n // 2]
    letters = {i: "".join(rng.choice(list(LETTERS), 5, replace=False)) for i in designable}
    forbidden = "".join(rng.choice(list(LETTERS), int(rng.integers(0, 5)), replace=False))
    most = int(rng.integers(1, 8)) if rng.random() < 0.7 else None
    use_designable = rng.random() < 0.5
    domain = Sequences(
        length="fixed",
        wild_type=WildType(own),
        designable=letters if use_designable else {},
        fixed=tuple(fixed),
        forbidden=forbidden,
        max_mutations=most,
    )

    def is_kept(design: str) -> bool:
        changes = [(i + 1, b) for i, (a, b) in enumerate(zip(own, design, strict=True)) if a != b]
        return (most is None or len(changes) <= most) and all(
            i not in fixed and b not in forbidden and (not use_designable or b in letters.get(i, ""))
            for i, b in changes
        )

    variants = {mutant(own, int(rng.integers(1, 12)), rng) for _ in range(60)}
    policy = MutationPolicy(partial(mutate_sequences, domain=Sequences(length=n)), lambda a, b: float(a != b))
    return Trial(domain, Corpus(tuple(sorted(variants))), policy, is_kept)


def mutant(own: str, n: int, rng: np.random.Generator) -> str:
    """Return a sequence with up to `n` random letters."""
    letters = list(own)
    for i in rng.integers(len(own), size=n):
        letters[i] = str(rng.choice(list(LETTERS)))
    return "".join(letters)


def random_molecules(rng: np.random.Generator, designs: Sequence[str]) -> Trial:
    """Return required and forbidden parts, and elements."""
    parts = list(rng.permutation(RINGS))
    required, forbidden = tuple(parts[: int(rng.integers(0, 3))]), tuple(parts[3 : 3 + int(rng.integers(0, 3))])
    only = ("C", "N", "O") if rng.random() < 0.4 else ()
    domain = Molecules(required=required, forbidden=forbidden, only=only)

    def is_kept(design: str) -> bool:
        mol = Chem.MolFromSmiles(design)
        return (
            all(mol.HasSubstructMatch(Chem.MolFromSmarts(part)) for part in required)
            and not any(mol.HasSubstructMatch(Chem.MolFromSmarts(part)) for part in forbidden)
            and (not only or {atom.GetSymbol() for atom in mol.GetAtoms()} <= set(only))
        )

    chosen = tuple(sorted({designs[i] for i in rng.integers(len(designs), size=300)}))
    policy = MutationPolicy(partial(decorate, scaffold=None), lambda a, b: float(a != b), max_radius=4)
    return Trial(domain, Corpus(chosen), policy, is_kept)


def random_crystals(rng: np.random.Generator, designs: Sequence[Any]) -> Trial:
    """Return elements, formula types, space groups and sizes."""
    some = [designs[i] for i in rng.integers(len(designs), size=4)]
    elements = sorted({element for crystal in some for element in crystal.counts})
    only = tuple(elements) if rng.random() < 0.5 else ()
    required = tuple(sorted(some[0].counts)[:1]) if rng.random() < 0.5 else ()
    excluded = ("toxic", "radioactive") if not only and not required else ()
    groups = tuple(sorted({crystal.space_group for crystal in some})) if rng.random() < 0.5 else ()
    largest = int(rng.integers(4, 60)) if rng.random() < 0.5 else None
    domain = Crystals(only=only, required=required, excluded=excluded, space_groups=groups, n_atoms=(None, largest))
    banned = {element for name in excluded for element in element_lists()[name]}

    def is_kept(crystal: Any) -> bool:
        found = set(crystal.counts)
        return (
            (not only or found <= set(only))
            and set(required) <= found
            and not found & banned
            and (not groups or crystal.space_group in groups)
            and (largest is None or sum(crystal.counts.values()) <= largest)
        )

    chosen = [designs[i] for i in rng.integers(len(designs), size=200)]
    policy = MutationPolicy(mutate_crystals, lambda a, b: 1.0)
    return Trial(domain, Corpus(tuple({Crystals().key(c): c for c in chosen}.values())), policy, is_kept)


def measure_known(n_sets: int) -> list[dict[str, Any]]:
    """Return the violations in seed designs and batches over random sets of known constraints."""
    molecules, crystals = fragments(n=5000).designs, ionic(n=1500).designs
    makers: dict[str, Callable[[np.random.Generator], Trial]] = {
        "sequences": random_sequences,
        "molecules": lambda rng: random_molecules(rng, molecules),
        "crystals": lambda rng: random_crystals(rng, crystals),
    }
    rows = []
    for number, (name, make) in enumerate(makers.items()):
        n = n_sets // len(makers) + (number < n_sets % len(makers))
        counts = {"domain": name, "sets": n, "impossible": 0, "seeds": 0, "batch": 0, "violations": 0, "unkept": 0}
        for seed in range(n):
            trial = make(np.random.default_rng([number, seed]))
            counts["unkept"] += sum(not trial.is_kept(design) for design in trial.corpus.designs)
            seeds, batch = propose(trial, seed)
            counts["impossible"] += not seeds
            counts["seeds"] += len(seeds)
            counts["batch"] += len(batch)
            counts["violations"] += sum(not trial.is_kept(design) for design in (*seeds, *batch))
        rows.append(counts)
    return rows


def propose(trial: Trial, seed: int) -> tuple[list[Any], list[Any]]:
    """Return the seed designs and the first batch of a campaign; nothing where no design keeps the constraints."""
    designs, latents = trial.corpus.designs, np.random.default_rng(seed).standard_normal((len(trial.corpus), 4))

    def find(z: Array) -> Any:
        return designs[int(((latents - z) ** 2).sum(1).argmin())]

    def place(design: Any) -> Array:
        digest = hashlib.sha256(trial.domain.key(design).encode()).digest()
        return np.frombuffer(digest[:16], dtype="<u4") / 2**31 - 1.0

    space: Any = Space(trial.domain, 4, place, find, geometry=Euclidean())
    campaign: Campaign[Any, Any] = Campaign(
        trial.domain,
        Task([Objective("value")], lambda designs: np.zeros(len(designs))),
        vae=Pretrained("none"),
        seeding=Seeding(n_seeds=5),
        search=Search(acquire=None, trust_region=None, oversample=10),
        mutations=trial.mutations,
        filters=Filters(screens=[]),
        limits=Limits(budget=15, batch=10),
        seed=seed,
    )
    engine: Engine[Any, Any] = make_engine(campaign, space)
    try:
        first = initialize(engine, trial.corpus)
    except InvdesignError:
        return [], []
    state = start(engine, first)
    state = tell(engine, state, {c.key: Outcome((float(i),)) for i, c in enumerate(state.open)})
    return [c.design for c in first.candidates], [c.design for c in ask(engine, state).candidates]


def page(
    outcome: Sequence[dict[str, Any]], known: Sequence[dict[str, Any]], arguments: argparse.Namespace, seconds: float
) -> str:
    """Return the page of the benchmark."""

    def percent(values: Sequence[float]) -> str:
        return f"{100 * np.mean(values):.0f} %"

    lines = [
        "# Constraints",
        "",
        f"`python results/benchmarks/constraints.py --seeds {arguments.seeds} --sets {arguments.sets}`: "
        f"{seconds / 60:.0f} minutes on {platform.processor() or platform.machine()}, one thread.",
        "",
        "## Outcome constraints",
        "",
        "First simulation of Gardner et al. (ICML 2014) on a grid of 41 x 41 designs: minimize a cost where another",
        "measured property, learned too, is at most 0.5. The latent space is the plane itself. "
        f"{N_SEEDS} random seed designs,",
        f"{N_ROUNDS} rounds of {N_BATCH}. Feasible: proposals that were measured and keep the limit.",
        "",
        "| acquisition | seeds | feasible, rounds 1-5 | after 5 rounds | worst seed | best / optimum, worst seed |",
        "|---|---|---|---|---|---|",
        *(
            f"| {row['name']} | {len(row['late'])} | {percent(row['early'])} | {percent(row['late'])} | "
            f"{100 * min(row['late']):.0f} % | {min(row['best']):.3f} |"
            for row in outcome
        ),
        "",
        "## Known constraints",
        "",
        "Random sets of limits of a domain; seed designs and a first batch are drawn from corpora and by mutations",
        "that do not know them. A latent point decodes to a random design of the corpus, harder than with a decoder.",
        "Whether a design keeps the limits is computed by this benchmark, not by the domain. A set that no design of",
        "the corpus can meet is refused with an error before anything is measured.",
        "",
        "| domain | sets | refused | seed designs | batch designs | violations | corpus designs that violate |",
        "|---|---|---|---|---|---|---|",
        *(
            f"| {row['domain']} | {row['sets']:,} | {row['impossible']:,} | {row['seeds']:,} | {row['batch']:,} | "
            f"{row['violations']} | {row['unkept']:,} |"
            for row in known
        ),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
