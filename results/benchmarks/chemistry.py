"""Benchmark: shares of shortlisted molecules that pass alert sets which the screens do not use, beside random ZINC ones."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rdkit import Chem
from rdkit.Chem.FilterCatalog import FilterCatalog, FilterCatalogParams

from invdesign import CampaignRun, Resources
from invdesign.config import compose, instantiate
from invdesign.domains.molecules.corpus import zinc250k

TASKS = ("osimertinib_mpo", "perindopril_mpo", "zaleplon_mpo", "ranolazine_mpo", "fexofenadine_mpo")
CATALOGS = (
    "CHEMBL_BMS",
    "CHEMBL_Dundee",
    "CHEMBL_Glaxo",
    "CHEMBL_Inpharmatica",
    "CHEMBL_LINT",
    "CHEMBL_MLSMR",
    "CHEMBL_SureChEMBL",
    "NIH",
)
N_SHORTLIST = 20


def main() -> None:
    """Run the campaigns, and write the shares next to this file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, required=True, help="zinc250k.smi.gz")
    parser.add_argument("--cache", type=Path, default=Path(".cache"))
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    arguments = parser.parse_args()
    zinc = zinc250k(arguments.corpus, cache=arguments.cache).designs
    draw = np.random.default_rng(arguments.seed)
    groups = {"random ZINC": [zinc[i] for i in draw.choice(len(zinc), 1_000, replace=False)]}
    for task in TASKS:
        groups[task] = shortlist(task, arguments)
        print(task, len(groups[task]), flush=True)
    groups["all shortlists"] = [smiles for task in TASKS for smiles in groups[task]]
    table = {name: {"n": len(found), **shares(found)} for name, found in groups.items()}
    arguments.out.write_text(json.dumps({"table": table, "molecules": {t: groups[t] for t in TASKS}}, indent=1) + "\n")
    for name, row in table.items():
        print(name, row, flush=True)


def shortlist(task: str, arguments: argparse.Namespace) -> list[str]:
    """Return the best molecules of a campaign of the preset with the shipped VAE."""
    words = ["vae=molecules/zinc250k", "oracle=molecules/guacamol", f"oracle.guacamol.task={task}"]
    words += [f"budget={arguments.calls}", "batch=25", "baseline=false", f"seed={arguments.seed}"]
    composed = compose.compose(None, words)
    parts = instantiate.build(composed.values, lambda keys: ".".join(keys), name=task, allowed=(), folders=[])
    with tempfile.TemporaryDirectory() as folder:
        resources = Resources(cache=arguments.cache, executor=parts.executor)
        with CampaignRun.open(Path(folder) / "run", parts.campaign, resources=resources) as run:
            run.run()
            return [candidate.design for candidate in run.shortlist()][:N_SHORTLIST]


def shares(smiles: Sequence[str]) -> dict[str, float]:
    """Return the share of molecules without an alert, by alert set, and without any."""
    molecules = [Chem.MolFromSmiles(text) for text in smiles]
    passed = {name: np.array([not catalog(name).HasMatch(mol) for mol in molecules]) for name in CATALOGS}
    found = {name: round(float(flags.mean()), 3) for name, flags in passed.items()}
    return {**found, "every set": round(float(np.all(list(passed.values()), axis=0).mean()), 3)}


def catalog(name: str) -> Any:
    """Return an alert set of RDKit."""
    parameters = FilterCatalogParams()
    parameters.AddCatalog(getattr(FilterCatalogParams.FilterCatalogs, name))
    return FilterCatalog(parameters)


if __name__ == "__main__":
    main()
