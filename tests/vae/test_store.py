"""Models on disk: what was saved comes back, and what was altered is refused."""

import errno
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from invdesign.core import InvdesignError
from invdesign.vae.base import VAE
from invdesign.vae.models.sequence import SequenceVAE
from invdesign.vae.store import load_model, read_tensors, save_model, write_tensors


def model() -> SequenceVAE:
    torch.manual_seed(0)
    return SequenceVAE(8, 6, d=4, embedding=8, width=8)


def build(card: dict[str, Any]) -> VAE:
    settings = dict(card["architecture"])
    return SequenceVAE(settings.pop("n_tokens"), settings.pop("length"), **settings)


def test_a_model_is_read_with_its_description(tmp_path: Path) -> None:
    save_model(tmp_path, model(), {"corpus": "words"}, extra={"shift": torch.ones(4, dtype=torch.float64)})
    vae, card, extra = load_model(tmp_path, build)
    assert card["corpus"] == "words"
    assert torch.equal(extra["shift"], torch.ones(4, dtype=torch.float64))
    for name, value in model().state_dict().items():
        assert torch.equal(vae.state_dict()[name], value)
    assert not vae.training


def test_half_precision_halves_the_file_and_is_read_as_single(tmp_path: Path) -> None:
    save_model(tmp_path / "whole", model(), {})
    save_model(tmp_path / "half", model(), {}, half=True)
    size = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("half", "whole")]
    assert size[0] < 0.75 * size[1]
    vae, _, _ = load_model(tmp_path / "half", build)
    assert {value.dtype for value in vae.state_dict().values()} == {torch.float32}


def test_one_flipped_bit_is_refused(tmp_path: Path) -> None:
    save_model(tmp_path, model(), {})
    path = tmp_path / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(InvdesignError, match="damaged or altered"):
        load_model(tmp_path, build)


def test_a_card_that_does_not_fit_the_parameters_is_refused(tmp_path: Path) -> None:
    save_model(tmp_path, model(), {})
    path = tmp_path / "model.json"
    card = json.loads(path.read_text())
    card["architecture"]["width"] = 9
    path.write_text(json.dumps(card))
    with pytest.raises(InvdesignError, match=r"model\.json: the content does not match its checksum"):
        load_model(tmp_path, build)
    del card["card_sha256"]
    path.write_text(json.dumps(card))
    with pytest.raises(InvdesignError, match="do not fit"):
        load_model(tmp_path, build)


@pytest.mark.parametrize("content", ["{", "[]", '{"format": 99}'])
def test_a_card_that_is_none_is_refused(tmp_path: Path, content: str) -> None:
    save_model(tmp_path, model(), {})
    (tmp_path / "model.json").write_text(content)
    with pytest.raises(InvdesignError, match=r"model\.json"):
        load_model(tmp_path, build)


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvdesignError, match="cannot be read"):
        load_model(tmp_path / "nowhere", build)


def test_tensors_and_their_notes_come_back(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    write_tensors(path, {"a": torch.arange(3), "step": torch.tensor(2.0)}, {"n": 1})
    tensors, meta = read_tensors(path)
    assert tensors["a"].tolist() == [0, 1, 2] and float(tensors["step"]) == 2 and meta == {"n": 1}
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(InvdesignError, match="checksum"):
        read_tensors(path)


def test_tensors_without_a_value_and_with_one_come_back(tmp_path: Path) -> None:
    tensors = {"empty": torch.from_numpy(np.zeros(0)), "one": torch.ones(1).expand(1, 1), "rows": torch.ones(3, 0)}
    write_tensors(tmp_path / "t.safetensors", tensors, {})
    read, _ = read_tensors(tmp_path / "t.safetensors")
    assert all(torch.equal(read[name], value) for name, value in tensors.items())


def test_nothing_half_written_is_left_behind(tmp_path: Path) -> None:
    write_tensors(tmp_path / "x.safetensors", {"a": torch.zeros(2)}, {})
    assert [path.name for path in tmp_path.iterdir()] == ["x.safetensors"]


def test_a_full_disk_is_an_error_that_says_so_and_leaves_the_earlier_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_model(tmp_path, model(), {"corpus": "first"})

    def fail(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(InvdesignError, match=r"No space left on device.*Free space"):
        save_model(tmp_path, model(), {"corpus": "second"})
    with pytest.raises(InvdesignError, match="No space left on device"):
        write_tensors(tmp_path / "x.safetensors", {"a": torch.zeros(2)}, {})
    monkeypatch.undo()
    assert load_model(tmp_path, build)[1]["corpus"] == "first"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.json", "model.safetensors"]
