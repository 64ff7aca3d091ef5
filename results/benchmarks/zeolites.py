"""Benchmark of zeolites described by their T sites, compared with the Database of Zeolite Structures.

The benchmark measures the pores of the given frameworks against the table; frameworks rebuilt from T sites alone, with
those on which the weights of the distance least squares were chosen reported separately; held-out frameworks encoded
and decoded by a latent space; the candidates in the CIFs of a finished run of campaigns/zeolite_pore.yaml; and paths
between pairs of known frameworks that stop where the free sphere is 5.0 angstrom, by `invdesign interpolate`.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from pymatgen.core.structure import Structure
from pymatgen.io.cif import CifParser

from invdesign import InvdesignError
from invdesign.domains.crystals import Crystal, Crystals
from invdesign.domains.crystals.io import cif_reader
from invdesign.domains.crystals.io.files import corpus
from invdesign.domains.crystals.model.vae import crystal_vae
from invdesign.domains.crystals.symmetry.canonical import crystal_of
from invdesign.domains.crystals.zeolites.corpus import frameworks, new_net, read_structures
from invdesign.domains.crystals.zeolites.pores import Pores, measure_pores
from invdesign.domains.crystals.zeolites.silica import (
    four_connected,
    framework_of,
    framework_residual,
    one_net,
    remove_oxygens,
)
from invdesign.domains.crystals.zeolites.topology import topology_of
from invdesign.latent.prepare import prepare
from invdesign.latent.round_trip import decode_nearest
from invdesign.vae.training import Recipe

PARTS = ("table", "rebuilt", "latent_space", "campaign", "blends")
COLUMNS = {"included": "included_sphere", "free": "largest_diff_sphere"}
# Frameworks on which the weights of the distance least squares were chosen.
TUNED = (
    "ABW AEI AEN AFI AFR AHT APD ATS ATV BCT BPH CAN CDO CGF CHA CSV DFT EDI ERI ETR EWO FER GME GOO IFO IFY ITW "
    "JOZ JSN JSW LIO LOS LTA MAZ MEP MON MTT NAB NPO NSI OSO PHI PTO PUN PWW RRO RTE RUT RWY SAV SFE SFN SOR SSY "
    "SZR UEI UOS VET WEI ZON"
)
# Corpus of campaigns/zeolite_pore.yaml.
MAX_ORBITS, N_STRAINED, N_RANDOM = 12, 5, 100
# Limits of campaigns/zeolite_pore.yaml [angstrom].
MAX_RESIDUAL, CLEARANCE = 0.025, 2.3
RECIPE = Recipe(partial(crystal_vae, d=128), epochs=100, batch=64, beta=0.02, beta_warmup=0.2, held_out=400)

# Blends: settings of the latent space as in RECIPE, target [angstrom], and the free spheres of the two ends.
BLEND_SETTINGS = ("vae.build.d=128", "vae.beta=0.02")
TARGET = 5.0
SMALLER, LARGER = (3.5, 4.8), (5.2, 6.5)

NamedStructures = Sequence[tuple[str, Structure]]


def main() -> None:
    """Measure the requested parts and write the results beside this file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--archive", type=Path, required=True, help="zeolites.tar.xz")
    parser.add_argument("--pores", type=Path, help="zeolite_pores.csv (default: beside the archive)")
    parser.add_argument("--every", type=int, default=1, help="use every n-th framework")
    parser.add_argument("--max-atoms", type=int, default=1000, help="leave out larger cells")
    parser.add_argument("--cache", type=Path, default=Path(".cache"))
    parser.add_argument(
        "--parts",
        nargs="+",
        choices=PARTS,
        default=PARTS[:3],
        help="parts to measure; the results of other parts are kept",
    )
    parser.add_argument("--epochs", type=int, default=RECIPE.epochs, help="of part latent_space (default 100)")
    parser.add_argument("--only-held-out", action="store_true", help="of part latent_space, leave out the training set")
    parser.add_argument(
        "--run", type=Path, help="folder of a finished run of campaigns/zeolite_pore.yaml (part campaign)"
    )
    parser.add_argument("--pairs", type=int, default=8, help="pairs of frameworks (part blends)")
    parser.add_argument(
        "--around", type=int, nargs="+", default=[1, 8], help="points decoded around a step (part blends)"
    )
    parser.add_argument("--paths", type=Path, help="folder for tables and pages of the paths (part blends)")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    arguments = parser.parse_args()
    if "campaign" in arguments.parts and not arguments.run:
        parser.error("the part campaign requires --run")
    table = arguments.pores or arguments.archive.parent / "zeolite_pores.csv"
    archive = list(read_structures(arguments.archive))
    complete = [(name, s) for name, s in archive if not isinstance(s, str)]
    named = [(name, s) for name, s in complete if len(s) <= arguments.max_atoms][:: arguments.every]
    reference = {name: _pores(s) for name, s in named} if {"table", "rebuilt"} & set(arguments.parts) else {}
    results: dict[str, Any] = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
    results |= {
        "frameworks": len(named),
        "interrupted": len(archive) - len(complete),
        "larger_left_out": sum(len(s) > arguments.max_atoms for _, s in complete),
    }
    if "table" in arguments.parts:
        results["table_error"] = compare_with_table(reference, table)
    if "rebuilt" in arguments.parts:
        results["rebuilt_held_out"] = rebuild([(name, s) for name, s in named if name not in TUNED], reference)
        results["rebuilt_tuned"] = rebuild([(name, s) for name, s in named if name in TUNED], reference)
    if "latent_space" in arguments.parts:
        results["through_the_map"] = reconstruct(named, arguments)
    if "campaign" in arguments.parts:
        results["campaign"] = check_campaign(arguments.run, arguments.archive)
    if "blends" in arguments.parts:
        for found in measure_blends(named, table, results.get("blends", {}), arguments):
            arguments.out.write_text(json.dumps(results | {"blends": found}, indent=1) + "\n")
        results = json.loads(arguments.out.read_text())
    print(json.dumps(results, indent=1))
    arguments.out.write_text(json.dumps(results, indent=1) + "\n")


