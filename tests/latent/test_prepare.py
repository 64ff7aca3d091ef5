"""Preparation of a latent space: trained once, cached by content, and standardized."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from invdesign.core import InvdesignError
from invdesign.latent.auxiliary_targets import auxiliary_targets
from invdesign.latent.prepare import Pretrained, model_key, posterior_moments, prepare
from invdesign.vae.build import linear_vae, sequence_vae


def test_a_latent_space_is_trained_once_and_then_taken_from_the_cache(words, corpus, recipe, cache: Path) -> None:
    space = prepare(words, corpus, recipe, cache=cache)
    stages = []
    again = prepare(words, corpus, recipe, cache=cache, progress=lambda stage, done, total: stages.append(stage))
    assert not stages
    assert torch.equal(space.encode(corpus.designs[:5]), again.encode(corpus.designs[:5]))


def test_latents_are_standardized_over_the_corpus(words, corpus, recipe, cache: Path) -> None:
    space = prepare(words, corpus, recipe, cache=cache)
    Z = space.encode(corpus.designs)
    assert Z.dtype == torch.float64 and Z.shape == (len(corpus), 8)
    torch.testing.assert_close(Z.mean(0), torch.zeros(8, dtype=torch.float64), atol=0.02, rtol=0)
    torch.testing.assert_close(Z.std(0), torch.ones(8, dtype=torch.float64), atol=0.02, rtol=0)


def test_words_come_back_from_their_latents(words, corpus, recipe, cache: Path) -> None:
    space = prepare(words, corpus, recipe, cache=cache)
    back = space.decode(space.encode(corpus.designs[:200]))
    assert sum(a == b for a, b in zip(corpus.designs, back, strict=False)) > 100


def test_percentiles_of_the_corpus_are_spread_evenly(words, corpus, recipe, cache: Path) -> None:
    space = prepare(words, corpus, recipe, cache=cache)
    percentile = space.percentile(space.plausibility(corpus.designs, space.encode(corpus.designs)))
    assert float(percentile.median()) == pytest.approx(50, abs=15)
    far = torch.full((1, 8), 50.0, dtype=torch.float64)
    assert float(space.percentile(space.plausibility(corpus.designs[:1], far))) == 0


def test_a_stored_latent_space_needs_no_corpus(words, corpus, recipe, cache: Path) -> None:
    space = prepare(words, corpus, recipe, cache=cache)
    folder = cache / "models" / model_key(words, corpus, recipe)
    loaded = prepare(words, None, Pretrained(folder))
    assert torch.equal(space.encode(corpus.designs[:5]), loaded.encode(corpus.designs[:5]))


def test_families_name_another_model_only_where_the_model_is_linear(words, corpus, recipe) -> None:
    related = replace(corpus, families=("one",) * len(corpus))
    linear = replace(recipe, build=partial(linear_vae, d=4))
    assert model_key(words, related, recipe) == model_key(words, corpus, recipe)
    assert model_key(words, related, linear) != model_key(words, corpus, linear)


def test_auxiliary_targets_are_properties_first_then_components_of_the_features(words, corpus) -> None:
    length = torch.tensor([float(len(w)) for w in corpus.designs]).double().numpy()
    measured = replace(corpus, properties={"length": length})
    encoding = words.fit(corpus.designs)
    targets = auxiliary_targets(encoding, measured, 3)
    assert targets is not None and targets.shape == (len(corpus), 3)
    torch.testing.assert_close(torch.corrcoef(targets[:, 1:].T), torch.eye(2), atol=1e-3, rtol=0)
    torch.testing.assert_close(targets.std(0, correction=0), torch.ones(3))
    assert auxiliary_targets(encoding, corpus, 0) is None
    with pytest.raises(InvdesignError, match="at least 2"):
        auxiliary_targets(encoding, replace(corpus, properties={"a": length, "b": length}), 1)
    with pytest.raises(InvdesignError, match="at most 4 outputs"):
        auxiliary_targets(encoding, corpus, 9)


def test_a_recipe_without_a_corpus_and_a_model_that_is_not_there_are_refused(words, recipe) -> None:
    with pytest.raises(InvdesignError, match="expected a corpus to train on"):
        prepare(words, None, recipe)
    with pytest.raises(InvdesignError, match="model 'nowhere': expected a shipped model"):
        prepare(words, None, Pretrained("nowhere"))


def test_another_recipe_is_another_model(words, corpus, recipe, cache: Path) -> None:
    prepare(words, corpus, recipe, cache=cache)
    before = len(list((cache / "models").iterdir()))
    other = replace(recipe, build=partial(sequence_vae, d=2, embedding=8, width=8), epochs=0.5)
    assert prepare(words, corpus, other, cache=cache).d == 2
    assert len(list((cache / "models").iterdir())) == before + 1


def test_batches_are_moved_to_the_device_of_the_model(words, corpus, recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    encoding = words.fit(corpus.designs)
    vae, batch = recipe.build(encoding), encoding.encode(corpus.designs)
    targets = []

    def record(part: torch.Tensor, device: object) -> torch.Tensor:
        targets.append(device)
        return part

    monkeypatch.setattr("invdesign.latent.moments.device_of", lambda vae: "device of the model")
    monkeypatch.setattr("invdesign.latent.moments.to_device", record)
    mean, sd = posterior_moments(vae.eval(), batch.split(8))
    assert set(targets) == {"device of the model"} and mean.device.type == sd.device.type == "cpu"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_latent_space_is_trained_on_a_gpu_and_used_on_either_device(words, corpus, recipe, cache: Path) -> None:
    space = prepare(words, corpus, replace(recipe, device="cuda"), cache=cache)
    Z = space.encode(corpus.designs[:8])
    on_gpu = space.to("cuda")
    assert torch.allclose(on_gpu.encode(corpus.designs[:8]), Z, atol=1e-4)
    assert on_gpu.decode(Z) == space.to("cpu").decode(Z)


DAMAGES = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-9]),
    "empty": lambda path: path.write_bytes(b""),
    "other bytes": lambda path: path.write_bytes(bytes(b ^ 7 for b in path.read_bytes())),
    "a folder": lambda path: (path.unlink(), path.mkdir(), (path / "x").write_text("x")),
    "missing": lambda path: path.unlink(),
}


def small(words, corpus, recipe):
    """Return a corpus and a recipe of a fraction of a second."""
    return replace(corpus, designs=corpus.designs[:60], sha256="small"), replace(recipe, epochs=0.1)


@pytest.mark.parametrize("name", ["models/*/model.json", "models/*/model.safetensors", "encoded/*"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_every_damage_of_the_cache_is_repaired_with_the_same_result(
    words, corpus, recipe, tmp_path: Path, name: str, damage: str
) -> None:
    corpus, recipe = small(words, corpus, recipe)
    first = prepare(words, corpus, recipe, cache=tmp_path)
    if name.startswith("encoded"):
        next(tmp_path.glob("models/*/model.json")).unlink()
    DAMAGES[damage](next(tmp_path.glob(name)))
    again = prepare(words, corpus, recipe, cache=tmp_path)
    assert torch.equal(first.encode(corpus.designs), again.encode(corpus.designs))
    stages: list[str] = []
    prepare(words, corpus, recipe, cache=tmp_path, progress=lambda stage, *_: stages.append(stage))
    assert not stages


def test_a_cache_that_cannot_be_written_is_a_warning_and_the_model_is_trained(
    words, corpus, recipe, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    corpus, recipe = small(words, corpus, recipe)
    (tmp_path / "cache").write_text("a file where the cache should be")
    space = prepare(words, corpus, recipe, cache=tmp_path / "cache")
    assert space.encode(corpus.designs).shape[0] == 60 and "trained without a cache" in caplog.text
