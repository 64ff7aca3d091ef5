"""A kept density is the one that was fitted, of the same inputs only; a damaged file is no obstacle."""

from functools import partial
from pathlib import Path

import pytest
import torch

from invdesign.latent.density import mixture, prior
from invdesign.latent.density_cache import fit_cached


def cloud(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(300, 3, generator=generator, dtype=torch.float64), torch.full((300, 3), 0.3, dtype=torch.float64)


def test_a_kept_mixture_is_the_fitted_one_bit_for_bit(tmp_path: Path) -> None:
    mean, sd = cloud()
    fitted = fit_cached(mixture, mean, sd, tmp_path)
    kept = fit_cached(mixture, mean, sd, tmp_path)
    assert len(list((tmp_path / "densities").iterdir())) == 1
    assert torch.equal(kept(mean), fitted(mean)) and torch.equal(kept(mean), mixture(mean, sd)(mean))


def test_other_inputs_or_settings_have_their_own_density(tmp_path: Path) -> None:
    for fit, (mean, sd) in [
        (mixture, cloud()),
        (mixture, cloud(1)),
        (partial(mixture, n_components=2), cloud()),
        (partial(mixture, n_components=3), cloud()),
        (prior, cloud()),
    ]:
        assert torch.equal(fit_cached(fit, mean, sd, tmp_path)(mean), fit(mean, sd)(mean))
    assert len(list((tmp_path / "densities").iterdir())) == 4


@pytest.mark.parametrize("content", [b"", b"no tensors", bytes(1000)])
def test_a_damaged_file_is_fitted_again(tmp_path: Path, content: bytes) -> None:
    mean, sd = cloud()
    expected = fit_cached(mixture, mean, sd, tmp_path)(mean)
    (path,) = (tmp_path / "densities").iterdir()
    path.write_bytes(content)
    assert torch.equal(fit_cached(mixture, mean, sd, tmp_path)(mean), expected)
    assert path.read_bytes() != content


def test_a_cache_that_cannot_be_written_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "densities").write_text("a file where a folder is wanted")
    mean, sd = cloud()
    assert torch.equal(fit_cached(mixture, mean, sd, tmp_path)(mean), mixture(mean, sd)(mean))
