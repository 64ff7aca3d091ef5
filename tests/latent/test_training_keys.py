"""Keys of the designs that a model was trained on."""

from __future__ import annotations

from invdesign.latent.training_keys import TrainingKeys


def test_members_are_found_and_few_others_are() -> None:
    members = [f"C{'C' * (i % 50)}N{i}" for i in range(20_000)]
    known = TrainingKeys.of(members)
    assert all(key in known for key in members)
    others = [f"O{i}" for i in range(20_000)]
    assert sum(key in known for key in others) <= 3


def test_an_empty_set_has_no_members() -> None:
    assert "CCO" not in TrainingKeys()
    assert "CCO" not in TrainingKeys.of([])
    assert len(TrainingKeys.of(["CCO", "CCO"])) == 1
