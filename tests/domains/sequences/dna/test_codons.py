"""Genes for proteins: read back residue by residue, within a vendor's limits, and told apart where none was found."""

import csv
from dataclasses import replace

import numpy as np
import pytest
from Bio import SeqIO
from Bio.Seq import Seq

from invdesign import testing
from invdesign.core import InvdesignError
from invdesign.domains.sequences.dna import dna_validators
from invdesign.domains.sequences.dna.codons import Gene, failed, findings, gene
from invdesign.domains.sequences.dna.vendors import Vendor
from invdesign.domains.sequences.output.deliverables import codons, identifiers, synthesis

pytest.importorskip("dnachisel")

PROTEIN = "SKGEELFTGVVPILVELDGDVNGHKFSVSGEGEGDATYGKLTLKFICTTGKLPVPWPTLVTTLSYGVQCFSRYPDHMKRHDFFKSAMPEGYVQERT"
FREE = Vendor("none", gc=(0, 100), window_gc=(0, 100), max_run=None, max_repeat=None, sites=())
SHORT = Vendor("short", min_length=30, max_length=400)


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def read(path, form):
    with path.open() as file:
        return list(SeqIO.parse(file, form))


def test_a_gene_is_read_as_its_protein_and_keeps_every_limit():
    made = gene(PROTEIN, vendor=SHORT)
    assert str(Seq(made.coding).translate()) == f"M{PROTEIN}*" and made.protein == f"M{PROTEIN}"
    assert made.dna == made.coding and made.dna.endswith("TAA")
    assert not failed(findings(made, vendor=SHORT))
    assert not dna_validators.sites(made.dna, "BsaI") and max(dna_validators.window_shares(made.dna, 50)) <= 65


def test_without_limits_every_codon_is_the_organisms_most_frequent_one():
    # Kazusa: of leucine CTG, of glycine GGC (E. coli); TTG and GGT in S. cerevisiae.
    assert gene("LGL", vendor=FREE).dna == "ATGCTGGGCCTGTAA"
    assert gene("LGL", vendor=FREE, organism="s_cerevisiae", stop="TGA").dna == "ATGTTGGGTTTGTGA"


def test_sites_that_the_best_codons_would_make_are_avoided():
    best = gene("LQ", vendor=FREE).dna
    assert best == "ATGCTGCAGTAA" and dna_validators.sites(best, "PstI") == [3]
    changed = gene("LQ", vendor=replace(FREE, sites=("PstI",))).dna
    assert not dna_validators.sites(changed, "PstI") and str(Seq(changed).translate()) == "MLQ*"


def test_a_repetitive_protein_gets_codons_that_repeat_no_more_than_allowed():
    made = gene("GPGQQ" * 12, vendor=Vendor("one", window_gc=(0, 100)))
    assert str(Seq(made.coding).translate()) == "M" + "GPGQQ" * 12 + "*" and not dna_validators.repeated(made.dna, 21)


def test_flanks_stay_as_they_are_and_may_hold_sites_of_their_own():
    made = gene(PROTEIN, vendor=SHORT, upstream="TTGGTCTCAA", downstream="GCTTTGAGACCTT")
    assert made.dna.startswith("TTGGTCTCAAATG") and made.dna.endswith("TAAGCTTTGAGACCTT")
    assert (made.start, made.end) == (10, 10 + 3 * (len(PROTEIN) + 2))
    assert dna_validators.sites(made.dna, "BsaI") == [2, made.end + 5]
    assert not failed(findings(made, vendor=SHORT))


def test_a_part_of_a_longer_gene_has_neither_start_nor_stop():
    assert gene("LGL", vendor=FREE, start=False, stop="").dna == "CTGGGCCTG"
    assert gene("MLG", vendor=FREE, stop="").dna == "ATGCTGGGC" == gene("M-LG", vendor=FREE, stop="").dna


def test_the_same_protein_gets_the_same_gene_whatever_was_drawn_before():
    np.random.seed(5)
    first = gene(PROTEIN, vendor=SHORT, seed=3)
    drawn = np.random.rand()
    np.random.seed(5)
    assert np.random.rand() == drawn, "the solver leaves the random numbers of others alone"
    assert gene(PROTEIN, vendor=SHORT, seed=3) == first


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"organism": "klingon"}, "choose b_subtilis"),
        ({"organism": "316407"}, "there is no codon table"),
        ({"upstream": "acgt"}, "capital letters ACGT"),
        ({"stop": "TTT"}, "stop must be one of"),
        ({"attempts": 0}, "at least 1"),
        ({"vendor": Vendor("big", min_length=300)}, "the gene has 15 bp, big makes 300"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, complaint):
    with pytest.raises(InvdesignError, match=complaint):
        gene("LGL", **settings)


