"""Reading and writing of sequence files, and the reason of every rejected row."""

import gzip
import math
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from invdesign.core import InvdesignError
from invdesign.domains.sequences import Sequences, WildType
from invdesign.domains.sequences.io.files import read
from invdesign.domains.sequences.io.writing import write

GENBANK = """LOCUS       PLASMID                   24 bp    DNA     linear   SYN 01-JAN-2024
ACCESSION   PLASMID
VERSION     PLASMID
FEATURES             Location/Qualifiers
     CDS             1..12
                     /gene="tiny"
     CDS             13..24
                     /label="written"
                     /translation="MW"
ORIGIN
        1 atgaaagttt aaatgtggta ataa
//
"""


@pytest.fixture
def file(tmp_path):
    def write_file(name, text):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write_file


def reasons(corpus):
    return {rejection.row: rejection.reason for rejection in corpus.rejected}


def test_lines_of_a_fasta_record_are_concatenated(file):
    text = "; an old comment\n>one first\r\nMKV\nA C\n\n>two\nMKW\n"
    for path in (file("a.fasta", text), file("a.fa.gz", gzip.compress(text.encode()))):
        found = read(path)
        assert found.designs == ("MKVAC", "MKW") and found.name == "a" and not found.rejected


def test_each_rejected_record_has_a_reason(file):
    million = "A" * 1_000_000
    records = ["MKV", "MXKV", "MK-V", "MK*V", "", "MKV", million, "MUK", "M1K", "MKW*", "mkl"]
    found = read(file("a.fasta", "".join(f">r{i}\n{r}\n" for i, r in enumerate(records, start=1))))
    assert found.designs == ("MKV", "MKW", "MKL")
    reason_of = reasons(found)
    assert "'X' at 2 (an unknown residue)" in reason_of[2]
    assert "'-' at 3 (a gap)" in reason_of[3]
    assert "'*' at 3 (a stop)" in reason_of[4]
    assert reason_of[5] == "no letters"
    assert reason_of[6] == "the same sequence as row 1"
    assert reason_of[7] == "1,000,000 letters, more than 512"
    assert "selenocysteine" in reason_of[8] and "'1' at 2" in reason_of[9]
    assert (
        reason_of[10] == "repaired: the stop at its end left out"
        and reason_of[11] == "repaired: lower case made capital"
    )
    assert all(rejection.remedy for rejection in found.rejected)
    assert found.rejected[0].text == "r2: MXKV" and max(len(r.text) for r in found.rejected) <= 200


def test_every_letter_outside_the_alphabet_is_counted(file):
    found = read(file("a.fasta", ">ok\nACGT\n>n\nANNRU\n"), kind="dna")
    assert (
        reasons(found)[2]
        == "4 letters outside the alphabet of dna: 'N' at 2 (any base), 'R' at 4, 'U' at 5 (a base of RNA)"
    )
    assert "kind: rna" in found.rejected[0].remedy


def test_a_table_gives_sequences_and_properties_by_name(file):
    text = "id;Sequence;activity;w\n1;MKV;1,5;1\n2;MKW;;2\n3;MKL;2.5;-1\n4;MKI;3\n5;MKA;0.5;0\n"
    found = read(file("a.csv", text), properties={"a": "activity"}, weight_column="w")
    assert found.designs == ("MKV", "MKW", "MKA") and found.names == ("1", "2", "5")
    assert found.properties["a"][[0, 2]].tolist() == [1.5, 0.5] and math.isnan(found.properties["a"][1])
    assert found.weights.tolist() == [1, 2, 0]
    assert reasons(found).keys() == {4, 5}
    with pytest.raises(InvdesignError, match="nearest: 'activity'"):
        read(file("b.csv", text), properties={"a": "activty"})
    with pytest.raises(InvdesignError, match="sequence_column"):
        read(file("c.csv", "x,y\nMKV,1\n"))
    assert read(file("d.tsv", "x\ty\nMKV\t1\n"), sequence_column="x").designs == ("MKV",)


