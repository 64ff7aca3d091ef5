"""Crystals from a powder pattern and a formula: the search over a corpus, and its files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from invdesign.core import Corpus, InvdesignError, Progress, silent
from invdesign.core.capabilities import label
from invdesign.domains.crystals.domain import Crystals
from invdesign.domains.crystals.model.token_vae import CrystalTokenVAE
from invdesign.domains.crystals.powder.formula import parse_formula
from invdesign.domains.crystals.powder.latent_proposals import latent_proposals
from invdesign.domains.crystals.powder.measured import (
    Measured,
    parse_wavelength,
    prepare_pattern,
    read_pattern,
)
from invdesign.domains.crystals.powder.solve import Effort, Solution, solve
from invdesign.domains.crystals.powder.substitution import Proposal, TemplateLibrary
from invdesign.domains.crystals.powder.view_training import ViewSettings, train_view
from invdesign.io.tables import write_table
from invdesign.latent.space import LatentSpace
from invdesign.report.solution_page import DrawnSolution, write_solution_page

N_TEMPLATES = 150
"""Known structures that are tried."""
GOOD_AGREEMENT = 0.9
"""Agreement below which no candidate explains a pattern well."""


DecodeFormula = Callable[[Measured, Mapping[str, int], TemplateLibrary], Sequence[Proposal]]
"""Returns crystals of a formula for a pattern."""


def latent_decoder(
    latent_space: LatentSpace[Any, Any],
    corpus: Corpus[Any],
    folder: Path,
    n: int,
    *,
    settings: ViewSettings | None = None,
    progress: Progress = silent,
) -> DecodeFormula:
    """Return the decoder of crystals from a latent space; its view of patterns is trained, or read from its folder.

    Args:
        latent_space: A latent space of crystals as tokens.
        corpus: The crystals that it was trained on.
        folder: Folder of the view.
        n: Latents to draw for a pattern.
        settings: Settings of the training of the view.
        progress: Called with `(stage, done, total)`.

    Raises:
        InvdesignError: The latent space has another model.
    """
    vae = latent_space.vae
    if not isinstance(vae, CrystalTokenVAE):
        raise InvdesignError(
            f"solve: expected a latent space of crystals as tokens, got {type(vae).__name__}. Set vae=crystals/tokens"
        )
    rows = latent_space.encoding.encode(corpus.designs)
    view = train_view(vae, rows, folder, settings=settings, progress=progress)

    def decode(measured: Measured, counts: Mapping[str, int], library: TemplateLibrary) -> Sequence[Proposal]:
        return latent_proposals(vae, view, measured, counts, library, n=n)

    return decode


@dataclass(frozen=True, eq=False)
class SolvedPattern:
    """A measured pattern and the crystals that may explain it."""

    name: str
    """Name of the pattern's file."""
    formula: str
    """The formula."""
    measured: Measured
    """The pattern."""
    solutions: tuple[Solution, ...]
    """The crystals, the best first."""
    n_tried: int
    """Crystals that were compared with the pattern."""

    @property
    def sentence(self) -> str:
        """What was searched, and how good the best crystal is."""
        found = (
            f"{self.n_tried:,} crystals of {self.formula} were compared with {self.name} (wavelength "
            f"{self.measured.wavelength:g} Å, 2θ {self.measured.grid.first:.1f} to {self.measured.max_angle:.1f}°)."
        )
        best = self.solutions[0].agreement
        if best < GOOD_AGREEMENT:
            return (
                f"{found} None explains it well: the best agreement is {best:.2f} of 1. The structure may be missing, "
                "the powder may have a second phase, or formula or wavelength may be wrong."
            )
        return f"{found} The best agreement is {best:.2f} of 1. A refinement should confirm a candidate."


