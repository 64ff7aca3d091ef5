"""Genes of proteins: translation, a vendor's limits, and proteins without a gene."""

import csv
from dataclasses import replace

import numpy as np
import pytest
from Bio import SeqIO
from Bio.Seq import Seq

from invdesign import testing
from invdesign.core import InvdesignError
from invdesign.domains.sequences.dna import dna_validators
from invdesign.domains.sequences.dna.codons import Gene, GeneSettings, check_gene, describe_failures, reverse_translate
from invdesign.domains.sequences.dna.vendors import Vendor
from invdesign.domains.sequences.output.deliverables import codons, make_identifiers, synthesis

pytest.importorskip("dnachisel")

PROTEIN = "SKGEELFTGVVPILVELDGDVNGHKFSVSGEGEGDATYGKLTLKFICTTGKLPVPWPTLVTTLSYGVQCFSRYPDHMKRHDFFKSAMPEGYVQERT"
FREE = Vendor("none", gc=(0, 100), window_gc=(0, 100), max_run=None, max_repeat=None, sites=())
SHORT = Vendor("short", min_length=30, max_length=400)


def gene(protein, **settings):
    return reverse_translate(protein, GeneSettings(**settings))


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def read(path, form):
    with path.open() as file:
        return list(SeqIO.parse(file, form))


def test_a_gene_is_translated_to_its_protein_within_all_limits():
    made = gene(PROTEIN, vendor=SHORT)
    assert str(Seq(made.coding).translate()) == f"M{PROTEIN}*" and made.protein == f"M{PROTEIN}"
    assert made.dna == made.coding and made.dna.endswith("TAA")
    assert not describe_failures(check_gene(made, vendor=SHORT))
    assert (
        not dna_validators.find_sites(made.dna, "BsaI") and max(dna_validators.window_gc_contents(made.dna, 50)) <= 65
    )


def test_without_limits_every_codon_is_the_most_frequent_one():
    # Kazusa: of leucine CTG, of glycine GGC (E. coli); TTG and GGT in S. cerevisiae.
    assert gene("LGL", vendor=FREE).dna == "ATGCTGGGCCTGTAA"
    assert gene("LGL", vendor=FREE, organism="s_cerevisiae", stop_codon="TGA").dna == "ATGTTGGGTTTGTGA"


def test_sites_formed_by_the_most_frequent_codons_are_avoided():
    best = gene("LQ", vendor=FREE).dna
    assert best == "ATGCTGCAGTAA" and dna_validators.find_sites(best, "PstI") == [3]
    changed = gene("LQ", vendor=replace(FREE, sites=("PstI",))).dna
    assert not dna_validators.find_sites(changed, "PstI") and str(Seq(changed).translate()) == "MLQ*"


def test_a_repetitive_protein_has_a_gene_without_long_repeats():
    made = gene("GPGQQ" * 12, vendor=Vendor("one", window_gc=(0, 100)))
    assert str(Seq(made.coding).translate()) == "M" + "GPGQQ" * 12 + "*" and not dna_validators.find_repeats(
        made.dna, 21
    )


def test_flanks_are_unchanged_and_may_contain_sites():
    made = gene(PROTEIN, vendor=SHORT, upstream="TTGGTCTCAA", downstream="GCTTTGAGACCTT")
    assert made.dna.startswith("TTGGTCTCAAATG") and made.dna.endswith("TAAGCTTTGAGACCTT")
    assert (made.start, made.end) == (10, 10 + 3 * (len(PROTEIN) + 2))
    assert dna_validators.find_sites(made.dna, "BsaI") == [2, made.end + 5]
    assert not describe_failures(check_gene(made, vendor=SHORT))


def test_a_part_of_a_longer_gene_has_no_start_or_stop_codon():
    assert gene("LGL", vendor=FREE, add_start_codon=False, stop_codon="").dna == "CTGGGCCTG"
    assert gene("MLG", vendor=FREE, stop_codon="").dna == "ATGCTGGGC" == gene("M-LG", vendor=FREE, stop_codon="").dna


