"""Benchmark: audit of designs that are real, and of real ones that were changed.

Molecules: held-out molecules of ZINC250k with one random atom or bond changed, by the shipped model.
Nonsense: draws from the prior of the shipped model that have a radical, a ring of over 6 atoms, or a synthetic
accessibility above 4.5.
Crystals: held-out crystals of the built-in corpus `ionic` and of mp_20 with one element, or one site, changed.
Sequences: simulated chimeras of two 16S rRNA genes (V4), whose parents are in the reference, new sequences of known
genera, or of unknown genera; by the audit, by its part `two parents` alone, and by vsearch where it is installed.
`sequences_all` is the same for all 1,475 columns, with the linear model (`vae=linear`) in place of the VAE.

Measured are the AUROC against real designs that neither the model nor the calibration saw, and the share of these that
is flagged at a stated level.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from crystals import TOKEN_RECIPES
from rdkit import Chem, RDLogger

from invdesign.atlas import Auditor, Finding, find_parents, fit_auditor, simulate_chimeras
from invdesign.atlas.audit import (
    add_evidence,
    conformal_p_values,
    count_independent,
    p_values_among_others,
    split_as_trained,
)
from invdesign.atlas.audit_files import AUDIT_FILE, read_auditor, write_auditor
from invdesign.atlas.measures import TWO_PARENTS
from invdesign.core import Corpus
from invdesign.domains.crystals import Crystals
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.io.corpus import mp_20
from invdesign.domains.crystals.model.vae import crystal_vae
from invdesign.domains.crystals.prototypes.ionic import ionic
from invdesign.domains.crystals.symmetry.canonical import canonical
from invdesign.domains.molecules import Molecules
from invdesign.domains.molecules.corpus import zinc250k
from invdesign.domains.sequences import Sequences
from invdesign.domains.sequences.io.rrna import Region, rrna16s
from invdesign.io.corpora import make_corpus
from invdesign.latent.density import prior
from invdesign.latent.prepare import Pretrained, prepare
from invdesign.latent.semantics import auroc
from invdesign.vae.build import aligned_vae, linear_vae
from invdesign.vae.tokens import UNKNOWN
from invdesign.vae.training import Recipe

LEVELS = (0.01, 0.05)
N_DRAWN = 1500
MISSED = 0.5
ELEMENTS = (6, 7, 8, 9, 16, 17, 35)
N_CRYSTALS = 6000
IONIC_RECIPE = Recipe(build=crystal_vae, epochs=6, batch=128, beta=0.1, beta_warmup=0.1, held_out=600)
"""The preset `vae=crystals/default` with a tenth of its epochs."""
MP_20_RECIPE = TOKEN_RECIPES["mp_20"]
"""`vae=crystals/tokens` with the settings for mp_20, as in `crystals.py`."""
N_CHIMERAS = 400
RRNA_RECIPE = Recipe(
    build=partial(aligned_vae, d=64, n_filters=4, input_dropout=0.1),
    min_epochs=40,
    batch=64,
    held_out=2000,
    beta=0.3,
    beta_warmup=0.2,
    information_epochs=0,
)
"""The preset `vae=sequences/aligned_dna`."""
LINEAR_RECIPE = Recipe(build=linear_vae, held_out=2000, information_epochs=0)
"""The preset `vae=linear`, with as many designs held out as in the VAE's."""
BONDS = (Chem.BondType.SINGLE, Chem.BondType.DOUBLE, Chem.BondType.TRIPLE)