def solve_pattern(
    path: Path,
    formula: str,
    wavelength: str,
    corpus: Corpus[Any],
    *,
    n: int = 10,
    decode: DecodeFormula | None = None,
    effort: Effort | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> SolvedPattern:
    """Return the crystals of a formula that explain a measured pattern best.

    Args:
        path: File of the pattern.
        formula: The formula, e.g. `"LiFePO4"`.
        wavelength: Wavelength by name or in angstrom.
        corpus: Known crystals, whose structures are tried with the elements of the formula.
        n: Number of crystals.
        decode: Returns further crystals of the formula, from a latent space, for the pattern.
        effort: How many candidates each stage of the search keeps.
        seed: Seed of the search for cells.
        progress: Called with `(stage, done, total)`.

    Raises:
        InvdesignError: The file, formula or wavelength cannot be read, or no crystal has the ratios of the formula.
    """
    counts = parse_formula(formula)
    measured = prepare_pattern(read_pattern(path, parse_wavelength(wavelength)))
    library = TemplateLibrary(tuple(corpus.designs))
    proposals = library.proposals(counts, N_TEMPLATES)
    if decode is not None:
        proposals = [*proposals, *decode(measured, counts, library)]
    if not proposals:
        raise InvdesignError(
            f"solve: expected a corpus with structures of the ratios of {formula}, got none of {len(corpus):,} in "
            f"{corpus.name}. Give a larger corpus: corpus=crystals/table corpus.path=FILES"
        )
    solutions = solve(measured, proposals, library, n=n, effort=effort, seed=seed, progress=progress)
    return SolvedPattern(Path(path).name, formula, measured, tuple(solutions), len(proposals))


def write_solutions(solved: SolvedPattern, folder: Path) -> dict[str, Any]:
    """Write the page, a table, and a CIF of each crystal.

    Returns:
        What was found and written, as JSON.

    Raises:
        InvdesignError: The folder cannot be written.
    """
    domain = Crystals()
    rows = [_facts(domain, solution) for solution in solved.solutions]
    drawn = [
        DrawnSolution(label(domain, s.crystal), _shown(row), domain.draw(s.crystal), s.pattern)
        for s, row in zip(solved.solutions, rows, strict=True)
    ]
    grid = solved.measured.grid
    title = f"{solved.formula} from {solved.name}"
    page = write_solution_page(
        title, solved.sentence, grid.angles, solved.measured.intensity, drawn, folder / "solution.html"
    )
    table = write_table({name: [row[name] for row in rows] for name in rows[0]}, folder / "candidates.csv")
    files = [page, table]
    for i, solution in enumerate(solved.solutions, start=1):
        cif = folder / f"candidate-{i:02d}.cif"
        domain.write([solution.crystal], cif)
        files.append(cif)
    return {
        "formula": solved.formula,
        "tried": solved.n_tried,
        "sentence": solved.sentence,
        "candidates": rows,
        "files": [str(path) for path in files],
    }


def _facts(domain: Crystals, solution: Solution) -> dict[str, Any]:
    crystal = solution.crystal
    described = domain.describe([crystal])
    a, b, c, alpha, beta, gamma = crystal.cell
    return {
        "label": label(domain, crystal),
        "agreement": round(solution.agreement, 4),
        "score": round(solution.score, 4),
        "origin": solution.origin,
        "space_group": crystal.space_group,
        "a": round(a, 4),
        "b": round(b, 4),
        "c": round(c, 4),
        "alpha": round(alpha, 3),
        "beta": round(beta, 3),
        "gamma": round(gamma, 3),
        "density": described["density"][0],
        "zero_shift": round(solution.zero, 3),
    }


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """Return the facts of a candidate as they are read."""
    lengths = ", ".join(f"{row[name]:.3f}" for name in ("a", "b", "c"))
    turns = ", ".join(f"{row[name]:.2f}" for name in ("alpha", "beta", "gamma"))
    return {
        "agreement of the patterns (1: equal)": f"{row['agreement']:.3f}",
        "score (agreement less penalties)": f"{row['score']:.3f}",
        "where it comes from": row["origin"],
        "a, b, c [Å]": lengths,
        "α, β, γ [°]": turns,
        "mass density [g/cm³]": row["density"],
        "shift of the angles [°]": row["zero_shift"],
    }
