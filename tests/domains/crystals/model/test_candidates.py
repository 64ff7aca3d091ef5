"""Choice among candidates of the decoder."""

from dataclasses import replace

import torch
from known_crystals import crystal

from invdesign.domains.crystals.model import candidates
from invdesign.domains.crystals.model.candidates import (
    COMPOSITION_PENALTY,
    CONTACT_PENALTY,
    STRUCTURE_PENALTY,
    choose,
    gumbel_noise,
)

SALT = crystal("NaCl")
DENSE = replace(SALT, cell=(3.4, 3.4, 3.4, 90.0, 90.0, 90.0))
RUTILE = crystal("TiO2")
CHARGED = replace(RUTILE, orbits=tuple(replace(o, element="Na") if o.element == "Ti" else o for o in RUTILE.orbits))


def penalty_of(design, *, min_closeness=0.5, usual_closeness=0.7):
    return candidates.penalty(design, min_closeness=min_closeness, usual_closeness=usual_closeness)


def choose_among(crystals, log_likelihood):
    penalties = [penalty_of(c) for c in crystals]
    return choose(torch.tensor(log_likelihood)[:, None], lambda candidate, _: penalties[candidate])[0]


def test_the_penalty_depends_on_the_defect():
    assert penalty_of(SALT) == 0
    assert penalty_of(CHARGED) == COMPOSITION_PENALTY
    assert penalty_of(DENSE) == CONTACT_PENALTY
    assert penalty_of(DENSE, min_closeness=0.7) == penalty_of(None) == STRUCTURE_PENALTY
    assert penalty_of(DENSE, usual_closeness=0.5) == 0


def test_a_crystal_with_too_many_atoms_is_not_built():
    huge = replace(SALT, orbits=SALT.orbits * 100)
    assert penalty_of(huge) == STRUCTURE_PENALTY


def test_a_less_likely_crystal_is_chosen_where_the_most_likely_one_cannot_exist():
    assert choose_among([None, SALT], [-1.0, -50.0]) == 1


def test_a_dense_crystal_is_kept_where_the_decoder_is_sure_of_it():
    assert choose_among([DENSE, SALT], [-1.0, -1.0 - CONTACT_PENALTY / 2]) == 1
    assert choose_among([DENSE, SALT], [-1.0, -1.0 - CONTACT_PENALTY * 2]) == 0


def test_a_crystal_without_neutral_states_is_kept_where_the_decoder_is_sure_of_it():
    assert choose_among([CHARGED, SALT], [-1.0, -1.0 - COMPOSITION_PENALTY / 2]) == 1
    assert choose_among([CHARGED, SALT], [-1.0, -1.0 - COMPOSITION_PENALTY * 2]) == 0


def test_the_first_candidate_is_chosen_where_none_can_exist():
    assert choose_among([None, None], [-1.0, -2.0]) == 0


def test_few_candidates_are_examined():
    examined = []

    def examine(candidate, i):
        examined.append(candidate)
        return 0.0

    assert choose(torch.tensor([[-3.0], [-1.0], [-2.0]]), examine) == [1]
    assert examined == [1]


def test_the_noise_of_a_candidate_is_the_same_for_every_latent_and_batch():
    small, large = gumbel_noise(1, 4), gumbel_noise(3, 4)
    for n_choices in (5, 2):
        few, many = small(torch.zeros(4, n_choices)), large(torch.zeros(12, n_choices)).view(4, 3, n_choices)
        assert torch.equal(many, few[:, None].expand_as(many))


def test_disturbed_maxima_are_samples_of_the_decoder(monkeypatch):
    monkeypatch.setattr(candidates, "TEMPERATURES", (1.0, 1.0))
    probability = torch.tensor([0.5, 0.3, 0.2])
    drawn = gumbel_noise(1, 20_000)(probability.log().expand(20_000, 3)).argmax(1)
    torch.testing.assert_close(drawn.bincount() / 20_000, probability, rtol=0, atol=0.02)


def test_later_candidates_are_more_diverse():
    drawn = gumbel_noise(1, 2000)(torch.tensor([4.0, 0.0, 0.0]).expand(2000, 3)).argmax(1)
    assert (drawn[:500] > 0).float().mean() < (drawn[-500:] > 0).float().mean()