def test_variants_may_be_lists_of_mutations(file):
    wild_type = WildType("MKTAYIAK", first=5)
    text = "mutant,y\nK6W;T7G,1\nK6W:A8D,2\nWT,3\nK7W,4\nK6W;K6A,5\n,6\nK6*,7\nT7G/K6W,8\nM5del,9\nY9A,1\n"
    found = read(file("a.csv", text), wild_type=wild_type, properties={"y": "y"})
    assert found.designs == ("MWGAYIAK", "MWTDYIAK", "MKTAYIAK", "KTAYIAK", "MKTAAIAK")
    assert found.properties["y"].tolist() == [4.5, 2, 3, 9, 1]
    reason_of = reasons(found)
    assert "residue 7 of 'wild type' is T, not K" in reason_of[5]
    assert reason_of[6].startswith("two mutations of one residue")
    assert "empty list" in reason_of[7] and "a stop" in reason_of[8] and reason_of[9] == "the same sequence as row 2"
    assert read(file("b.csv", "m,y\nK6W,1\n"), mutations="m", wild_type=wild_type).designs == ("MWTAYIAK",)
    with pytest.raises(InvdesignError, match="without a wild type"):
        read(file("c.csv", "m,y\nK6W,1\n"), mutations="m")


def test_insertions_of_an_alignment_are_dropped_kept_or_rejected(file):
    path = file("a.a2m", ">query\nMK-V\n>one\nMKaaWV\n>two\nM..-AL\n")
    assert read(path, gaps=True).designs == ("MK-V", "MKWV", "M-AL")
    assert read(path, gaps="drop", insertions="keep").designs == ("MKV", "MKAAWV", "MAL")
    rejected = read(path, gaps=True, insertions="reject")
    assert reasons(rejected)[2] == "2 insertions (lower case)"
    # Rows with gaps are not left out of an alignment one by one.
    with pytest.raises(InvdesignError, match="2 of 3 rows have gaps"):
        read(path)
    few = file("few.a2m", ">a\nMKAV\n>b\nMKLV\n>c\nMK-V\n")
    assert reasons(read(few))[3].startswith("1 letter outside the alphabet of protein: '-' at 3")
    # An A2M file with the suffix of FASTA is not mistaken for soft masking.
    assert read(file("b.fasta", ">a\nMKV\n>b\nMkk-V\n"), gaps=True).designs == ("MKV", "M-V")
    assert "as in an A2M file" in reasons(read(file("c.fasta", ">a\nMKV\n>b\nMk-VLL\n")))[2]


STOCKHOLM = """# STOCKHOLM 1.0
#=GF ID toy

one   MK.-V
two   MKaAV
three M..AL
//
"""


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.sto", STOCKHOLM),
        ("a.fasta", STOCKHOLM),
        ("a.afa", ">one\nMK.-V\n>two\nMKaAV\n>three\nM..AL\n"),
        ("a.fa", ">one\nMK.-V\n>two\nMKaAV\n>three\nM..AL\n"),
        ("a.a3m", ">one\nMK-V\n>two\nMKaAV\n>three\nM-AL\n"),
        ("a.fasta", ">one\nMK-V\n>two\nMKaAV\n>three\nM-AL\n"),
    ],
)
def test_an_alignment_stays_aligned_whatever_its_suffix(file, name, text):
    assert read(file(name, text), gaps=True).designs == ("MK-V", "MKAV", "M-AL")
    whole = read(file(name, text), gaps="drop", insertions="keep")
    assert whole.designs == ("MKV", "MKAAV", "MAL")
    with pytest.raises(InvdesignError, match="an alignment: 2 of 3 rows have gaps"):
        read(file(name, text))


def test_lower_case_of_a_whole_alignment_and_gaps_written_as_dots_keep_its_columns(file):
    assert read(file("a.afa", ">a\nmk.v\n>b\nmkav\n"), gaps=True).designs == ("MK-V", "MKAV")
    clustal = "CLUSTAL W (1.82) multiple sequence alignment\n\n\na   MK-V\nb   MKAV\n"
    assert read(file("a.aln", clustal), gaps=True).designs == ("MK-V", "MKAV")
    with pytest.raises(InvdesignError, match="not a file of Stockholm"):
        read(file("b.sto", "# STOCKHOLM 1.0\none MK\ntwo MKV\n//\n"), gaps=True)


