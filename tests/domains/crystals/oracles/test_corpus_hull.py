"""A hull of a corpus: computed once, continued after a stop, one method for designs and references."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from known_crystals import crystal

from invdesign.core import Corpus, InvdesignError
from invdesign.core.capabilities import prepare_oracle
from invdesign.domains.crystals.oracles import corpus_hull, mlip
from invdesign.domains.crystals.oracles.corpus_hull import energy_above_corpus_hull, hull_references

NAMES = ("NaCl", "MgO", "Si", "CsCl")


def corpus():
    return Corpus(tuple(map(crystal, NAMES)), name="four", sha256="4")


class Energies:
    """Energies [eV/atom] by formula; NaN for others. Calls are counted."""

    def __init__(self, **known):
        self.known, self.calls = known, []

    def __call__(self, designs):
        self.calls.append(len(designs))
        return np.array([self.known.get(design.formula, np.nan) for design in designs])


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(corpus_hull.platformdirs, "user_cache_path", lambda name: tmp_path / name)
    monkeypatch.setattr(corpus_hull, "_TABLES", {})
    return tmp_path / "invdesign" / "hulls"


@pytest.fixture
def shipped(monkeypatch, tmp_path):
    """Let the energies of the tests have phases that ship, as CHGNet's have."""
    path = tmp_path / "phases.csv"
    elements = "Na,-1.0\nCl,-2.0\nMg,-1.5\nO,-4.0\nCs,-1.0\nSi,-9.0\n"
    path.write_text(f"formula,energy_per_atom\n{elements}ClCs,-3.0\n")
    monkeypatch.setattr(mlip, "PHASES", path)
    monkeypatch.setattr(mlip, "has_shipped_energies", lambda energy: True)


def test_an_energy_above_the_hull_is_that_above_the_phases_of_the_corpus(shipped):
    energy = Energies(ClNa=-3.5, MgO=-6.0, Si=-9.5, ClCs=-3.25)
    above = energy_above_corpus_hull([crystal("NaCl"), crystal("Si")], corpus=corpus, energy=energy)
    assert above.tolist() == pytest.approx([0.0, 0.0])
    better = Energies(ClNa=-3.6, Si=-9.4)
    above = energy_above_corpus_hull(
        [crystal("NaCl"), crystal("Si")], corpus=corpus, energy=better, reference_energy=energy
    )
    assert above.tolist() == pytest.approx([-0.1, 0.1])


def test_the_lower_energy_of_a_corpus_and_of_the_phases_that_ship_counts(shipped):
    table = hull_references(corpus, energy=Energies(ClNa=-3.5, Si=-8.0, ClCs=-3.25)).read_text().split()
    assert {"Si,-9.000000", "ClCs,-3.250000", "ClNa,-3.500000", "Cl,-2.000000"} <= set(table)
    assert not any(row.startswith("MgO") for row in table)


def test_the_phases_that_ship_are_compounds_and_elements_of_one_method():
    rows = [row.split(",") for row in mlip.PHASES.read_text().split()[1:]]
    elements = {row.split(",")[0] for row in mlip.REFERENCES.read_text().split()[1:]}
    assert len(rows) == 7661 and len({formula for formula, _ in rows}) == len(rows)
    assert elements <= {formula for formula, _ in rows} and all(-20 < float(e) < 2 for _, e in rows)


def test_the_energies_are_computed_once_and_continued_after_a_stop(shipped, monkeypatch, cache):
    monkeypatch.setattr(corpus_hull, "CHUNK", 1)
    energy = Energies(ClNa=-3.5, MgO=-6.0, Si=-9.5, ClCs=-3.25)

    def stopped(designs):
        if len(energy.calls) == 2:
            raise KeyboardInterrupt
        return energy(designs)

    monkeypatch.setattr(corpus_hull, "_name", lambda corpus, energy: "same")
    with pytest.raises(KeyboardInterrupt):
        hull_references(corpus, energy=stopped)
    first = hull_references(corpus, energy=energy).read_text()
    assert energy.calls == [1, 1, 1, 1]
    assert hull_references(corpus, energy=energy).read_text() == first and len(energy.calls) == 4
    assert sorted(path.name for path in cache.iterdir()) == ["same.csv", "same.lock"]


def test_other_settings_of_an_energy_have_their_own_table_and_the_device_has_none(shipped):
    def energy(designs, *, scale=1.0, device="cpu"):
        return [-scale] * len(designs)

    tables = [
        hull_references(corpus, energy=partial(energy, **settings))
        for settings in ({"scale": 1.0}, {"scale": 2.0}, {"scale": 1.0, "device": "cuda"})
    ]
    assert tables[0] == tables[2] != tables[1]


def test_a_corpus_without_an_energy_is_an_error():
    with pytest.raises(InvdesignError, match="expected energies of the 4 crystals of four, got none"):
        hull_references(corpus, energy=Energies())


def test_a_cache_that_cannot_be_made_is_named(cache):
    cache.parent.write_text("a file where a folder is wanted")
    with pytest.raises(InvdesignError, match="cannot be made"):
        hull_references(corpus, energy=Energies(ClNa=-1.0))


def test_preparing_the_oracle_computes_the_hull(shipped, cache: Path):
    prepare_oracle(partial(energy_above_corpus_hull, corpus=corpus, energy=Energies(ClNa=-3.5)))
    assert len(list(cache.glob("*.csv"))) == 1


def test_the_corpus_is_loaded_once_in_a_process(shipped):
    loads = []

    def load():
        loads.append(1)
        return corpus()

    energy = Energies(ClNa=-3.5)
    for _ in range(3):
        energy_above_corpus_hull([crystal("NaCl")], corpus=load, energy=energy)
    assert len(loads) == 1