def test_a_protein_without_a_gene_in_the_limits_says_which_limit():
    with pytest.raises(InvdesignError, match=r"gc_windows: .*; repeats: "):
        gene("W" * 20, attempts=1)
    with pytest.raises(InvdesignError, match="letters 'X'"):
        gene("LXL")


def test_a_gene_that_is_read_otherwise_is_found_out():
    wrong = Gene("ATGTAGCTGTAA", 0, 12, "MLL")
    said = failed(findings(wrong, vendor=FREE))
    assert "reading_frame: stop TAG at 4" in said and "translation: it is read as M*L*" in said


def test_genes_are_written_for_people_for_programs_and_for_the_vendor(tmp_path):
    proteins = [PROTEIN[:60], PROTEIN[20:80]]
    flanks = {"upstream": "GAAGGAGATATACC", "downstream": "GCGGTTCTCACC"}
    paths = codons(testing.candidates(proteins), tmp_path, vendor=SHORT, **flanks)
    assert [path.name for path in paths] == ["genes.fasta", "genes.gb", "order.csv"]
    titles = identifiers(testing.candidates(proteins))
    records = read(tmp_path / "genes.gb", "genbank")
    assert [record.id for record in records] == titles
    for record, protein in zip(records, proteins, strict=True):
        kinds = [feature.type for feature in record.features]
        assert kinds == ["misc_feature", "misc_feature", "CDS"]
        up, down, coding = record.features
        assert str(up.extract(record.seq)) == flanks["upstream"]
        assert str(down.extract(record.seq)) == flanks["downstream"]
        assert str(coding.extract(record.seq).translate(to_stop=True)) == f"M{protein}"
        assert coding.qualifiers["translation"] == [f"M{protein}"]
        assert record.annotations["molecule_type"] == "DNA" and record.annotations["topology"] == "linear"
    texts = [str(record.seq) for record in read(tmp_path / "genes.fasta", "fasta")]
    assert texts == [str(record.seq) for record in records]
    ordered = rows(tmp_path / "order.csv")
    assert [(row["Name"], row["Sequence"]) for row in ordered] == list(zip(titles, texts, strict=True))


def test_a_protein_without_a_gene_is_named_and_nothing_else_is_lost(tmp_path):
    candidates = testing.candidates([PROTEIN[:60], "W" * 30, PROTEIN[10:70]])
    paths = codons(candidates, tmp_path, vendor=SHORT)
    titles = identifiers(candidates)
    assert [record.id for record in read(tmp_path / "genes.gb", "genbank")] == [titles[0], titles[2]]
    assert paths[-1].name == "left_out.csv"
    (lost,) = rows(paths[-1])
    assert lost["id"] == titles[1] and "repeats" in lost["reason"] and lost["sequence"] == "W" * 30
    with pytest.raises(InvdesignError, match="genes for none of 1 proteins"):
        codons(candidates[1:2], tmp_path, vendor=SHORT)


def test_designs_of_dna_are_written_as_they_are_and_what_a_vendor_minds_is_listed(tmp_path):
    designs = ["ACGTTGCA" * 3, "GGTCTCACGATTACAGATTC", "ACGU-ACGA"]
    paths = synthesis(testing.candidates(designs), tmp_path, vendor=SHORT, upstream="TTA")
    assert [path.name for path in paths] == ["dna.fasta", "dna.gb", "order.csv", "findings.csv"]
    titles = identifiers(testing.candidates(designs))
    records = read(tmp_path / "dna.gb", "genbank")
    assert [str(record.seq) for record in records] == ["TTA" + "ACGTTGCA" * 3, "TTAGGTCTCACGATTACAGATTC", "TTAACGTACGA"]
    assert str(records[1].features[-1].extract(records[1].seq)) == designs[1]
    found = [(row["id"], row["check"]) for row in rows(tmp_path / "findings.csv")]
    assert (titles[1], "restriction_sites") in found and (titles[2], "order_length") in found
    assert len(synthesis(testing.candidates(designs), tmp_path, vendor=FREE)) == 3


def test_genes_and_dna_keep_the_contract_of_deliverables():
    testing.check_deliver(codons, ["MKLVAG", "MKLIAG"])
    testing.check_deliver(synthesis, ["ACGTACGA", "ACGTTTGA"])
