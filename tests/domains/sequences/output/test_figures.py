"""Figures of the report: values of mutations, heights of logos, and the contract of figures."""

import math
import re
import xml.etree.ElementTree as ElementTree
from collections import Counter
from functools import partial

import pytest
import torch

from invdesign.config import compose, instantiate
from invdesign.core import Candidate, Corpus, Objective
from invdesign.domains.sequences import WildType
from invdesign.domains.sequences.output.figures import edit_distances, naturalness_scatter
from invdesign.domains.sequences.output.logo import information_content, logo
from invdesign.domains.sequences.output.mutation_heatmap import collect_effects, mutation_heatmap
from invdesign.testing import check_illustrate

NATIVE = WildType("MKLVA", "my native", first=101)
DESIGNS = ["MKLVA", "MKLVG", "MRLVG", "MRLVA", "MKWVA", "AKLVA"]
FITNESS = (Objective("fitness", "AU"),)


def candidate(design, y=math.nan, **more):
    z = torch.zeros(2, dtype=torch.float64)
    return Candidate(design, design, z, y=(y,) if math.isfinite(y) else (), **more)


def corpus():
    return Corpus((*DESIGNS, "MKLVC", "MKLVD", "MKLVE", "MKLVF"))


def drawing(figure):
    return ElementTree.fromstring(figure[: figure.index("</svg>") + 6])


ALL = (mutation_heatmap, logo, edit_distances, naturalness_scatter, partial(naturalness_scatter, corpus=corpus))


@pytest.mark.parametrize("wild_type", [None, NATIVE])
@pytest.mark.parametrize("figure", ALL)
def test_every_figure_satisfies_its_contract(figure, wild_type):
    for designs in (DESIGNS, DESIGNS[:1], ["MKLVA", "MKLV", "MKKLVA", "M" * 90]):
        if wild_type is None and len(designs) == 1 and figure is edit_distances:
            continue
        check_illustrate(partial(figure, wild_type=wild_type), designs)


def test_every_figure_can_be_configured():
    for group, domain in (("protein", "protein"), ("dna", "rna")):
        composed = compose.compose(
            None, ["base=sequences", f"domain={domain}", f"figures=sequences/{group}", "corpus=sequences/peptides"]
        )
        for name, node in instantiate.refuse(composed.values, composed.where)["figures"].items():
            figure = instantiate.instantiate(instantiate.part(node, composed.where, ("figures", name)))
            check_illustrate(figure, ["ACGG", "ACCG", "GCCG"])


def test_a_mutation_has_the_values_of_all_designs_that_carry_it():
    evaluated = [candidate("MKLVA", 1.0), candidate("MRLVA", 2.0), candidate("MRLVG", 5.0), candidate("MLVA", 0.0)]
    found = collect_effects(evaluated[2:3], evaluated, [1.0, 2.0, 5.0, 0.0], wild_type=NATIVE)
    assert found.values == {(1, "R"): [2.0, 5.0], (4, "G"): [5.0], (1, "-"): [0.0]}
    assert found.baseline == 1.0 and found.is_measured and found.shortlisted == {(1, "R"), (4, "G")}
    alone = collect_effects([], evaluated[1:3], [2.0, 5.0])
    assert alone.reference == "MRLVA" and alone.values == {(4, "G"): [5.0]}


def test_a_heatmap_has_the_numbers_of_the_wild_type_and_the_mean_values():
    evaluated = [candidate("MKLVA", 1.0), candidate("MRLVA", 2.0), candidate("MRLVG", 5.0)]
    figure = mutation_heatmap(evaluated[2:], evaluated, FITNESS, wild_type=NATIVE)["Mutations and fitness"]
    titles = [node.text for node in drawing(figure).iter("{http://www.w3.org/2000/svg}title")]
    assert titles == ["K102R: 3.5 AU, mean of 2 designs", "A105G: 5 AU, mean of 1 design"]
    assert "compared with my native (1 AU)" in figure