def compare_with_table(reference: dict[str, Pores], table: Path) -> dict[str, Any]:
    """Compare the pores of the given frameworks with those of the database."""
    with table.open(newline="") as stream:
        rows = {row["framework"]: row for row in csv.DictReader(stream)}
    errors = {
        kind: {name: abs(getattr(p, kind) - float(rows[name][column])) for name, p in reference.items()}
        for kind, column in COLUMNS.items()
    }
    worst = sorted(errors["free"], key=lambda name: -errors["free"][name])[:3]
    return {**{kind: _spread(list(e.values())) for kind, e in errors.items()}, "largest_free": worst}


def rebuild(named: NamedStructures, reference: dict[str, Pores]) -> dict[str, Any]:
    """Rebuild frameworks from T sites alone and compare them with the given ones."""
    errors: dict[str, list[float]] = {kind: [] for kind in COLUMNS}
    residuals, seconds, orbits, n_passed, failures = [], [], [], 0, []
    for name, structure in named:
        T = crystal_of(remove_oxygens(structure))
        orbits.append(len(T.orbits))
        start = time.perf_counter()
        try:
            framework = framework_of(T)
        except InvdesignError as error:
            failures.append(f"{name}: {error}")
            continue
        seconds.append(time.perf_counter() - start)
        residuals.append(framework.residual)
        n_passed += framework_residual([T])[0].passed
        pores = measure_pores(framework.lattice, framework.species, framework.positions)
        for kind in COLUMNS:
            errors[kind].append(abs(getattr(pores, kind) - getattr(reference[name], kind)))
    return {
        "frameworks": len(named),
        "median_t_orbits": float(np.median(orbits)),
        "share_4_connected": round(len(residuals) / len(named), 4),
        "share_residual_passed": round(n_passed / len(named), 4),
        "lost": failures,
        "pore_error": {kind: _spread(values) for kind, values in errors.items()},
        "residual": _spread(residuals),
        "seconds_per_framework": _spread(seconds),
    }


