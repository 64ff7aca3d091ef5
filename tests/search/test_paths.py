"""Paths start and end at the given points, and avoid empty regions."""

from typing import Any

import pytest
import torch

from invdesign.core import InvdesignError
from invdesign.search.paths import find_path, follow, geodesic, slerp

A, B = torch.tensor([-2.0, 0.0]).double(), torch.tensor([2.0, 0.0]).double()
TYPICAL = torch.linspace(-0.5, 0.0, 101).double()


def path(a: torch.Tensor, b: torch.Tensor, n: int, **settings: Any) -> torch.Tensor:
    return find_path(a, b, **settings).points(n)


def density_with_void(z: torch.Tensor) -> torch.Tensor:
    """High everywhere except around (0, 0.3)."""
    return -8 * torch.exp(-(z - torch.tensor([0.0, 0.3]).double()).square().sum(-1) / 0.5)


def flat_density(z: torch.Tensor) -> torch.Tensor:
    return 0.0 * z.sum(-1)


def test_spherical_interpolation_preserves_the_length_of_the_ends():
    a, b = torch.tensor([[3.0, 0.0]]).double(), torch.tensor([[0.0, 3.0]]).double()
    half, third = torch.tensor([[0.5]]).double(), torch.tensor([[0.3]]).double()
    assert slerp(a, b, half)[0].tolist() == pytest.approx([3 / 2**0.5] * 2)
    assert slerp(a, -a, half)[0].tolist() == [0.0, 0.0]
    assert slerp(a, a, third)[0].tolist() == [3.0, 0.0]


@pytest.mark.parametrize("shape", ["straight", "spherical", "density"])
def test_every_path_starts_and_ends_at_the_given_points(shape):
    a, b = torch.tensor([1.0, 2.0, -1.0]).double(), torch.tensor([0.5, -1.0, 2.0]).double()
    Z = path(a, b, 7, shape=shape, density=lambda z: -z.square().sum(-1) / 2, typical=TYPICAL)
    assert Z.shape == (7, 3) and Z.dtype == torch.float64
    torch.testing.assert_close(Z[[0, -1]], torch.stack([a, b]))


@pytest.mark.parametrize("shape", ["straight", "spherical", "density"])
def test_points_are_created_on_the_device_of_the_ends(shape):
    with torch.device("meta"):
        Z = path(A, B, 3, shape=shape, density=flat_density, typical=TYPICAL)
    assert Z.device == A.device


def test_a_straight_path_has_equal_steps():
    assert path(A, B, 5, shape="straight")[:, 0].tolist() == [-2, -1, 0, 1, 2]


def test_for_a_flat_density_the_geodesic_is_the_straight_line():
    Z = path(A, B, 5, shape="density", density=flat_density, typical=TYPICAL)
    torch.testing.assert_close(Z, path(A, B, 5, shape="straight"), atol=1e-4, rtol=0)


def test_a_geodesic_passes_a_void_on_its_nearer_side():
    straight = path(A, B, 33, shape="straight")
    Z = path(A, B, 33, shape="density", density=density_with_void, typical=TYPICAL)
    assert float(Z[16, 1]) < -0.4
    assert float(density_with_void(straight).min()) < -6 < -1.5 < float(density_with_void(Z).min())
    steps = Z.diff(dim=0).norm(dim=1)
    assert float(steps.max() / steps.min()) < 1.1


def test_regions_denser_than_real_designs_do_not_attract_a_geodesic():
    def peak(z: torch.Tensor) -> torch.Tensor:
        return 50 * torch.exp(-(z - torch.tensor([0.0, 1.0]).double()).square().sum(-1) / 0.1)

    Z = path(A, B, 9, shape="density", density=peak, typical=TYPICAL - 50)
    assert float(Z[:, 1].abs().max()) < 0.05


def test_a_density_of_nan_leaves_the_straight_line():
    Z = geodesic(A, B, density=lambda z: z.sum(-1) * torch.nan, typical=TYPICAL, n_links=4)
    assert Z[:, 0].tolist() == [-2, -1, 0, 1, 2] and not Z[:, 1].any()


def test_a_path_from_a_point_to_itself_is_constant():
    for shape in ("straight", "spherical", "density"):
        Z = path(A, A, 3, shape=shape, density=density_with_void, typical=TYPICAL)
        torch.testing.assert_close(Z, A.expand(3, -1))


@pytest.mark.parametrize("shape", ["straight", "spherical", "density"])
def test_a_path_is_evaluated_anywhere(shape):
    way = find_path(A, B + 1, shape=shape, density=density_with_void, typical=TYPICAL)
    torch.testing.assert_close(torch.stack([way.evaluate(t) for t in (0.0, 0.25, 1.0)]), way.points(5)[[0, 1, 4]])


def test_points_of_a_chain_are_spaced_by_its_length():
    chain = torch.tensor([[0.0, 0.0], [3.0, 0.0], [3.0, 1.0]]).double()
    assert follow(chain, torch.linspace(0, 1, 5).double()).tolist() == [[0, 0], [1, 0], [2, 0], [3, 0], [3, 1]]


@pytest.mark.parametrize(
    "wrong", [{"n": 1}, {"shape": "crooked"}, {"shape": "density"}, {"shape": "density", "density": flat_density}]
)
@pytest.mark.usefixtures("without_type_checks")
def test_invalid_arguments_raise_an_error(wrong):
    with pytest.raises(InvdesignError, match=r"path: .*expected"):
        path(A, B, **{"n": 5, **wrong})
