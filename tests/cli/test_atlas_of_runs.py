"""The commands of the atlas for crystals and sequences, with a campaign and with a run."""

from __future__ import annotations

import csv
import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from invdesign.cli import main
from invdesign.domains.sequences.io.rrna import region_columns
from invdesign.latent.diagnosis import diagnose

LETTERS = np.array(list("ACGT"))
COLUMNS = np.array(region_columns("v4"))
DIAGNOSE = "invdesign.latent.prepare.diagnose", partial(diagnose, n_samples=20, n_evidence=5, n_draws=4)
N_GENERA = 60
PER_GENUS = 4
GENES = [
    "rrna16s",
    "corpus.path=genes.fasta",
    "corpus.is_pinned=false",
    "vae=linear",
    "n_seeds=12",
    "batch=6",
    "budget=18",
    "baseline=false",
    "search.oversample=5",
    "objectives.gc_content.name=gc",
]
IONIC = ["base=crystals", "corpus.n=120", "vae=linear"]
SALT = {"space_group": 225, "cell": [5.6, 5.6, 5.6, 90, 90, 90]} | {
    "orbits": [["Na", "a", [0, 0, 0], 4], ["Cl", "b", [0.5, 0.5, 0.5], 4]]
}


@pytest.fixture(scope="module")
def genes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with aligned genes of sixty genera, two reads of which one is a chimera, and a run of 18 genes."""
    folder = tmp_path_factory.mktemp("genes")
    draw = np.random.default_rng(0)
    ancestor = draw.integers(0, 4, len(COLUMNS))
    rows = []
    for _ in range(N_GENERA):
        founder = np.where(draw.random(len(COLUMNS)) < 0.3, draw.integers(0, 4, len(COLUMNS)), ancestor)
        rows += [np.where(draw.random(len(COLUMNS)) < 0.03, (founder + 1) % 4, founder) for _ in range(PER_GENUS)]
    titles = [f"s{i} Bacteria;P;C;O;F;G{i // PER_GENUS}" for i in range(len(rows))]
    chimera = np.concatenate([rows[0][:130], rows[60][130:]])
    write(folder / "genes.fasta", {title: aligned(row) for title, row in zip(titles, rows, strict=True)})
    write(folder / "aligned.fasta", {"mixed Bacteria;P;C;O;F;G0": aligned(chimera)})
    write(folder / "reads.fasta", {"mixed": "".join(LETTERS[chimera]), "pure": "".join(LETTERS[rows[5]])})
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        patch.setattr(*DIAGNOSE)
        assert main(["audit", "reads.fasta", *GENES, "--align", "--out", "first"]) == 0
        assert main(["run", *GENES, "--json"]) == 0
    return folder


def aligned(row: np.ndarray) -> str:
    """Return a gene in the columns of the whole alignment."""
    letters = np.full(3083, ".")
    letters[list(region_columns("all"))] = "A"
    letters[COLUMNS] = LETTERS[row]
    return "".join(letters)


def write(path: Path, records: dict[str, str]) -> None:
    path.write_text("".join(f">{title}\n{text}\n" for title, text in records.items()))


@pytest.fixture
def here(genes: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(genes)
    monkeypatch.setenv("XDG_CACHE_HOME", str(genes / "cache"))
    monkeypatch.setattr(*DIAGNOSE)
    monkeypatch.setattr("invdesign.runs.moves.N_RESPONSE", 20)
    monkeypatch.setattr("invdesign.runs.moves.N_TRIED", 10)
    return genes


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    capsys.readouterr()
    assert main([*words, "--json"]) == 0
    return dict(json.loads(capsys.readouterr().out))


def run_of(folder: Path) -> str:
    (found,) = (folder / "results" / "rrna16s").glob("2*")
    return str(found)


@pytest.mark.slow
@pytest.mark.parametrize(("file", "option"), [("reads.fasta", "--align"), ("aligned.fasta", "--as-corpus")])
def test_a_chimera_is_found_in_reads_and_in_the_columns_of_the_corpus(
    here: Path, capsys: pytest.CaptureFixture[str], file: str, option: str
) -> None:
    found = answer(capsys, "audit", file, *GENES, option, "--out", f"audit{option}")["findings"]
    assert found[0]["cause"] == "two parents" and found[0]["flagged"]
    assert found[0]["why"].startswith("chimera of G0 s0") and found[0]["parents"]["right"] == "G15 s60"
    assert abs(found[0]["parents"]["breakpoint"] - 130) <= 4
    assert [finding["flagged"] for finding in found[1:]] == [False] * (len(found) - 1)
    page = (here / f"audit{option}" / "audit.html").read_text("utf-8")
    assert "differences of the two parents" in page


@pytest.mark.slow
def test_a_run_is_audited_moved_and_explained(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = run_of(here)
    audited = answer(capsys, "audit", "--run", run, "--out", "audited")
    assert audited["designs"] == 18
    with (here / "audited" / "audit.csv").open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    gene = rows[0]["design"]
    moved = answer(capsys, "move", gene, "--run", run, "+gc_content", "--hops", "1", "--out", "moved")
    assert moved["directions"][0]["kind"] == "computed" and moved["steps"][0]["design"] == gene
    assert (here / "moved" / "moves.csv").is_file()
    explained = answer(capsys, "explain", gene, "gc", "--run", run, "--out", "explained")
    (shown,) = explained["designs"]
    assert explained["values"] == "predicted" and len(shown["places"]) == len(gene)
    assert "not measured" in (here / "explained" / "explanation.html").read_text("utf-8")


@pytest.mark.slow
def test_candidates_and_the_designs_of_a_map_have_the_p_value_of_the_audit(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (Path(run_of(here)) / "candidates.csv").open(encoding="utf-8-sig") as file:
        p_values = [float(row["anomaly_p"]) for row in csv.DictReader(file)]
    assert p_values and all(0 < p <= 1 for p in p_values)
    drawn = answer(capsys, "map", run_of(here), "--audit", "--method", "pca", "-n", "40", "--out", "map.html")
    assert drawn["designs"] > 40
    text = (here / "map.html").read_text("utf-8")
    values = json.loads(text.split('id="map-data">')[1].split("</script>")[0])["values"]["anomaly_p"]
    assert len(values) == drawn["designs"] and all(0 < p <= 1 for p in values)


@pytest.mark.slow
def test_suggestions_and_designs_of_a_path_have_the_p_value_of_the_audit(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begun = answer(capsys, "begin", *GENES, "name=lab")
    suggested = answer(capsys, "suggest", begun["run"])
    p_values = [design["anomaly_p"] for design in suggested["designs"]]
    assert p_values and all(0 < p <= 1 for p in p_values)
    again = answer(capsys, "suggest", begun["run"])
    assert [design["anomaly_p"] for design in again["designs"]] == p_values
    with Path(suggested["files"][0]).open(encoding="utf-8-sig") as file:
        assert [float(row["anomaly_p"]) for row in csv.DictReader(file)] == pytest.approx(p_values, rel=0.01)
    first, last = (design["design"] for design in suggested["designs"][:2])
    path = answer(capsys, "interpolate", first, last, *GENES, "--steps", "3", "--out", "between")
    shown = [step["anomaly_p"] for step in path["steps"] if step["design"]]
    assert shown and all(0 < p <= 1 for p in shown)


@pytest.mark.slow
def test_a_run_has_its_own_campaign(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["move", "ACGT", "demo", "--run", run_of(here), "+gc"]) == 2
    assert "--run uses the campaign of the run" in capsys.readouterr().err


@pytest.mark.slow
def test_a_crystal_is_explained_and_moved(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    salt = json.dumps(SALT)
    explained = answer(capsys, "explain", salt, "volume_per_atom", *IONIC, "--out", "salt")
    (shown,) = explained["designs"]
    changes = [change for place in shown["places"] for change in place["changes"]]
    best = max(changes, key=lambda change: change["effect"])
    assert shown["label"].startswith("NaCl") and explained["unit"] == "Å³/atom"
    assert best["effect"] > 0 and best["label"].split()[0] != "NaCl"
    page = (here / "salt" / "explanation.html").read_text("utf-8")
    assert best["label"].split()[0] in page and "space_group" not in page
    moved = answer(capsys, "move", salt, *IONIC, "+volume_per_atom=2", "--hops", "1", "--out", "moved salt")
    assert moved["directions"][0]["kind"] == "computed"
    assert moved["steps"][0]["volume_per_atom"] == pytest.approx(5.6**3 / 8, rel=1e-3)