def main() -> None:
    """Run the chosen parts and write `audit.json`."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("parts", nargs="+", choices=tuple(PARTS))
    parser.add_argument("--data", type=Path, required=True, help="folder of the data files")
    parser.add_argument("--cache", type=Path, required=True, help="folder of models and corpora")
    parser.add_argument("-n", type=int, default=600, help="changed molecules")
    parser.add_argument("--stored", action="store_true", help="use the audit that the shipped model has")
    parser.add_argument(
        "--recalibrate", action="store_true", help="recalibrate the sum of its parts on the molecules left out"
    )
    arguments = parser.parse_args()
    RDLogger.DisableLog("rdApp.*")
    path = Path(__file__).with_suffix(".json")
    results: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    for name in arguments.parts:
        start = time.perf_counter()
        results[name] = PARTS[name](arguments)
        results[name] |= {"seconds": round(time.perf_counter() - start), "machine": platform.processor() or "x86_64"}
        path.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
        print(name, json.dumps(results[name], indent=1))


def measure_molecules(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of molecules with one atom or bond changed."""
    corpus = zinc250k(arguments.data / "molecules/zinc250k.smi.gz", cache=arguments.cache)
    latent_space = prepare(Molecules(), None, Pretrained("zinc250k"))
    _, held_out = split_as_trained(latent_space, corpus)
    drawn = np.random.default_rng(0).permutation(held_out)
    real, parents = drawn[: arguments.n], drawn[arguments.n : 2 * arguments.n]
    stored = Pretrained("zinc250k").path("molecules") / AUDIT_FILE
    if arguments.stored:
        auditor = read_auditor(stored, latent_space)
    else:
        auditor = fit_auditor(latent_space, corpus, left_out=[*real, *parents])
        write_auditor(auditor, stored)
    draw = random.Random(0)
    changed = [change_molecule(corpus.designs[i], draw) for i in parents]
    usual = auditor.audit([corpus.designs[i] for i in real])
    if arguments.recalibrate:
        auditor = recalibrate(auditor, usual)
        write_auditor(auditor, stored)
        usual = auditor.audit([corpus.designs[i] for i in real])
    return compare(auditor, usual, {"one atom or bond": auditor.audit(changed)})


