"""The built-in corpus, ZINC250k, files of the user, and their cache."""

import gzip
import hashlib
import random

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import QED, Crippen, Descriptors

from invdesign.core import InvdesignError
from invdesign.domains.molecules.corpus import DATASETS, fragments, table, zinc250k
from invdesign.domains.molecules.grammar import molecule
from invdesign.domains.molecules.motifs import find_motifs
from invdesign.domains.molecules.smiles import canonical
from invdesign.io.text_files import read_bytes


def test_the_built_in_corpus_is_the_same_every_time(built_in):
    again = fragments(n=600, seed=3)
    assert again.designs == built_in.designs
    assert again.sha256 == built_in.sha256
    assert fragments(n=100, seed=3).designs == built_in.designs[:100]
    assert fragments(n=100, seed=4).designs != built_in.designs[:100]


def test_the_built_in_corpus_is_distinct_canonical_and_drug_like(built_in):
    assert len(set(built_in.designs)) == 600
    assert all(canonical(design) == design for design in built_in.designs)
    mols = [Chem.MolFromSmiles(design) for design in built_in.designs]
    weights = [Descriptors.MolWt(mol) for mol in mols]
    assert min(weights) >= 150 and max(weights) <= 500
    assert 0.6 < np.median([QED.qed(mol) for mol in mols[:200]]) < 0.8
    assert np.std([Crippen.MolLogP(mol) for mol in mols]) > 1


def test_the_built_in_corpus_has_no_unstable_motif(built_in):
    assert not [name for design in built_in.designs for name in find_motifs(Chem.MolFromSmiles(design))]


def test_every_draw_of_the_grammar_is_a_valid_molecule():
    rng = random.Random(5)
    texts = [molecule(rng) for _ in range(1000)]
    assert [text for text in texts if canonical(text) is None] == []


@pytest.mark.slow
def test_the_built_in_corpus_has_at_least_twenty_thousand_molecules():
    assert len(set(fragments().designs)) == 20_000


def test_impossible_settings_of_the_built_in_corpus_are_rejected():
    with pytest.raises(InvdesignError, match="at least 1"):
        fragments(n=0)
    with pytest.raises(InvdesignError, match="weight_range"):
        fragments(n=10, weight_range=(2000.0, 2001.0))


def test_zinc250k_is_read_from_a_given_file_and_then_from_the_cache(zinc_file, tmp_path):
    corpus = zinc250k(zinc_file, max_designs=300, cache=tmp_path)
    assert len(corpus) == 300 and corpus.name == "zinc250k"
    assert corpus.designs[1] == "C[C@@H]1CC(Nc2cncc(-c3nncn3C)c2)C[C@@H](C)C1"
    cached = list(tmp_path.glob("*.json.gz"))
    assert len(cached) == 1
    again = zinc250k(zinc_file, max_designs=300, cache=tmp_path)
    assert again.designs == corpus.designs and again.sha256 == corpus.sha256
    assert zinc250k(zinc_file, max_designs=200, cache=tmp_path).sha256 != corpus.sha256


def test_the_pinned_checksum_is_that_of_the_file(zinc_file):
    (file,) = DATASETS["zinc250k"].files
    assert hashlib.sha256(read_bytes(zinc_file)).hexdigest() == file.sha256


def test_a_damaged_cache_is_made_again(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("smiles,y\nOCC,1\nC(,2\nCCN,\n")
    first = table(path, properties={"y": "y"}, cache=tmp_path / "cache")
    (cached,) = (tmp_path / "cache").glob("*.json.gz")
    tampered = gzip.compress(gzip.decompress(cached.read_bytes()).replace(b"CCN", b"CCP"))
    for damage in (b"", b"not gzip", cached.read_bytes()[:40], tampered):
        cached.write_bytes(damage)
        again = table(path, properties={"y": "y"}, cache=tmp_path / "cache")
        assert again.designs == first.designs == ("CCO", "CCN")
        assert again.rejected == first.rejected and len(first.rejected) == 1
        np.testing.assert_array_equal(again.properties["y"], [1, np.nan])


def test_the_checksum_of_a_corpus_follows_its_content(tmp_path):
    (tmp_path / "a.csv").write_text("smiles,y\nCCO,1\n")
    (tmp_path / "b.csv").write_text("smiles,y\nOCC,1\nbad,1\n")
    (tmp_path / "c.csv").write_text("smiles,y\nCCO,2\n")
    a, b, c = (table(tmp_path / f"{name}.csv", properties={"y": "y"}) for name in "abc")
    assert a.sha256 == b.sha256 != c.sha256
    assert table(tmp_path / "a.csv").sha256 != a.sha256