@pytest.mark.parametrize("texts", [("A" * 8_000_000,), ("ACDE-" * 800_000, "ACDEg" * 800_000)])
def test_an_alignment_of_millions_of_columns_is_refused_in_time(file, texts):
    path = file("a.a3m", "".join(f">{i}\n{text}\n" for i, text in enumerate(texts)))
    started = time.process_time()
    with pytest.raises(InvdesignError, match=r"letters, more than 512"):
        read(path, gaps=True)
    assert time.process_time() - started < 2


def test_a_stockholm_file_of_unequal_lengths_is_refused_in_time(file):
    path = file("a.sto", "# STOCKHOLM 1.0\na MKTA\n" + f"b {'MKTA' * 1000}\n" * 4000 + "//\n")
    started = time.process_time()
    with pytest.raises(InvdesignError, match="expected sequences of one length, got 4 to 16,000,000 columns"):
        read(path)
    assert time.process_time() - started < 1.5


@pytest.mark.parametrize("letters", ["$" * 4000, "RK666666666" * 360, "".join(map(chr, range(0x4E00, 0x4E00 + 3000)))])
def test_long_rows_of_unknown_letters_are_refused_in_time(file, letters):
    path = file("a.txt", "\n".join(["MKTAY0AKQRQ0SFVK" + letters] * 4900))
    started = time.process_time()
    with pytest.raises(InvdesignError, match="letters outside the alphabet of protein: '0' at 6"):
        read(path)
    assert time.process_time() - started < 2


def test_a_rejection_names_the_first_letters_outside_the_alphabet(file):
    with pytest.raises(InvdesignError, match=r"6 letters outside .*: '1' at 2, '2' .* '4' at 5 and 1 more"):
        read(file("a.txt", "M12345AK1"))


def test_a_file_of_another_numbering_is_refused_with_the_number_that_fits(file):
    sequence = "MKTAYIAKQRNISFVKSHFSRQLEERLGLIEVQAPILSRVGDGTQDNLSG"
    letters = "ACDEFGHIKLMNPQRSTVWY"
    rows = [f"{sequence[i]}{i + 2}{letters[(letters.index(sequence[i]) + 1) % 20]}" for i in range(0, 40, 2)]
    path = file("a.csv", "mutations,y\n" + "\n".join(f"{row},{i}" for i, row in enumerate(rows)))
    with pytest.raises(InvdesignError, match=r"\d+ of 20 rows name another residue .*; with first: 2 all fit"):
        read(path, wild_type=WildType(sequence))
    assert len(read(path, wild_type=WildType(sequence, first=2))) == 20
    with pytest.raises(InvdesignError, match="each number changed by -1"):
        read(path, wild_type=WildType(sequence, numbers=tuple(range(1, 51))))
    with pytest.raises(InvdesignError, match="no other number of its first residue"):
        read(path, wild_type=WildType("W" * 60))
    # A few wrong rows are refused one by one.
    few = file("b.csv", "mutations,y\nK2A,1\n" + "\n".join(f"{row},{i}" for i, row in enumerate(rows)))
    assert reasons(read(few, wild_type=WildType(sequence, first=2))).keys() == {2}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("unknown_bases.fasta", "".join(f">{i}\nATGN{'ACGT' * 20}{'ACGT'[i]}\n" for i in range(4))),
        ("short.fasta", "".join(f">{i}\nATGCATTCAGCTAGGCATC{'ACGT'[i]}\n" for i in range(4))),
        ("primers.txt", "ATGCATTC\nAGCTAGGC\nATCCGTAA\nTTGACCGA\nGATTACAC\n"),
        ("rna.csv", "sequence\nAUGCAUUCAGCUAGGCAUCG\nAUGCAUUCAGCUAGGCAUCC\n"),
    ],
)
def test_nucleic_acids_are_not_read_as_proteins(file, name, text):
    kind = "RNA" if name == "rna.csv" else "DNA"
    with pytest.raises(InvdesignError, match=rf"got {kind}: .*Set kind: {kind.lower()}"):
        read(file(name, text))


