"""Corpora of crystals: given files, checksums, cache."""

import gzip
import hashlib

import numpy as np
import pytest

from invdesign import testing
from invdesign.config import compose, instantiate
from invdesign.core import InvdesignError
from invdesign.domains.crystals.io import corpus as corpora
from invdesign.domains.crystals.io.corpus import carbon_24, mp_20, perov_5, table
from invdesign.domains.crystals.io.writing import write
from invdesign.io.text_files import read_bytes

LOADERS = {"perov_5": perov_5, "carbon_24": carbon_24, "mp_20": mp_20}
FILES = {
    "perov_5": ["perov_5_train", "perov_5_test"],
    "carbon_24": ["carbon_24_train"],
    "mp_20": ["mp_20_train", "mp_20_pilot_train", "mp_20_test"],
}


def test_the_pinned_checksums_match_the_files(data):
    for name, files in FILES.items():
        pinned = {file.name: file.sha256 for file in corpora.DATASETS[name].files}
        assert list(pinned) == [f"{file}.csv.gz" for file in files]
        for file, sha256 in pinned.items():
            assert hashlib.sha256(read_bytes(data / file)).hexdigest() == sha256


@pytest.mark.parametrize("name", LOADERS)
def test_a_benchmark_is_read_from_given_files_with_its_properties(data, name):
    paths = [data / f"{file}.csv.gz" for file in FILES[name][:2]]
    corpus = LOADERS[name](paths, max_designs=5)
    assert len(corpus) == 5 and corpus.name == name
    assert all(len(values) == 5 and np.isfinite(values).all() for values in corpus.properties.values())
    assert len(corpus.properties) == {"perov_5": 4, "carbon_24": 1, "mp_20": 3}[name]


def test_the_first_perovskite_has_the_heat_of_its_row(data):
    corpus = perov_5(data / "perov_5_train.csv.gz", max_designs=1)
    assert corpus.designs[0].counts == {"Cu": 1, "Cd": 1, "N": 3}
    np.testing.assert_allclose(corpus.properties["heat_ref"], 2.709152583232041)


@pytest.mark.parametrize("name", LOADERS)
def test_without_a_file_the_error_names_file_and_source(tmp_path, name):
    with pytest.raises(InvdesignError, match=rf"{name}: no file is given. Fetch {FILES[name][0]}.* from https://"):
        LOADERS[name]()
    with pytest.raises(InvdesignError, match="no such file"):
        LOADERS[name](tmp_path / "no.csv")


def test_a_file_of_other_content_is_rejected_unless_it_is_not_pinned(tmp_path, crystals):
    path = tmp_path / "perov_5_train.csv"
    heats = {"heat_ref": [0.5, 1.5], "heat_all": [1, 2], "dir_gap": [0, 0], "ind_gap": [0, 0]}
    write(crystals[:2], path, columns=heats)
    with pytest.raises(InvdesignError, match="is_pinned"):
        perov_5(path)
    corpus = perov_5(path, is_pinned=False)
    assert corpus.designs == crystals[:2] and corpus.properties["heat_ref"].tolist() == [0.5, 1.5]


def test_several_files_give_one_corpus_without_repeats(tmp_path, crystals):
    write(crystals[:3], tmp_path / "a.csv", columns={"y": [1, 2, 3]})
    write(crystals[2:], tmp_path / "b.csv", columns={"y": [3.5, 4]})
    corpus = table([tmp_path / "a.csv", tmp_path / "b.csv"], properties={"y": "y"})
    assert corpus.designs == crystals and corpus.properties["y"].tolist() == [1, 2, 3.25, 4]
    (rejection,) = corpus.rejected
    assert rejection.row == 2 and rejection.text.startswith("b.csv: ")
    assert rejection.reason == "the same crystal as row 4 of a.csv"
    with pytest.raises(InvdesignError, match="at least one file"):
        table([])


def test_columns_of_labels_are_read_and_kept_in_the_cache(tmp_path, crystals):
    path = tmp_path / "mine.csv"
    write(crystals, path, columns={"laboratory": ["Basel", "Kyoto", "", "Basel"], "y": [1, 2, 3, 4]})
    for _ in range(2):
        corpus = table(path, labels=["laboratory"], properties={"y": "y"}, cache=tmp_path / "cache")
        assert corpus.labels == {"laboratory": ("Basel", "Kyoto", "", "Basel")}
    with pytest.raises(InvdesignError, match="plate"):
        table(path, labels=["plate"])


def test_a_damaged_cache_is_replaced_and_a_changed_file_is_read_again(tmp_path, crystals):
    path, cache = tmp_path / "mine.csv", tmp_path / "cache"
    write(crystals, path, columns={"y": [1.0, np.nan, 3.0, 4.0]})
    first = table(path, properties={"y": "y"}, cache=cache)
    (cached,) = cache.glob("*.json.gz")
    tampered = gzip.compress(gzip.decompress(cached.read_bytes()).replace(b"Zn", b"Cd"))
    for damage in (b"", b"not gzip", cached.read_bytes()[:40], tampered):
        cached.write_bytes(damage)
        again = table(path, properties={"y": "y"}, cache=cache)
        assert again.designs == first.designs and again.sha256 == first.sha256
        np.testing.assert_array_equal(again.properties["y"], [1, np.nan, 3, 4])
    write(crystals[:2], path, columns={"y": [1.0, 2.0]})
    assert len(table(path, properties={"y": "y"}, cache=cache)) == 2
    assert len(list(cache.glob("*.json.gz"))) == 2


def test_a_cache_follows_files_in_nested_folders_and_files_that_a_table_names(tmp_path, crystals):
    structure, named, cache = tmp_path / "runs" / "a" / "x.cif", tmp_path / "mine.csv", tmp_path / "cache"
    structure.parent.mkdir(parents=True)
    named.write_text("id,file\n1,runs/a/x.cif\n")
    for crystal in crystals[:2]:
        write([crystal], structure)
        for path in (tmp_path / "runs", named):
            assert [design.formula for design in table(path, cache=cache).designs] == [crystal.formula]
    (structure.parent / "notes.txt").write_text("x")
    assert len(table(tmp_path / "runs", cache=cache).rejected) == 1


def test_a_cached_corpus_is_not_parsed_again(tmp_path, crystals, monkeypatch):
    write(crystals, tmp_path / "mine.cif")
    first = table(tmp_path / "mine.cif", cache=tmp_path)
    monkeypatch.setattr(corpora.files, "read", None)
    assert table(tmp_path / "mine.cif", cache=tmp_path).designs == first.designs


@pytest.mark.parametrize("choice", ["perov_5", "carbon_24", "mp_20", "table"])
def test_every_choice_of_the_configuration_satisfies_the_contract_of_a_corpus(choice, tmp_path, crystals):
    path = tmp_path / "x.csv"
    columns = ("heat_ref", "heat_all", "dir_gap", "ind_gap", "energy_per_atom", "formation_energy_per_atom")
    write(crystals, path, columns={name: [0.0] * 4 for name in (*columns, "band_gap", "e_above_hull")})
    settings = [f"corpus.path={path}", "corpus.workers=1"]
    if choice != "table":
        settings.append("corpus.is_pinned=false")
    composed = compose.compose(None, ["base=crystals", f"corpus=crystals/{choice}", *settings])
    values = instantiate.refuse({"corpus": composed.values["corpus"]}, composed.where)
    testing.check_corpus(instantiate.instantiate(instantiate.part(values["corpus"], composed.where, ("corpus",))))