def reconstruct(named: NamedStructures, arguments: argparse.Namespace) -> dict[str, Any]:
    """Encode and decode a random fifth of the frameworks with a latent space trained without their nets."""
    structures = dict(named)
    designs = {name: crystal_of(remove_oxygens(s)) for name, s in named}
    designs = {name: design for name, design in designs.items() if len(design.orbits) <= MAX_ORBITS}
    nets = {name: topology_of(design).key for name, design in designs.items()}
    names = sorted(designs)
    test = [names[i] for i in np.random.default_rng(0).permutation(len(names))[: len(names) // 5]]
    held_out = {nets[name] for name in test}
    complete = frameworks(
        arguments.archive, max_orbits=MAX_ORBITS, n_strained=N_STRAINED, n_random=N_RANDOM, cache=arguments.cache
    )
    training = corpus(
        tuple(design for design in complete.designs if topology_of(design).key not in held_out),
        name="four fifths of the frameworks",
    )
    start = time.process_time()
    recipe = replace(RECIPE, epochs=arguments.epochs)
    space = prepare(Crystals(), training, recipe, cache=arguments.cache)
    minutes = (time.process_time() - start) / 60
    # The domain of the campaign optimizes decoded geometries.
    domain = Crystals(frameworks=True)
    optimizing = replace(space, domain=domain, encoding=domain.restore(space.encoding.state()))
    results: dict[str, Any] = {"trained_on": len(training), "cpu_minutes": round(minutes, 1)}
    groups = [("held_out", test), ("trained", [name for name in designs if name not in test])]
    for label, names in groups[: 1 if arguments.only_held_out else 2]:
        chosen = [designs[name] for name in names]
        decoded = space.decode(space.encode(chosen))
        results[label] = {
            "frameworks": len(names),
            "can_be_written": sum(not reason for reason in space.encoding.errors(chosen)),
            "as_decoded": _compare(names, chosen, decoded, structures),
            "settled": _compare(names, chosen, optimizing.decode(space.encode(chosen)), structures),
        }
    # Of 24 designs decoded around the latent of each framework, the one whose own latent is nearest.
    chosen = [designs[name] for name in test]
    nearest = decode_nearest(optimizing, space.encode(chosen))
    results["held_out"]["nearest_of_24"] = _compare(test, chosen, nearest, structures)
    return results


def check_campaign(run: Path, archive: Path) -> dict[str, Any]:
    """Measure pores and run the validators on the candidates in the CIFs of a run."""
    texts = cif_reader.blocks((run / "candidates.cif").read_text())
    structures = [CifParser.from_str(text).parse_structures(primitive=False)[0] for text in texts]
    free_spheres = [_pores(s).free for s in structures]
    designs = [crystal_of(s) for s in structures]
    strict = partial(framework_residual, max=MAX_RESIDUAL, clearance=CLEARANCE)
    validators = (four_connected, strict, one_net, partial(new_net, path=archive))
    checks_of_designs = zip(*(validator(designs) for validator in validators), strict=True)
    valid = [all(check.passed for check in checks) for checks in checks_of_designs]
    hits = [i for i, v in enumerate(free_spheres) if valid[i] and abs(v - 5.0) <= 0.2]
    return {
        "candidates": len(structures),
        "valid": sum(valid),
        "topologies": len({topology_of(d).key for d, ok in zip(designs, valid, strict=True) if ok}),
        "within_0.2_of_5": len(hits),
        "free_sphere": [round(v, 3) for v in free_spheres],
        "best": min((round(free_spheres[i], 3) for i in hits), key=lambda v: abs(v - 5.0), default=None),
    }


def measure_blends(
    named: NamedStructures, table: Path, known: dict[str, Any], arguments: argparse.Namespace
) -> Iterator[dict[str, Any]]:
    """Follow paths between random pairs of known frameworks until the free sphere is that of the target.

    One end of a pair has a smaller free sphere than the target, the other a larger one. Pairs that are known already
    are not followed again; what is known is yielded after each.
    """
    with table.open(newline="") as stream:
        free = {row["framework"]: float(row[COLUMNS["free"]]) for row in csv.DictReader(stream)}
    sizes = {name: len(crystal_of(remove_oxygens(s)).orbits) for name, s in named}
    ends = [
        [name for name, n in sizes.items() if n <= MAX_ORBITS and low <= free[name] <= high]
        for low, high in (SMALLER, LARGER)
    ]
    draw = np.random.default_rng(0)
    drawn = [draw.choice(names, arguments.pairs, replace=False).tolist() for names in ends]
    for n_around in arguments.around:
        part = known.setdefault(f"{n_around} around each step", {"pairs": []})
        finished = {row["pair"] for row in part["pairs"]}
        for pair in zip(*drawn, strict=True):
            if "-".join(pair) not in finished:
                row = {"free_spheres": [free[name] for name in pair], **_blend(pair, n_around, arguments)}
                part["pairs"].append(row)
                print(n_around, json.dumps(row), flush=True)
                part |= _summarize(part["pairs"])
                yield known


def _blend(pair: tuple[str, str], n_around: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what `invdesign interpolate` finds between two frameworks of the archive."""
    start = os.times()
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(arguments.archive) as archive:
            files = [member for member in archive if Path(member.name).stem in pair]
            archive.extractall(folder, members=files, filter="data")
        places = {Path(member.name).stem: Path(folder, member.name) for member in files}
        out = Path(arguments.paths or folder, f"{'-'.join(pair)}-{n_around}")
        words = [*(str(places[name]) for name in pair), "zeolite_pore", f"corpus.path={arguments.archive}"]
        options = [
            "--until",
            f"{TARGET:g}",
            "--around",
            str(n_around),
            "--cache",
            str(arguments.cache),
            "--out",
            str(out),
        ]
        command = [sys.executable, "-m", "invdesign", "interpolate", *words, *BLEND_SETTINGS, *options, "--json"]
        found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    steps = found["steps"]
    inner = [step for step in steps[1:] if step["t"] < 1]
    value = next(heading for heading in steps[0] if heading.startswith("computed free_sphere"))
    met = None if found["met"] is None else steps[found["met"]]
    own = {f"the net of {name}" for name in pair}
    nets = {step["detail of new_net"] for step in inner if step["check four_connected"] == "passed"}
    return {
        "pair": "-".join(pair),
        "steps": len(inner),
        "four_connected": sum(step["check four_connected"] == "passed" for step in inner),
        "nets_of_neither_end": len(nets - own),
        "new_nets_that_pass_every_check": len({step["key"] for step in inner if step["all checks passed"] == "yes"}),
        "met": None if met is None else round(met[value], 3),
        "net_of_met": None if met is None else met["detail of new_net"],
        "met_passes_every_check": met is not None and met["all checks passed"] == "yes",
        "nearest_without": None if found["crossing"] is None else round(TARGET + found["crossing"]["difference"], 3),
        "cpu_seconds": round(os.times().children_user - start.children_user, 1),
    }


def _summarize(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return shares over pairs, and over all steps between the ends."""
    n_steps = sum(row["steps"] for row in rows)
    return {
        "n": len(rows),
        "four_connected": round(sum(row["four_connected"] for row in rows) / n_steps, 3),
        "paths_with_a_net_of_neither_end": sum(row["nets_of_neither_end"] > 0 for row in rows),
        "paths_with_a_new_net_that_passes_every_check": sum(row["new_nets_that_pass_every_check"] > 0 for row in rows),
        "met": sum(row["met"] is not None for row in rows),
        "met_by_a_new_net_that_passes_every_check": sum(row["met_passes_every_check"] for row in rows),
        "cpu_seconds": round(sum(row["cpu_seconds"] for row in rows)),
    }


def _compare(
    names: Sequence[str],
    designs: Sequence[Crystal],
    decoded: Sequence[Crystal | None],
    structures: dict[str, Structure],
) -> dict[str, Any]:
    """Compare frameworks before and after decoding: fractions of all, pore errors [angstrom] for equal nets."""
    pairs = [(name, a, b) for name, a, b in zip(names, designs, decoded, strict=True) if b is not None]
    nets = [(name, a, b) for name, a, b in pairs if four_connected([b])[0].passed]
    same = [(name, b) for name, a, b in nets if topology_of(a).key == topology_of(b).key]
    errors = []
    for name, design in same:
        framework = framework_of(design)
        pores = measure_pores(framework.lattice, framework.species, framework.positions)
        errors.append(abs(pores.free - _pores(structures[name]).free))
    return {
        "decoded": round(len(pairs) / len(names), 4),
        "same_space_group": round(sum(a.space_group == b.space_group for _, a, b in pairs) / len(names), 4),
        "four_connected": round(len(nets) / len(names), 4),
        "same_net": round(len(same) / len(names), 4),
        "free_sphere_error": _spread(errors) if errors else None,
    }


def _pores(structure: Structure) -> Pores:
    symbols = [site.specie.symbol for site in structure]
    return measure_pores(structure.lattice.matrix, symbols, structure.frac_coords)


def _spread(values: list[float]) -> dict[str, float]:
    return {f"p{q}": round(float(np.percentile(values, q)), 4) for q in (50, 75, 90, 100)}


if __name__ == "__main__":
    main()
