"""The training loop: it learns, it resumes exactly, and it says what is wrong."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from invdesign.core import InvdesignError
from invdesign.vae.models.sequence import SequenceVAE
from invdesign.vae.tokens import END, PAD
from invdesign.vae.training import Recipe, split, train

RECIPE = Recipe(
    build=lambda encoding: SequenceVAE(8, 6), epochs=3, batch=16, held_out=20, warmup=5, beta=0.05, device="cpu"
)


def words(n: int = 200) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(3, 8, (n, 6), generator=generator)
    for row, end in enumerate(torch.randint(1, 6, (n,), generator=generator).tolist()):
        x[row, end], x[row, end + 1 :] = END, PAD
    return x


def model(**more: int) -> SequenceVAE:
    torch.manual_seed(0)
    return SequenceVAE(8, 6, d=8, embedding=16, width=16, token_dropout=0.1, **more)


def test_training_learns_to_reconstruct_what_it_never_saw() -> None:
    x = words(800)
    recipe = replace(RECIPE, epochs=10, batch=32, learning_rate=5e-3, beta=0.01, held_out=100)
    training = train(model(), x, recipe)
    kept = x[torch.from_numpy(training.held_out)]
    again = training.vae.generate(training.vae.posterior(kept).loc)
    assert float((again == kept).all(1).float().mean()) > 0.5
    assert training.validations[-1].loss < 0.5 * training.validations[0].loss


def test_a_small_corpus_is_passed_through_more_often_unless_the_passes_are_stated() -> None:
    free = replace(RECIPE, epochs=None, min_epochs=1, min_steps=30)
    assert train(model(), words(100), free).steps == 30
    assert train(model(), words(800), free).steps == 49
    assert train(model(), words(100), replace(free, epochs=2)).steps == 12


class KilledError(Exception):
    pass


@pytest.mark.parametrize("weighted", [False, True])
def test_a_resumed_training_ends_like_an_uninterrupted_one(tmp_path: Path, weighted: bool) -> None:
    x = words()
    targets = torch.randn(200, 2, generator=torch.Generator().manual_seed(1))
    targets[::3, 0] = torch.nan
    weights = torch.rand(200, generator=torch.Generator().manual_seed(2)) if weighted else None
    recipe = replace(RECIPE, checkpoint_minutes=0.0, beta_warmup=0.5, epochs=2)
    whole = train(model(n_properties=2), x, recipe, targets=targets, weights=weights)
    path = tmp_path / "checkpoint.safetensors"

    def kill(stage: str, done: int, total: int) -> None:
        if done == 14:
            raise KilledError

    with pytest.raises(KilledError):
        train(model(n_properties=2), x, recipe, targets=targets, weights=weights, checkpoint=path, progress=kill)
    torch.manual_seed(99)
    other = SequenceVAE(8, 6, d=8, embedding=16, width=16, token_dropout=0.1, n_properties=2)
    resumed = train(other, x, recipe, targets=targets, weights=weights, checkpoint=path)
    for name, value in whole.vae.state_dict().items():
        assert torch.equal(value, resumed.vae.state_dict()[name]), name
    assert [v.loss for v in whole.validations] == [v.loss for v in resumed.validations]


def test_training_leaves_the_callers_random_numbers_alone() -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    vae = model()
    torch.manual_seed(7)
    train(vae, words(60), replace(RECIPE, epochs=1))
    assert torch.equal(torch.rand(3), expected)


def test_a_checkpoint_of_other_settings_is_refused_and_the_difference_named(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    train(model(), words(60), replace(RECIPE, epochs=1), checkpoint=path)
    with pytest.raises(InvdesignError, match=r"recipe\.beta: 0\.05 -> 0\.5"):
        train(model(), words(60), replace(RECIPE, epochs=1, beta=0.5), checkpoint=path)


def test_with_a_cut_checkpoint_the_training_starts_from_the_beginning(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    whole = train(model(), words(60), replace(RECIPE, epochs=1), checkpoint=path)
    path.write_bytes(path.read_bytes()[:-40])
    again = train(model(), words(60), replace(RECIPE, epochs=1), checkpoint=path)
    assert again.steps == whole.steps
    assert all(torch.equal(a, b) for a, b in zip(whole.vae.parameters(), again.vae.parameters(), strict=True))


def test_training_stops_where_nothing_improves_and_keeps_the_best() -> None:
    training = train(model(), words(), replace(RECIPE, epochs=60, learning_rate=0.3, warmup=1, patience=2))
    assert training.stopped == "no improvement"
    assert training.steps < training.total


def test_training_stops_in_time() -> None:
    training = train(model(), words(), replace(RECIPE, max_minutes=0.0))
    assert (training.stopped, training.steps) == ("time", 1)


def test_a_property_head_learns_from_targets_with_gaps() -> None:
    x = words(500)
    targets = (x == 4).sum(1, keepdim=True).float()
    targets = (targets - targets.mean()) / targets.std()
    known = targets.clone()
    known[::2] = torch.nan
    vae = model(n_properties=1)
    train(vae, x, replace(RECIPE, epochs=8, batch=32, learning_rate=5e-3), targets=known)
    hinted = vae.predict(vae.posterior(x).loc)
    assert hinted is not None
    unseen = slice(0, None, 2)
    assert np.corrcoef(hinted[unseen, 0].detach().numpy(), targets[unseen, 0].numpy())[0, 1] > 0.8


def test_the_held_out_rows_are_at_most_a_tenth_and_always_the_same() -> None:
    rows, held_out = split(100, held_out=50, seed=3)
    assert len(held_out) == 10 and not set(rows) & set(held_out)
    assert np.array_equal(held_out, split(100, held_out=50, seed=3)[1])


def test_data_that_cannot_be_trained_on_are_refused() -> None:
    x = words(60)
    with pytest.raises(InvdesignError, match="at least 10"):
        train(model(), x[:5], RECIPE)
    with pytest.raises(InvdesignError, match="60 x p"):
        train(model(), x, RECIPE, targets=torch.zeros(3, 1))
    with pytest.raises(InvdesignError, match="weights"):
        train(model(), x, RECIPE, weights=torch.zeros(60))
    with pytest.raises(InvdesignError, match="epochs"):
        train(model(), x, replace(RECIPE, epochs=0))


def test_families_are_held_out_as_a_whole() -> None:
    families = [f"family {i // 3}" for i in range(90)]
    rows, held_out = split(90, held_out=9, seed=0, families=families)
    assert len(held_out) == 9
    assert not {families[i] for i in rows} & {families[i] for i in held_out}
    assert sorted([*rows, *held_out]) == list(range(90))


def test_a_model_in_closed_form_is_not_fitted_to_the_families_that_are_held_out() -> None:
    seen: list[int] = []

    class ClosedForm(SequenceVAE):
        def fit_at_once(self, batch: torch.Tensor, rows: torch.Tensor | None = None) -> bool:
            seen.extend(() if rows is None else rows.tolist())
            return True

    families = [f"family {i // 3}" for i in range(90)]
    training = train(ClosedForm(8, 6, d=8), words(90), replace(RECIPE, held_out=9), families=families)
    assert sorted([*seen, *training.held_out]) == list(range(90))
    assert not {families[i] for i in seen} & {families[i] for i in training.held_out}


def test_the_record_of_a_model_in_closed_form_does_not_depend_on_random_numbers_drawn_before() -> None:
    class ClosedForm(SequenceVAE):
        def fit_at_once(self, batch: torch.Tensor, rows: torch.Tensor | None = None) -> bool:
            return True

    vae, batch = ClosedForm(8, 6, d=8), words(90)
    torch.manual_seed(1)
    first = train(vae, batch, replace(RECIPE, held_out=9)).validations[0].loss
    assert train(vae, batch, replace(RECIPE, held_out=9)).validations[0].loss == first
