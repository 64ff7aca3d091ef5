"""Explanation of aligned designs by two parents."""

from __future__ import annotations

import numpy as np
import pytest

from invdesign.atlas import find_parents, simulate_chimeras


@pytest.fixture(scope="module")
def reference() -> np.ndarray:
    return np.random.default_rng(0).integers(1, 5, size=(40, 60))


def brute_force(row: np.ndarray, reference: np.ndarray) -> int:
    margin = 3
    return min(
        int((row[:k] != reference[i, :k]).sum() + (row[k:] != reference[j, k:]).sum())
        for k in range(margin, len(row) - margin + 1)
        for i in range(len(reference))
        for j in range(len(reference))
    )


def test_a_chimera_is_explained_by_its_parents_and_its_breakpoint(reference: np.ndarray) -> None:
    chimeras, origins = simulate_chimeras(reference, 20, seed=1)
    for found, (left, right, k) in zip(find_parents(chimeras, reference, missing=0), origins, strict=True):
        assert (found.left, found.right, found.mismatches) == (left, right, 0)
        assert found.breakpoints[0] <= k <= found.breakpoints[1]
        assert found.gain == found.single_mismatches == len(found.explained) > 0
        assert all(column >= found.breakpoints[0] for column in found.left_differences)
        assert all(column < found.breakpoints[1] for column in found.right_differences)


def test_the_explanation_is_the_best_of_all_pairs_and_breakpoints() -> None:
    draw = np.random.default_rng(2)
    small = draw.integers(1, 4, size=(6, 24))
    for row in draw.integers(1, 4, size=(5, 24)):
        assert find_parents(row[None], small, missing=0)[0].mismatches == brute_force(row, small)


def test_excluded_relatives_explain_nothing(reference: np.ndarray) -> None:
    found = find_parents(reference[:1], reference, missing=0)[0]
    assert (found.single, found.single_mismatches, found.gain) == (0, 0, 0)
    relatives = np.arange(20)
    found = find_parents(reference[:1], reference, missing=0, excluded=[relatives])[0]
    assert min(found.single, found.left, found.right) >= 20


def test_unknown_letters_mismatch_nothing(reference: np.ndarray) -> None:
    row = reference[3].copy()
    row[10:20] = 0
    assert find_parents(row[None], reference, missing=0)[0].single_mismatches == 0


def test_chimeras_have_parents_of_two_families_and_equal_neither(reference: np.ndarray) -> None:
    families = [f"genus {i % 4}" for i in range(len(reference))]
    chimeras, origins = simulate_chimeras(reference, 30, families=families, seed=3)
    assert all(families[i] != families[j] and 12 <= k <= 48 for i, j, k in origins)
    assert all(
        (row != reference[i]).any() and (row != reference[j]).any()
        for row, (i, j, _) in zip(chimeras, origins, strict=True)
    )