def measure_nonsense(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the AUROC of nonsense among prior draws against held-out molecules, and against the sane draws."""
    corpus = zinc250k(arguments.data / "molecules/zinc250k.smi.gz", cache=arguments.cache)
    latent_space = prepare(Molecules(), None, Pretrained("zinc250k"), fit_density=prior)
    auditor = read_auditor(Pretrained("zinc250k").path("molecules") / AUDIT_FILE, latent_space)
    _, held_out = split_as_trained(latent_space, corpus)
    real = [corpus.designs[i] for i in np.random.default_rng(1).permutation(held_out)[:N_DRAWN]]
    torch.manual_seed(5)
    drawn = [design for design in latent_space.decode(latent_space.draw(N_DRAWN, "prior")) if design is not None]
    is_nonsense = Molecules().quality(drawn)["nonsense"] == 1
    scores = {
        "audit": [auditor.p_values(designs) for designs in (real, drawn)],
        "plausibility": [latent_space.plausibility(x, latent_space.encode(x)).numpy() for x in (real, drawn)],
    }
    measured = [auditor.measures.measure(designs).scores for designs in (real, drawn)]
    scores |= {part: [-values[part] for values in measured] for part in measured[0]}
    return {
        "drawn": len(drawn),
        "nonsense": int(is_nonsense.sum()),
        "real": len(real),
        **{
            name: {
                "AUROC against held-out molecules": auroc(of_drawn[is_nonsense], of_real),
                "AUROC against sane draws": auroc(of_drawn[is_nonsense], of_drawn[~is_nonsense]),
            }
            for name, (of_real, of_drawn) in scores.items()
        },
    }


def recalibrate(auditor: Auditor[Any, Any], real: Sequence[Finding[Any]]) -> Auditor[Any, Any]:
    """Return an auditor whose sum of parts is calibrated on real designs that its parts were not calibrated on."""
    p_values = {part: np.array([finding.p_values[part] for finding in real]) for part in real[0].p_values}
    is_written = np.array([not finding.problem for finding in real])
    return replace(auditor, evidence=np.sort(add_evidence(p_values, is_written)))


def change_molecule(smiles: str, draw: random.Random) -> str:
    """Return a molecule with one random atom of another element, or one random bond of another order."""
    while True:
        mol = Chem.RWMol(Chem.MolFromSmiles(smiles))
        Chem.Kekulize(mol, clearAromaticFlags=True)
        if draw.random() < 0.5:
            atom = mol.GetAtomWithIdx(draw.randrange(mol.GetNumAtoms()))
            atom.SetAtomicNum(draw.choice([z for z in ELEMENTS if z != atom.GetAtomicNum()]))
            atom.SetFormalCharge(0)
            atom.SetChiralTag(Chem.ChiralType.CHI_UNSPECIFIED)
            touched = [atom]
        else:
            bond = mol.GetBondWithIdx(draw.randrange(mol.GetNumBonds()))
            bond.SetBondType(draw.choice([order for order in BONDS if order != bond.GetBondType()]))
            touched = [bond.GetBeginAtom(), bond.GetEndAtom()]
        for atom in touched:
            atom.SetNoImplicit(False)
            atom.SetNumExplicitHs(0)
        found = Chem.MolFromSmiles(Chem.MolToSmiles(mol))
        if found is None:
            continue
        text = Chem.MolToSmiles(found)
        if "." not in text and text != smiles and Chem.MolFromSmiles(text) is not None:
            return Chem.MolToSmiles(Chem.MolFromSmiles(text))


def compare(
    auditor: Auditor[Any, Any], usual: Sequence[Finding[Any]], changed: dict[str, list[Finding[Any]]]
) -> dict[str, Any]:
    """Return the AUROC of each kind of change, by part of the score, and the flagged shares."""
    figures: dict[str, Any] = {
        "real": len(usual),
        "calibration": len(auditor.calibration["likelihood"]),
        "independent parts": round(auditor.n_independent, 2),
        "flagged real": {str(level): flagged(usual, level) for level in LEVELS},
    }
    for kind, odd in changed.items():
        missed = [auditor.measures.latent_space.domain.to_text(f.design) for f in odd if f.p_value > MISSED]
        parts = list(usual[0].p_values)
        figures[kind] = {
            "n": len(odd),
            "cannot be written": sum(bool(finding.problem) for finding in odd),
            "auroc": separation(usual, odd, lambda f: f.p_value),
            "auroc by part": {part: separation(usual, odd, lambda f, part=part: f.p_values[part]) for part in parts},
            "flagged": {str(level): flagged(odd, level) for level in LEVELS},
            "p-value above one half": len(missed),
            "examples of these": [f"{text[:60]}..." if len(text) > 300 else text for text in missed[:3]],
        }
    return figures


def separation(usual: Sequence[Finding[Any]], odd: Sequence[Finding[Any]], value: Callable[[Any], float]) -> float:
    """Return the AUROC of a small value."""
    return round(auroc([-value(f) for f in usual], [-value(f) for f in odd]), 3)


def flagged(findings: Sequence[Finding[Any]], level: float) -> float:
    """Return the share of designs up to a level."""
    return round(float(np.mean([finding.p_value <= level for finding in findings])), 4)


def measure_ionic(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of crystals of the built-in corpus."""
    return measure_crystals(ionic(n=N_CRYSTALS), IONIC_RECIPE, arguments)


def measure_mp_20(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of crystals of the Materials Project."""
    files = [arguments.data / f"crystals/mp_20_{name}.csv.gz" for name in ("train", "pilot_train")]
    return measure_crystals(mp_20(files, workers=2, cache=arguments.cache), MP_20_RECIPE, arguments)


def measure_crystals(corpus: Corpus[Crystal], recipe: Recipe, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of held-out crystals of a corpus with one element or one site changed."""
    start = time.process_time()
    latent_space = prepare(Crystals(), corpus, recipe, cache=arguments.cache)
    training = time.process_time() - start  # 0 where the model is cached
    _, held_out = split_as_trained(latent_space, corpus)
    drawn = np.random.default_rng(0).permutation(held_out)
    third = len(drawn) // 3
    real, parents = drawn[:third], drawn[third : 2 * third]
    auditor = fit_auditor(latent_space, corpus, left_out=[*real, *parents])
    draw = random.Random(0)
    elements = sorted({element for design in corpus.designs for element in design.counts})
    originals = [corpus.designs[i] for i in parents]
    changed = {
        "one element": [change_crystal(design, elements, draw, is_single=False) for design in originals],
        "one site": [
            change_crystal(d, elements, draw, is_single=True) for d in originals if len(d.orbits) > len(d.counts)
        ],
        "two elements exchanged": [exchange_elements(d, draw) for d in originals if len(d.counts) > 1],
        "volume + 20 %": [scale_volume(d, 1.2) for d in originals],
        "volume - 20 %": [scale_volume(d, 0.8) for d in originals],
    }
    usual = auditor.audit([corpus.designs[i] for i in real])
    figures = compare(auditor, usual, {kind: auditor.audit(designs) for kind, designs in changed.items()})
    return figures | {"designs": len(corpus), "CPU seconds of training": round(training)}


def change_crystal(design: Crystal, elements: Sequence[str], draw: random.Random, *, is_single: bool) -> Crystal:
    """Return a crystal with another element on all sites of one element, or on a single site, in the same cell."""
    chosen = draw.choice(design.orbits)
    element = draw.choice([name for name in elements if name not in design.counts])
    orbits = [
        replace(orbit, element=element)
        if orbit is chosen or (not is_single and orbit.element == chosen.element)
        else orbit
        for orbit in design.orbits
    ]
    return canonical(replace(design, orbits=tuple(orbits)))


def exchange_elements(design: Crystal, draw: random.Random) -> Crystal:
    """Return a crystal in which two elements have changed places, in the same cell."""
    first, second = draw.sample(sorted(design.counts), 2)
    other = {first: second, second: first}
    orbits = [replace(orbit, element=other.get(orbit.element, orbit.element)) for orbit in design.orbits]
    return canonical(replace(design, orbits=tuple(orbits)))


def scale_volume(design: Crystal, factor: float) -> Crystal:
    """Return a crystal with another volume and the same coordinates."""
    a, b, c, *angles = design.cell
    lengths = (a * factor ** (1 / 3), b * factor ** (1 / 3), c * factor ** (1 / 3))
    return canonical(replace(design, cell=(*lengths, *angles)))


def measure_v4(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of chimeras of the region V4 of 16S rRNA genes."""
    return measure_sequences("v4", RRNA_RECIPE, arguments)


def measure_whole_genes(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of chimeras of whole 16S rRNA genes, with the linear model."""
    return measure_sequences("all", LINEAR_RECIPE, arguments)


def measure_sequences(region: Region, recipe: Recipe, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of chimeras of 16S rRNA genes."""
    whole = rrna16s(arguments.data / "sequences/rrna16s_aligned.fasta.gz", region=region)
    groups = split_genera(whole)
    corpus = part_of(whole, groups["reference"])
    domain = Sequences("dna", length="fixed", gaps=True)
    start = time.perf_counter()
    latent_space = prepare(domain, corpus, recipe, cache=arguments.cache)
    trained = time.perf_counter()
    auditor = fit_auditor(latent_space, corpus)
    fitted = time.perf_counter()
    rows = np.asarray(latent_space.encoding.encode(whole.designs))
    chimeras, origins = {}, {}
    for number, (kind, members) in enumerate(groups.items()):
        families = [whole.families[i] for i in members]
        found, origins[kind] = simulate_chimeras(rows[members], N_CHIMERAS, families=families, seed=number)
        chimeras[kind] = [text_of(row, domain) for row in found]
    real = {kind: [whole.designs[i] for i in groups[kind]] for kind in ("known genera", "unknown genera")}
    found = {kind: auditor.audit(designs) for kind, designs in chimeras.items()}
    usual_of_unknown = auditor.audit(real["unknown genera"])
    figures = compare(auditor, usual_of_unknown, found)
    usual = auditor.audit(real["known genera"])
    figures["flagged real, known genera"] = {str(level): flagged(usual, level) for level in LEVELS}
    for kind, findings in found.items():
        errors = [breakpoint_error(f, k) for f, (_, _, k) in zip(findings, origins[kind], strict=True)]
        figures[kind]["breakpoint within 25 nt"] = round(float(np.mean([error <= 25 for error in errors])), 3)
    figures["reference"] |= named_parents(found["reference"], origins["reference"], corpus.names)
    figures["flagged real, 300 random splits of genera, two parents alone"] = flagged_over_splits(rows, whole.families)
    unknown = [whole.families[i] for i in groups["unknown genera"]]
    figures["300 random halves of the unknown genera"] = rank_over_halves(auditor, usual_of_unknown, unknown, found)
    figures["seconds by step"] = {"training": round(trained - start), "calibration": round(fitted - trained)}
    figures["vsearch"] = vsearch(corpus.designs, real["unknown genera"], chimeras)
    return figures


def flagged_over_splits(rows: np.ndarray, families: Sequence[str], n: int = 700) -> dict[str, dict[str, float]]:
    """Return the flagged share of real genes of a fifth of the genera, calibrated on those of the others.

    Mean and the 5 and 95 % quantiles over random choices of this fifth; each gene is explained by other genera.
    """
    genera = np.array(families)
    drawn = np.random.default_rng(2).permutation(len(rows))[:n]
    excluded = [np.flatnonzero(genera == genera[i]) for i in drawn]
    scores = np.array([p.score for p in find_parents(rows[drawn], rows, missing=UNKNOWN, excluded=excluded)])
    shares: dict[float, list[float]] = {level: [] for level in LEVELS}
    names = np.unique(genera[drawn])
    for seed in range(300):
        tested = np.isin(genera[drawn], np.random.default_rng(seed).permutation(names)[: len(names) // 5])
        p_values = conformal_p_values(np.sort(scores[~tested]), scores[tested])
        for level in LEVELS:
            shares[level].append(float((p_values <= level).mean()))
    return {
        str(level): {
            "mean": round(float(np.mean(found)), 4),
            **{f"{q} %": round(float(np.percentile(found, q)), 4) for q in (5, 95)},
        }
        for level, found in shares.items()
    }


def rank_over_halves(
    auditor: Auditor[Any, Any],
    usual: Sequence[Finding[str]],
    families: Sequence[str],
    changed: dict[str, list[Finding[str]]],
) -> dict[str, dict[str, float]]:
    """Return the flagged shares at 1 % where one half of the unknown genera calibrates all parts and their combination.

    Mean and the 5 and 95 % quantiles over random halves, with the smaller p-value of the two tests ranked among real
    ones, and corrected for their number instead.
    """
    genera, names = np.array(families), np.unique(families)
    kinds = {"real genes of the other half": usual, **changed}
    scores = {
        kind: {part: np.array([f.scores[part] for f in fs]) for part in usual[0].scores} for kind, fs in kinds.items()
    }
    shares: dict[str, list[float]] = {}
    for seed in range(300):
        tested = np.isin(genera, np.random.default_rng(seed).permutation(names)[: len(names) // 2])
        real = {part: values[~tested] for part, values in scores["real genes of the other half"].items()}
        p_values = {part: p_values_among_others(values) for part, values in real.items()}
        evidence = add_evidence(p_values, np.isfinite(real["likelihood"]))
        both = [p_values_among_others(evidence), p_values[TWO_PARENTS]]
        ranked = replace(
            auditor,
            evidence=np.sort(evidence),
            n_independent=count_independent(both),
            smallest=np.sort(np.min(both, axis=0)),
        )
        for kind, values in scores.items():
            chosen = tested if kind.startswith("real") else np.full(len(values["likelihood"]), True)
            new = {part: conformal_p_values(np.sort(real[part]), v[chosen]) for part, v in values.items()}
            for how, used in {"ranked": ranked, "corrected": replace(ranked, smallest=np.zeros(0))}.items():
                p = used.combine(new, np.isfinite(values["likelihood"][chosen]))
                shares.setdefault(f"{kind}, {how}", []).append(float((p <= LEVELS[0]).mean()))
    return {
        key: {
            "mean": round(float(np.mean(found)), 4),
            **{f"{q} %": round(float(np.percentile(found, q)), 4) for q in (5, 95)},
        }
        for key, found in shares.items()
    }


def split_genera(corpus: Corpus[str]) -> dict[str, list[int]]:
    """Return rows of the reference, of new sequences of known genera, and of unknown genera (a fifth of all each)."""
    draw = np.random.default_rng(0)
    genera = draw.permutation(sorted(set(corpus.families)))
    unknown = set(genera[: len(genera) // 5])
    known = draw.permutation([i for i, genus in enumerate(corpus.families) if genus not in unknown])
    reference = sorted(known[len(known) // 5 :].tolist())
    present = {corpus.families[i] for i in reference}
    new = sorted(i for i in known[: len(known) // 5].tolist() if corpus.families[i] in present)
    others = [i for i, genus in enumerate(corpus.families) if genus in unknown]
    return {"reference": reference, "known genera": new, "unknown genera": others}


def part_of(corpus: Corpus[str], rows: Sequence[int]) -> Corpus[str]:
    """Return a part of a corpus."""
    return make_corpus(
        tuple(corpus.designs[i] for i in rows),
        names=tuple(corpus.names[i] for i in rows),
        families=tuple(corpus.families[i] for i in rows),
        name=corpus.name,
    )


def text_of(row: np.ndarray, domain: Sequences) -> str:
    """Return the text of a row of letter numbers."""
    return "".join(domain.letters[token - UNKNOWN - 1] for token in row)


def breakpoint_error(finding: Finding[str], column: int) -> int:
    """Return the letters between the true breakpoint and the one found."""
    assert finding.parents is not None
    low, high = sorted((finding.parents.breakpoint, column))
    return sum(letter != "-" for letter in finding.design[low:high])


def named_parents(
    findings: Sequence[Finding[str]], origins: Sequence[tuple[int, int, int]], names: Sequence[str]
) -> dict[str, float]:
    """Return the share of chimeras whose two parents are named, and of those where both genera are."""
    exact, genera = [], []
    for finding, (i, j, _) in zip(findings, origins, strict=True):
        assert finding.parent_names is not None
        left, right, _ = finding.parent_names
        exact.append((left, right) == (names[i], names[j]))
        genera.append([left.split()[0], right.split()[0]] == [names[i].split()[0], names[j].split()[0]])
    return {"both parents named": round(float(np.mean(exact)), 3), "both genera": round(float(np.mean(genera)), 3)}


def vsearch(
    reference: Sequence[str], real: Sequence[str], chimeras: dict[str, Sequence[str]]
) -> dict[str, float] | str:
    """Return the AUROC of uchime_ref by kind of chimera, or why it was not measured."""
    program = shutil.which("vsearch")
    if program is None:
        return "not installed on this machine"
    with tempfile.TemporaryDirectory() as folder:
        database = write_fasta(Path(folder, "reference.fasta"), reference)

        def scores(name: str, designs: Sequence[str]) -> list[float]:
            query, table = write_fasta(Path(folder, f"{name}.fasta"), designs), Path(folder, f"{name}.txt")
            command = [
                program,
                "--uchime_ref",
                query,
                "--db",
                database,
                "--uchimeout",
                table,
                "--minh",
                "1e-6",
                "--quiet",
            ]
            subprocess.run(list(map(str, command)), check=True)
            return [float(line.split("\t", 1)[0]) for line in table.read_text().splitlines()]

        usual = scores("real", real)
        return {
            kind: round(auroc(usual, scores(kind.replace(" ", "_"), designs)), 3) for kind, designs in chimeras.items()
        }


def write_fasta(path: Path, designs: Sequence[str]) -> Path:
    """Write sequences without gaps, named by their numbers."""
    path.write_text("".join(f">{i}\n{design.replace('-', '')}\n" for i, design in enumerate(designs)))
    return path


PARTS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "molecules": measure_molecules,
    "nonsense": measure_nonsense,
    "crystals": measure_ionic,
    "mp_20": measure_mp_20,
    "sequences": measure_v4,
    "sequences_all": measure_whole_genes,
}

if __name__ == "__main__":
    main()
