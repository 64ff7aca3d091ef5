"""Plates and lists: contents of wells, files, identifiers."""

import csv
import io
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from invdesign import testing
from invdesign.core import InvdesignError
from invdesign.domains.sequences import WildType
from invdesign.domains.sequences.output.deliverables import fasta, make_identifiers, mutations, plates
from invdesign.domains.sequences.output.plates import draw_plate, fill_plates, format_table, well_names

NATIVE = WildType("MKLVA", "my native", first=101)
DESIGNS = ["MKLVG", "MRLVG", "MKLVA", "MK-VA"]


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_wells_are_filled_down_the_columns_or_along_the_rows():
    assert well_names(96)[:9] == ["A1", "B1", "C1", "D1", "E1", "F1", "G1", "H1", "A2"] and well_names(96)[-1] == "H12"
    assert well_names(96, "rows")[:2] == ["A1", "A2"] and well_names(96, "rows")[12] == "B1"
    assert len(well_names(384)) == len(set(well_names(384))) == 384 and well_names(384)[-1] == "P24"
    with pytest.raises(InvdesignError, match="96 or 384"):
        well_names(24)


def test_designs_are_placed_around_the_controls():
    (plate,) = fill_plates(
        [("a", "MK"), ("b", "ML")], wild_type=("wt", "MA"), wild_type_wells=["A1"], blank_wells=["C1", "H12"]
    )
    found = {well.name: (well.content, well.id) for well in plate if well.content != "empty"}
    assert found == {
        "A1": ("wild type", "wt"), "B1": ("design", "a"), "C1": ("blank", ""), "D1": ("design", "b"),
        "H12": ("blank", ""),
    }  # fmt: skip


def test_further_plates_have_the_same_controls():
    made = fill_plates([(str(i), "M") for i in range(100)], blank_wells=["A1"])
    assert [sum(well.content == "design" for well in plate) for plate in made] == [95, 5]
    assert all(plate[0].content == "blank" for plate in made) and made[1][1].id == "95"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"blank_wells": ["I1"]}, "among A1 to H12, got I1"),
        ({"blank_wells": ["A1"], "wild_type_wells": ["A1"], "wild_type": ("wt", "M")}, "named once"),
        ({"wild_type_wells": ["A1"]}, "Set wild_type"),
        ({"blank_wells": well_names(96)}, "Leave some for designs"),
    ],
)
def test_invalid_controls_are_rejected(settings, message):
    with pytest.raises(InvdesignError, match=message):
        fill_plates([("a", "M")], **settings)


@settings(deadline=None, max_examples=30)
@given(
    n=st.integers(0, 400),
    wells=st.sampled_from([96, 384]),
    fill=st.sampled_from(["columns", "rows"]),
    blanks=st.sets(st.sampled_from(well_names(96)), max_size=5),
)
def test_every_design_has_one_well_in_order(n, wells, fill, blanks):
    made = fill_plates([(str(i), "M") for i in range(n)], wells=wells, fill=fill, blank_wells=sorted(blanks))
    listed = [well.id for plate in made for well in plate if well.content == "design"]
    assert listed == [str(i) for i in range(n)]
    for plate in made:
        assert [well.name for well in plate] == well_names(wells, fill)
        assert {well.name for well in plate if well.content == "blank"} == blanks
        used = [well.content for well in plate if well.content != "blank"]
        assert all(a != "empty" or b == "empty" for a, b in pairwise(used))


def test_the_table_omits_empty_wells():
    (plate,) = fill_plates([("a-1", "MKV")], blank_wells=["B1"])
    assert rows(format_table(plate)) == [
        {"well": "A1", "id": "a-1", "sequence": "MKV", "content": "design"},
        {"well": "B1", "id": "", "sequence": "", "content": "blank"},
    ]


