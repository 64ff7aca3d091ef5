"""Fine-tuning: better designs weigh more, the space is standardized again, and the old one is not changed."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from invdesign.core import InvdesignError
from invdesign.latent.density import mixture
from invdesign.latent.finetune import finetune, rank_weights
from invdesign.latent.prepare import prepare
from invdesign.runs.latent_spaces import load_finetuned, save_finetuned


def test_the_weights_of_ranks_are_those_of_the_formula() -> None:
    # N = 3 and k = 1 give 1/3, 1/4, 1/5 for ranks 0, 1, 2; the failure is last.
    weights = rank_weights(np.array([1.0, 5.0, np.nan]), k=1.0)
    expected = np.array([1 / 4, 1 / 3, 1 / 5])
    np.testing.assert_allclose(weights, expected / expected.sum())


def test_a_finetuned_space_is_standardized_predicts_utilities_and_leaves_the_old_one_alone(
    words, corpus, recipe, cache
) -> None:
    space = prepare(words, corpus, recipe, cache=cache)
    before = {name: value.clone() for name, value in space.vae.state_dict().items()}
    designs = corpus.designs[::8]
    utilities = np.array([w.count("a") for w in designs], dtype=float)
    utilities[0] = np.nan
    finetuned = finetune(
        space, designs, utilities, epochs=12, learning_rate=5e-3, batch=32, fraction=0.8, n_replay=150, seed=5
    )
    torch.testing.assert_close(finetuned.sample.mean(0), torch.zeros(8, dtype=torch.float64), atol=1e-6, rtol=0)
    torch.testing.assert_close(finetuned.sample.std(0), torch.ones(8, dtype=torch.float64), atol=1e-6, rtol=0)
    predicted = finetuned.predict(finetuned.encode(designs[1:]))
    assert predicted is not None
    assert np.corrcoef(predicted[:, 0].numpy(), utilities[1:])[0, 1] > 0.5
    assert all(torch.equal(before[name], value) for name, value in space.vae.state_dict().items())
    again = finetune(
        space, designs, utilities, epochs=12, learning_rate=5e-3, batch=32, fraction=0.8, n_replay=150, seed=5
    )
    assert torch.equal(again.encode(designs[:9]), finetuned.encode(designs[:9]))


def test_finetuning_without_a_measurement_is_refused(words, corpus, recipe, cache) -> None:
    space = prepare(words, corpus, recipe, cache=cache)
    with pytest.raises(InvdesignError, match="expected one utility for each"):
        finetune(space, corpus.designs[:2], np.array([np.nan, np.nan]))


def test_a_finetuned_space_is_the_same_after_it_was_stored(words, corpus, recipe, cache, tmp_path) -> None:
    space = prepare(words, corpus, recipe, cache=cache)
    designs = corpus.designs[::8]
    finetuned = finetune(space, designs, np.array([len(w) for w in designs], dtype=float), epochs=1)
    save_finetuned(finetuned, tmp_path / "stored")
    campaign = SimpleNamespace(domain=words, density=mixture, finetuning=SimpleNamespace(finetune=None))
    for _ in range(2):
        restored = load_finetuned(campaign, tmp_path / "stored", tmp_path / "cache")
        Z = finetuned.encode(designs)
        assert torch.equal(restored.encode(designs), Z)
        assert torch.equal(restored.log_density(Z), finetuned.log_density(Z))
        assert corpus.designs[0] in restored.training_keys and "no such word" not in restored.training_keys
