"""Classifier of replaced parts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from invdesign.atlas.replaced_parts import MIN_DESIGNS, add_odds, fit_detector, restore_detector
from invdesign.core import Array
from invdesign.latent.semantics import auroc

Design = tuple[float, ...]


@dataclass(frozen=True)
class Beads:
    """Designs of four beads, whose sizes are those of one draw from N(0, 1) with little noise."""

    name: str = "beads"

    def key(self, design: Design) -> str:
        return self.to_text(design)

    def to_text(self, design: Design) -> str:
        return " ".join(map(repr, design))

    def from_text(self, text: str) -> Design:
        return tuple(map(float, text.split()))


@dataclass(frozen=True)
class ReplaceableBeads(Beads):
    """Beads of which one can be replaced by one of another design."""

    def replace_parts(self, designs: list[Design], *, seed: int) -> list[tuple[Design, Array]]:
        draw = np.random.default_rng(seed)
        rows = np.array(designs)
        chosen = draw.integers(0, rows.shape[1], len(rows))
        rows[np.arange(len(rows)), chosen] = draw.permutation(rows[:, 0])
        is_replaced = chosen[:, None] == np.arange(rows.shape[1])
        return [(tuple(row), own) for row, own in zip(rows.tolist(), is_replaced, strict=True)]

    def measure_places(self, design: Design) -> Array:
        sizes = np.array(design)
        others = [np.median(np.delete(sizes, i)) for i in range(len(sizes))]
        return np.column_stack([sizes, others, np.full(len(sizes), np.nan)])


def draw_designs(n: int, seed: int) -> list[Design]:
    draw = np.random.default_rng(seed)
    rows = draw.normal(size=(n, 1)) + 0.1 * draw.normal(size=(n, 4))
    return [tuple(row) for row in rows.tolist()]


def score(detector: object, domain: ReplaceableBeads, designs: list[Design]) -> list[float]:
    return [add_odds(own) for own in detector.rate([domain.measure_places(design) for design in designs])]


def test_replaced_parts_are_recognized_in_new_designs_and_placed() -> None:
    domain, new = ReplaceableBeads(), draw_designs(400, 1)
    detector = fit_detector(domain, draw_designs(600, 0))
    assert detector is not None
    changed = [(*design[:3], design[3] + 2.0) for design in new]
    assert auroc(np.array(score(detector, domain, new)), np.array(score(detector, domain, changed))) > 0.98
    placed = [int(np.argmax(own)) for own in detector.rate([domain.measure_places(design) for design in changed])]
    assert np.mean(np.array(placed) == 3) > 0.9


def test_one_seed_gives_one_classifier_and_leaves_the_global_generator_alone() -> None:
    domain, designs = ReplaceableBeads(), draw_designs(300, 0)
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, second = fit_detector(domain, designs, seed=3), fit_detector(domain, designs, seed=3)
    assert torch.rand(1) == expected
    assert first is not None
    assert second is not None
    assert score(first, domain, designs[:20]) == score(second, domain, designs[:20])


def test_a_restored_classifier_finds_the_same() -> None:
    domain, designs = ReplaceableBeads(), draw_designs(300, 0)
    detector = fit_detector(domain, designs)
    assert detector is not None
    assert score(restore_detector(detector.tensors()), domain, designs) == score(detector, domain, designs)


@pytest.mark.parametrize("domain", [Beads(), ReplaceableBeads()])
def test_no_classifier_is_trained_where_parts_cannot_be_replaced_or_designs_are_few(domain: Beads) -> None:
    n = MIN_DESIGNS - 1 if isinstance(domain, ReplaceableBeads) else 300
    assert fit_detector(domain, draw_designs(n, 0)) is None


def test_a_design_without_parts_is_as_unlike_real_ones_as_any() -> None:
    assert add_odds(np.zeros(0)) == np.inf