@pytest.mark.parametrize("wells", [96, 384])
def test_the_picture_has_a_circle_and_a_title_for_every_well(wells):
    (plate,) = fill_plates([("x-007-ab", "MKV")], wells=wells, wild_type=("<wt>", "M"), wild_type_wells=["B1"])
    picture = ElementTree.fromstring(draw_plate(plate, title="first & only"))
    space = "{http://www.w3.org/2000/svg}"
    titles = [title.text for title in picture.iterfind(f".//{space}circle/{space}title")]
    assert len(titles) == wells and {"A1: x-007-ab", "B1: <wt>", "C1: empty"} <= set(titles)
    labels = [text.text for text in picture.iterfind(f"{space}text")]
    assert {"7", "WT", "first & only", "design (1)"} <= set(labels)


def test_identifiers_have_no_spaces_and_contain_a_hash_of_the_sequence():
    candidates = testing.candidates(DESIGNS)
    found = make_identifiers(candidates, name="gfp")
    assert found[0].startswith("gfp-001-") and len(set(found)) == 4 and max(map(len, found)) <= 32
    reversed_list = make_identifiers(candidates[::-1], name="gfp")
    assert [title[-8:] for title in reversed_list] == [title[-8:] for title in found[::-1]]
    with pytest.raises(InvdesignError, match="must begin with a letter"):
        make_identifiers(candidates, name="my design")


def test_a_table_and_a_picture_of_each_plate_are_written(tmp_path):
    candidates = testing.candidates([f"M{'ACDEFGHIKL'[i % 10]}{'K' * (i // 10)}" for i in range(100)])
    paths = plates(candidates, tmp_path, wild_type=NATIVE, wild_type_wells=["A1"], blank_wells=["H12"])
    assert [path.name for path in paths] == ["plate-1.csv", "plate-1.svg", "plate-2.csv", "plate-2.svg"]
    first = rows(paths[0].read_text())
    assert len(first) == 96 and first[0] == {
        "well": "A1", "id": "my-native", "sequence": "MKLVA", "content": "wild type",
    }  # fmt: skip
    listed = [row["id"] for path in paths[::2] for row in rows(path.read_text()) if row["content"] == "design"]
    assert listed == make_identifiers(candidates)


def test_fasta_headers_contain_mutations_predictions_and_measurements(tmp_path):
    (path,) = fasta(testing.candidates(DESIGNS), tmp_path, wild_type=NATIVE)
    lines = path.read_text().splitlines()
    (first, *_), titles = lines, make_identifiers(testing.candidates(DESIGNS))
    assert first == f">{titles[0]} mutations=A105G predicted=1 sd=0.5 measured=1.5"
    assert lines[2].split()[1] == "mutations=K102R;A105G" and lines[4].split()[1] == "mutations=none"
    assert lines[7] == "MKVA"
    audited = [replace(c, anomaly_p=0.01234) for c in testing.candidates(DESIGNS)]
    (path,) = fasta(audited, tmp_path)
    assert path.read_text().splitlines()[0].endswith("measured=1.5 anomaly_p=0.0123")
    (path,) = fasta(testing.candidates(DESIGNS, m=2), tmp_path)
    assert path.read_text().splitlines()[0] == f">{titles[0]} predicted=1;1 sd=0.5;0.5 measured=1.5;1.5"


def test_mutations_are_listed_with_the_wild_types_numbers(tmp_path):
    (path,) = mutations(testing.candidates(DESIGNS[:3]), tmp_path, wild_type=NATIVE)
    found = rows(path.read_text())
    assert [row["mutations"] for row in found] == ["A105G", "K102R;A105G", ""]
    assert [row["n_mutations"] for row in found] == ["1", "2", "0"]
    assert {(row["wild_type"], row["residues"].split("-")[0]) for row in found} == {("my native", "101")}
    assert "anomaly_p" not in found[0]
    audited = [replace(c, anomaly_p=0.01234) for c in testing.candidates(DESIGNS[:3])]
    (path,) = mutations(audited, tmp_path, wild_type=NATIVE)
    assert [row["anomaly_p"] for row in rows(path.read_text())] == ["0.0123"] * 3


@pytest.mark.parametrize("deliver", [fasta, plates], ids=["fasta", "plates"])
def test_lists_and_plates_satisfy_the_contract_of_deliverables(deliver):
    testing.check_deliver(deliver, DESIGNS)