def test_genes_do_not_depend_on_the_global_random_state():
    np.random.seed(5)
    first = gene(PROTEIN, vendor=SHORT, seed=3)
    drawn = np.random.rand()
    np.random.seed(5)
    assert np.random.rand() == drawn, "the solver must not change the global random state"
    assert gene(PROTEIN, vendor=SHORT, seed=3) == first


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"organism": "klingon"}, "Choose b_subtilis"),
        ({"organism": "316407"}, "must be the name of a codon table"),
        ({"upstream": "acgt"}, "capital letters ACGT"),
        ({"stop_codon": "TTT"}, "stop_codon must be one of"),
        ({"attempts": 0}, "at least 1"),
        ({"vendor": Vendor("big", min_length=300)}, "big requires 300 to any number bp, the gene has 15 bp"),
    ],
)
def test_invalid_settings_are_rejected(settings, message):
    with pytest.raises(InvdesignError, match=message):
        gene("LGL", **settings)


def test_the_violated_limit_is_reported_if_no_gene_is_found():
    with pytest.raises(InvdesignError, match=r"gc_windows: .*; repeats: "):
        gene("W" * 20, attempts=1)
    with pytest.raises(InvdesignError, match="letters 'X'"):
        gene("LXL")


def test_a_wrong_translation_is_reported():
    wrong = Gene("ATGTAGCTGTAA", 0, 12, "MLL")
    failures = describe_failures(check_gene(wrong, vendor=FREE))
    assert "reading_frame: stop TAG at 4" in failures and "translation: translated as M*L*" in failures


def test_genes_are_written_as_fasta_genbank_and_order_table(tmp_path):
    proteins = [PROTEIN[:60], PROTEIN[20:80]]
    flanks = {"upstream": "GAAGGAGATATACC", "downstream": "GCGGTTCTCACC"}
    paths = codons(testing.candidates(proteins), tmp_path, vendor=SHORT, **flanks)
    assert [path.name for path in paths] == ["genes.fasta", "genes.gb", "order.csv"]
    titles = make_identifiers(testing.candidates(proteins))
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


def test_a_protein_without_a_gene_is_listed_and_the_others_are_written(tmp_path):
    candidates = testing.candidates([PROTEIN[:60], "W" * 30, PROTEIN[10:70]])
    paths = codons(candidates, tmp_path, vendor=SHORT)
    titles = make_identifiers(candidates)
    assert [record.id for record in read(tmp_path / "genes.gb", "genbank")] == [titles[0], titles[2]]
    assert paths[-1].name == "left_out.csv"
    (left_out,) = rows(paths[-1])
    assert left_out["id"] == titles[1] and "repeats" in left_out["reason"] and left_out["sequence"] == "W" * 30
    with pytest.raises(InvdesignError, match="at least one of 1 proteins"):
        codons(candidates[1:2], tmp_path, vendor=SHORT)


def test_designs_of_dna_are_written_unchanged_and_violated_limits_are_listed(tmp_path):
    designs = ["ACGTTGCA" * 3, "GGTCTCACGATTACAGATTC", "ACGU-ACGA"]
    paths = synthesis(testing.candidates(designs), tmp_path, vendor=SHORT, upstream="TTA")
    assert [path.name for path in paths] == ["dna.fasta", "dna.gb", "order.csv", "findings.csv"]
    titles = make_identifiers(testing.candidates(designs))
    records = read(tmp_path / "dna.gb", "genbank")
    assert [str(record.seq) for record in records] == ["TTA" + "ACGTTGCA" * 3, "TTAGGTCTCACGATTACAGATTC", "TTAACGTACGA"]
    assert str(records[1].features[-1].extract(records[1].seq)) == designs[1]
    found = [(row["id"], row["check"]) for row in rows(tmp_path / "findings.csv")]
    assert (titles[1], "restriction_sites") in found and (titles[2], "order_length") in found
    assert len(synthesis(testing.candidates(designs), tmp_path, vendor=FREE)) == 3


def test_genes_and_dna_satisfy_the_contract_of_deliverables():
    testing.check_deliver(codons, ["MKLVAG", "MKLIAG"])
    testing.check_deliver(synthesis, ["ACGTACGA", "ACGTTTGA"])