def test_single_rows_of_dna_are_refused_among_proteins(file):
    text = ">a\nMKTAYIAKQRNISFVKSHFS\n>b\nMKTAYIAKQRNISFVKSHFA\n>c\nATGCATTCAGCTAGGCATCG\n>d\nGAGAGAGAGAGAGAGAGAGA\n"
    found = read(file("a.fasta", text))
    assert len(found) == 3 and reasons(found)[3].startswith("DNA or RNA")


@pytest.mark.parametrize(
    "entries",
    [
        ("Melittin", "Histatin", "Nisin", "Pleurain"),
        ("TP53", "KRAS", "BRCA1", "CDK2", "EGFR"),
        ("wild type", "variant a", "variant c"),
        ("MAGAININ", "BOMBININ", "BUFORIN", "DERMASEPTIN", "OREXIN"),
        ("design_1", "design_2", "design_3"),
    ],
)
def test_a_column_of_names_is_not_read_as_sequences(file, entries):
    table = file("a.csv", "peptide,y\n" + "".join(f"{entry},1\n" for entry in entries))
    with pytest.raises(InvdesignError, match=r"got names: .*sequence_column"):
        read(table)


def test_modified_and_short_peptides_are_no_names(file):
    text = "peptide\nAc-KLAKLAK-NH2\nGIGKFLHSAKKFGKAFVGEIMNS\nrrwqwr\nKKLL\nH-GRGDS-OH\nACDEF GHIKL\n"
    assert read(file("a.csv", text)).designs == ("GIGKFLHSAKKFGKAFVGEIMNS", "RRWQWR", "KKLL", "ACDEFGHIKL")


@pytest.mark.parametrize("mark", ["/", ":"])
def test_chains_of_one_row_are_recognized_and_chosen(file, mark):
    text = f">T=0.1, sample=1, score=0.7\nMKV{mark}GHK\n>T=0.1, sample=2, score=0.8\nMKL{mark}GHK\n"
    path = file("a.fasta", text)
    with pytest.raises(InvdesignError, match=r"2 of 2 rows hold 2 chains.*chain: 1.*chain: split"):
        read(path)
    assert read(path, chain=1).designs == ("MKV", "MKL")
    assert read(path, chain="split").designs == ("MKV", "GHK", "MKL")
    assert reasons(read(path, chain="split")) == {2: "the same sequence as row 1"}
    with pytest.raises(InvdesignError, match="no chain 3"):
        read(path, chain=3)
    with pytest.raises(InvdesignError, match="'split' or a number"):
        read(path, chain="A")
    table = file("a.csv", f"sequence,y\nMKV{mark}GHK,1\nMKL{mark}GHK,2\n")
    with pytest.raises(InvdesignError, match="whole complex"):
        read(table, chain="split", properties={"y": "y"})
    assert read(table, chain=2, properties={"y": "y"}).designs == ("GHK",)


def test_genbank_gives_whole_sequences_or_translated_genes(file):
    path = file("a.gb", GENBANK)
    assert read(path, kind="dna").designs == ("ATGAAAGTTTAAATGTGGTAATAA",)
    found = read(path, records="cds")
    assert found.designs == ("MKV", "MW")
    with pytest.raises(InvdesignError, match="no coding sequences"):
        read(file("b.gb", GENBANK.replace("CDS ", "gene")), records="cds")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.fasta", "MKV\nMKW\n", "call the file .txt"),
        ("a.fasta", "", "not FASTA"),
        ("a.fasta", ">only a name\n", "found none in 1 rows; the first is row 1: no letters"),
        ("a.gb", "LOCUS nonsense", "GenBank"),
        ("a.gb", "what is this", "no records of GenBank"),
        ("a.docx", "MKV", "expected a file that ends in"),
        ("a.fasta.gz", b"\x1f\x8bnot gzip", "cannot read"),
        ("a.csv", "", "found none in 0 rows"),
        ("a.fasta", ">dna\n" + "ACGT" * 20, "Set kind: dna"),
    ],
)
def test_a_malformed_file_is_an_error_with_a_remedy(file, name, text, message):
    with pytest.raises(InvdesignError, match=message):
        read(file(name, text))


