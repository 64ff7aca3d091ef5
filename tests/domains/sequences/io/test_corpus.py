"""Corpora of sequences: given files, random libraries, rule-based peptides, weights by clusters."""

from functools import partial

import numpy as np
import pytest

from invdesign.core import InvdesignError
from invdesign.domains.sequences import WildType
from invdesign.domains.sequences.io import corpus
from invdesign.domains.sequences.naturalness.weights import by_clusters, effective_number
from invdesign.domains.sequences.oracles.physics import charge, hydrophobic_moment
from invdesign.domains.sequences.wild_type.wild_type import distance
from invdesign.testing import check_corpus


@pytest.mark.slow
@pytest.mark.parametrize(
    ("load", "name", "n", "design", "value"),
    [
        (corpus.gfp, "gfp_full.csv.gz", 51_715, corpus.AVGFP.sequence, 3.7192121319),
        (corpus.aav, "aav.csv.gz", 42_340, "ADEEIRATNPIATEMYGSVSTNLQLGNR", 7.97274079602),
        (corpus.gb1, "gb1_4site.csv.gz", 149_361, "VDGV", 1.0),
        (corpus.six6, "SIX6_REF_R1_8mers.txt.gz", 65_536, "GTTTTTTT", -0.12351),
    ],
)
def test_a_measured_dataset_is_read_from_a_given_file(data_file, load, name, n, design, value):
    path = data_file(name)
    found = load(path, max_designs=None if name.startswith("SIX6") else 20_000)
    assert len(found) == min(n, 20_000) or len(found) == n
    (values,) = found.properties.values()
    if design in found.designs:
        assert values[found.designs.index(design)] == value
    assert np.isfinite(values).all()


def test_a_file_of_other_content_is_rejected_unless_it_is_not_pinned(tmp_path):
    path = tmp_path / "gfp.csv"
    path.write_text("sequence,score\nMKV,1\n")
    with pytest.raises(InvdesignError, match=r"expected the sha256 d315b.*is_pinned=false"):
        corpus.gfp(path)
    assert corpus.gfp(path, is_pinned=False).properties["log_brightness"].tolist() == [1]
    with pytest.raises(InvdesignError, match=r"no file is given\. .*10\.7554"):
        corpus.gb1()
    with pytest.raises(InvdesignError, match="row 2: expected two strands"):
        bad = tmp_path / "six6.txt"
        bad.write_text("8-mer\t8-mer\tE-score\nAAAAAAAA\tTTTTTTTT\n")
        corpus.six6(bad, is_pinned=False)


def test_wild_types_number_residues_as_in_the_literature():
    assert corpus.AVGFP.sequence[corpus.AVGFP.position(65) :][:3] == "SYG"  # The chromophore.
    assert [corpus.AAV2.sequence[corpus.AAV2.position(n)] for n in (585, 588)] == ["R", "R"]  # These bind heparin.
    assert corpus.GB1.mutations("FWAA") == ("V39F", "D40W", "G41A", "V54A")


def test_peptides_are_diverse_and_reproducible():
    found = corpus.peptides(n=6000)
    assert found.designs[:50] == corpus.peptides(n=50).designs
    assert found.designs[:50] != corpus.peptides(n=50, seed=1).designs
    sizes = [len(design) for design in found.designs]
    assert min(sizes) >= 5 and max(sizes) <= 50 and len(set(sizes)) > 40
    check_corpus(partial(corpus.peptides, n=30))
    with pytest.raises(InvdesignError, match="at least 1"):
        corpus.peptides(n=0)


def test_peptides_are_cationic_and_amphipathic():
    found = corpus.peptides(n=300).designs
    shuffled = ["".join(np.random.default_rng(0).permutation(list(design))) for design in found]
    assert np.mean(charge(found) > 0) > 0.9
    assert hydrophobic_moment(found).mean() > 1.3 * hydrophobic_moment(shuffled).mean()


def test_a_library_stays_within_its_limits():
    wild_type = WildType("MKTAYIAK", first=5)
    found = corpus.library(wild_type=wild_type, n=60, mutations=(1, 3), fixed=[5], forbidden="C")
    assert found.designs[0] == wild_type.sequence and len(set(found.designs)) == 60
    n_mutations = {distance(design, wild_type.sequence) for design in found.designs[1:]}
    assert n_mutations == {1, 2, 3}
    assert all(design[0] == "M" and "C" not in design for design in found.designs)
    few = corpus.library(wild_type=wild_type, n=6, mutations=None, designable={6: "AG", 8: "D"})
    assert {(design[1], design[3]) for design in few.designs} == {(a, b) for a in "KAG" for b in "AD"}


def test_an_impossible_library_is_an_error():
    wild_type = WildType("MK")
    for settings, message in (
        ({"n": 40, "mutations": (1, 1)}, "n of at most 39"),
        ({"mutations": (0, 3), "n": 401}, "n of at most 400"),
        ({"mutations": (3, 4)}, "within 0 to 2"),
        ({"n": 0}, "at least 1"),
    ):
        with pytest.raises(InvdesignError, match=message):
            corpus.library(wild_type=wild_type, **settings)


def test_the_weight_of_a_design_is_one_over_the_number_of_its_neighbours():
    # One difference in ten letters is less than a fifth.
    family = ["AAAAAAAAAA", "AAAAAAAAAC", "AAAAAAAACC", "CCCCCCCCCC"]
    assert by_clusters(family, theta=0.2).tolist() == [1 / 2, 1 / 3, 1 / 2, 1]
    assert effective_number(by_clusters(family, theta=0.25)) == pytest.approx(2)
    with pytest.raises(InvdesignError, match="between 0 and 1"):
        by_clusters(family, theta=1.0)
    assert len(by_clusters([])) == 0


@pytest.mark.parametrize("n_mutations", [2, 30], ids=["variants", "unrelated"])
def test_weights_count_every_pair_with_both_methods(n_mutations):
    rng = np.random.default_rng(0)
    letters = np.array(list("ACDE"))
    family = np.zeros((300, 30), dtype=int)
    for row in family:
        row[rng.permutation(30)[:n_mutations]] = rng.integers(0, 4, n_mutations)
    apart = (family[:, None] != family[None]).sum(2)
    designs = ["".join(letters[row]) for row in family]
    for theta in (0.05, 0.1, 0.6):
        assert np.allclose(by_clusters(designs, theta=theta), 1 / (apart < theta * 30).sum(1))


def test_designs_of_different_length_are_compared_by_edit_distance():
    designs = ["AAAAAAAAAA", "AAAAAAAAA", "CAAAAAAAAA", "DD", "DDD"]
    # One deletion in ten letters; from the second to the third one insertion; DD and DDD differ in a third.
    assert by_clusters(designs, theta=0.2).tolist() == [1 / 3, 1 / 3, 1 / 3, 1, 1]


def test_a_table_has_weights_by_clusters_and_caches_them(tmp_path):
    path = tmp_path / "family.fasta"
    path.write_text(">a\nAAAAAAAAAA\n>b\nAAAAAAAAAC\n>c\nDDDDDDDDDD\n>x\nX\n")
    cache = tmp_path / "cache"
    for _ in range(2):
        found = corpus.table(path, theta=0.2, cache=cache)
        assert found.weights.tolist() == [0.5, 0.5, 1] and len(found.rejected) == 1
    assert len(list(cache.iterdir())) == 1
    assert found.sha256 != corpus.table(path).sha256
    with pytest.raises(InvdesignError, match="got both"):
        corpus.table(path, theta=0.2, weight_column="w")
