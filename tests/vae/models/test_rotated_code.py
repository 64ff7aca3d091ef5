"""Superposition code of rotated matrices: its rotations cancel, and positions do not."""

import torch

from invdesign.vae.models.rotated_code import MAX_LOG_GAIN, RotatedCode


def build_code(d: int = 12) -> RotatedCode:
    torch.manual_seed(0)
    return RotatedCode(5, d, 4, 9, 3.0)


def test_rotations_are_orthogonal_and_the_same_in_every_model() -> None:
    rotations = build_code().rotations
    torch.testing.assert_close(rotations @ rotations.mT, torch.eye(12).expand(9, -1, -1), atol=1e-5, rtol=0)
    torch.manual_seed(1)
    assert torch.equal(RotatedCode(5, 12, 4, 9, 3.0).rotations, rotations)


def test_what_enters_at_a_position_is_read_there_by_the_matrix_of_all_positions() -> None:
    code = build_code()
    through = code.place(9) @ code.match(9)
    scale = (code.log_weight + code.log_gain).exp()[:, None, None]
    torch.testing.assert_close(through, scale * (code.read @ code.write), atol=1e-5, rtol=1e-4)


def test_the_term_of_another_position_is_read_as_noise() -> None:
    code = build_code(d=200)
    with torch.no_grad():
        code.write.copy_(torch.linalg.pinv(code.read)[:, :4])
        code.log_weight.zero_()
        code.log_gain.zero_()
        same, other = code.place(2) @ code.match(2)[0]
    assert float(other.norm()) < 0.25 * float(same.norm())


def test_weights_fall_have_a_power_of_one_and_gains_are_bounded() -> None:
    code = build_code()
    weights = code.log_weight.exp()
    assert bool((weights.diff() < 0).all())
    torch.testing.assert_close(weights.square().sum(), torch.tensor(1.0))
    torch.testing.assert_close(weights[0] / weights[-1], torch.tensor(3.0).exp())
    assert float(code.log_gain.detach().max()) == MAX_LOG_GAIN