def test_blue_is_better_whatever_the_goal():
    evaluated = [candidate("MKLVA", 1.0), candidate("MRLVA", 2.0)]
    goals = (Objective("y"), Objective("y", goal="minimize"), Objective("y", goal=2.0))
    heatmaps = [mutation_heatmap([], evaluated, [goal], wild_type=NATIVE)["Mutations and y"] for goal in goals]
    fills = [found[1] for figure in heatmaps if (found := re.search(r"fill:(#\w+)[^>]*><title>K102R", figure))]
    assert fills[0] == fills[2] != fills[1]


def test_positions_mutated_in_the_shortlist_have_priority():
    native = WildType("A" * 100, first=1)
    evaluated = [candidate("A" * i + "C" + "A" * (99 - i), float(i)) for i in range(100)]
    figure = mutation_heatmap(evaluated[-1:], evaluated, FITNESS, wild_type=native, max_positions=10)[
        "Mutations and fitness"
    ]
    shown = [int(found) for found in re.findall(r"A(\d+)C:", figure)]
    assert sorted(shown) == [*range(1, 10), 100] and "10 of 100 positions" in figure


def test_information_content_is_the_maximum_minus_the_entropy():
    assert information_content(Counter("AAAA"), 2) == 2
    assert information_content(Counter("AACC"), 2) == 1
    assert information_content(Counter("ACGT"), 2) == pytest.approx(0)


def test_heights_of_letters_are_proportional_to_information_and_frequency():
    figure = logo([candidate("AC"), candidate("AG")], [], (), kind="dna")["Sequence logo of the shortlist"]
    found = re.findall(r'scale\(\S+ (\S+)\)"[^>]*>(\w)</text>', figure)
    heights = {letter: float(scale) for scale, letter in found}
    assert heights["C"] == pytest.approx(heights["G"]) == pytest.approx(heights["A"] / 4, rel=1e-3)


def test_a_logo_needs_a_common_length():
    figure = logo([candidate("AC"), candidate("ACG")], [], ())["Sequence logo of the shortlist"]
    assert "2 to 3 letters" in figure and "<svg" not in figure


def test_edits_are_counted_from_the_wild_type_or_the_nearest_seed():
    evaluated = [candidate("MKLVA"), candidate("MRLVG"), candidate("MRLVA", round=1)]
    from_native = edit_distances(evaluated[1:], evaluated, (), wild_type=NATIVE)
    assert "median 1.5, 1 to 2 edits" in from_native["Edits from my native"]
    assert "1 to 1 edits" in from_native["Edits between the designs of the shortlist"]
    assert "median 1, 1 to 1 edits" in edit_distances(evaluated[2:], evaluated, ())["Edits from the nearest seed"]


def test_the_caption_names_the_score_with_the_highest_rank_correlation():
    designs = ["MKLVA", "MKLVG", "MRLVG", "MRLWG"]
    evaluated = [candidate(d, float(-i), log_density=float(i)) for i, d in enumerate(designs)]
    evaluated.append(candidate("MKLVC", log_density=0.0, mean=(1.0,)))
    figure = naturalness_scatter(evaluated[:1], evaluated, FITNESS, corpus=corpus, wild_type=NATIVE)[
        "Naturalness and fitness"
    ]
    assert "latent density −1.000, site-independent 1.000" in figure and "site-independent is highest" in figure
    assert figure.count("<circle") == 5 and "predicted, not measured" in figure
    flipped = naturalness_scatter(evaluated[:1], evaluated, [Objective("loss", goal="minimize")], corpus=corpus)
    assert "latent density is highest" in flipped["Naturalness and loss"]


def test_too_few_measurements_are_stated():
    figure = naturalness_scatter([], [candidate("MKLVA", 1.0, log_density=0.0)], FITNESS)["Naturalness and fitness"]
    assert "fewer than three" in figure