def test_missing_files_and_invalid_options_are_errors(file, tmp_path):
    with pytest.raises(InvdesignError, match="cannot read"):
        read(tmp_path / "none.fasta")
    path = file("a.fasta", ">a\nMKV\n>b\nMXV\n")
    for settings_, message in (
        ({"gaps": "keep"}, "gaps must be"),
        ({"insertions": "no"}, "insertions must be"),
        ({"on_invalid": "stop"}, "on_invalid must be"),
        ({"on_invalid": "error"}, "row 2"),
        ({"properties": {"y": "y"}}, "expected a table"),
        ({"max_bytes": 3}, "more than 3 bytes"),
    ):
        with pytest.raises(InvdesignError, match=message):
            read(path, **settings_)


@given(st.binary(max_size=300), st.sampled_from(["a.fasta", "a.a3m", "a.csv", "a.tsv", "a.gb", "a.txt"]))
@settings(max_examples=60, deadline=None)
def test_any_content_is_read_or_rejected_with_an_error(tmp_path_factory, data, name):
    path = tmp_path_factory.mktemp("any") / name
    path.write_bytes(data)
    try:
        found = read(path, gaps=True)
    except InvdesignError:
        return
    assert all(set(design) <= set("ACDEFGHIKLMNPQRSTVWY-") for design in found.designs)


def test_fasta_headers_have_identifiers_without_spaces_mutations_and_predictions(tmp_path):
    wild_type = WildType("MKTAYIAK", first=5)
    columns = {
        "id": ["best one-001", "best one-001"],
        "predicted bright": [3.14159265, 2.0],
        "sd of predicted bright": [0.2, float("nan")],
        "round": [1, 2],
    }
    path = tmp_path / "a.fasta"
    write(["MWGAYIAK", "MKTAYIAK"], path, columns=columns, wild_type=wild_type)
    assert path.read_text().split("\n")[:3] == [
        ">best_one-001 mutations=K6W;T7G predicted_bright=3.14159 sd_of_predicted_bright=0.2",
        "MWGAYIAK",
        ">best_one-001-002 mutations=none predicted_bright=2",
    ]


def test_tables_and_pictures_are_written_and_tables_are_read_again(tmp_path):
    domain = Sequences(gaps=True)
    columns = {"=name": ["+1", None], "y": [0.1 + 0.2, 1.0]}
    domain.write(["-MKV", "MKWA"], tmp_path / "a.csv", columns=columns)
    assert (tmp_path / "a.csv").read_text() == "sequence,'=name,y\n'-MKV,+1,0.30000000000000004\nMKWA,,1.0\n"
    found = domain.read(tmp_path / "a.csv", properties={"y": "y"})
    assert found.designs == ("-MKV", "MKWA") and found.properties["y"].tolist() == [0.1 + 0.2, 1.0]
    domain.write(["MKV"], tmp_path / "a.svg")
    assert (tmp_path / "a.svg").read_text().count("<svg") == 2
    with pytest.raises(InvdesignError, match="expected one of"):
        domain.write(["MKV"], tmp_path / "a.pdf")
    with pytest.raises(InvdesignError, match="2 values for 1"):
        domain.write(["MKV"], tmp_path / "a.csv", columns=columns)


def test_lines_wrap_at_sixty_letters(tmp_path):
    path = tmp_path / "a.fasta"
    write(["MK" * 65], path)
    assert [len(line) for line in path.read_text().split("\n")] == [11, 60, 60, 10, 0]
    assert read(path).designs == ("MK" * 65,)


@pytest.mark.parametrize("text", ["AAK\nKKL\nGGH\n", "aak\nkkl\nggh\n", "AAK;5\nKKL;6\n"])
def test_a_table_without_headings_is_refused(tmp_path, text):
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(InvdesignError, match=r"expected headings .* got the design '(AAK|aak)'.* --column NAME"):
        read(path)
    path.write_text("Candidates\nAAK\n")
    assert read(path).designs == ("AAK",)


@pytest.mark.parametrize("text", ["Met-Ser-Lys-Gly", "MetSerLysGly", "Met Ser Lys Gly"])
def test_three_letter_names_of_residues_are_read(file, text):
    corpus = read(file("a.csv", f"sequence\n{text}\n"))
    assert corpus.designs == ("MSKG",)
    assert "three-letter" in corpus.rejected[0].reason
