"""Building blocks of the crystal model: periodic features, binned numbers and data augmentation."""

import torch

from invdesign.domains.crystals.model.descriptor_tables import (
    N_SIMILAR,
    element_table,
    group_table,
    similar_elements,
    site_table,
)
from invdesign.domains.crystals.model.encoding import learn, pack
from invdesign.domains.crystals.model.layers import (
    N_BINS,
    binned_log_likelihood,
    binned_mode,
    fourier_features,
    perturb,
)


def test_fourier_features_have_period_one():
    u = torch.rand(5, 3)
    assert fourier_features(u).shape == (5, 18)
    assert torch.allclose(fourier_features(u), fourier_features(u + 1), atol=1e-4)


def test_the_mode_of_a_binned_number_has_the_largest_likelihood():
    torch.manual_seed(0)
    bins, places = torch.randn(2, 7, N_BINS)
    mode = binned_mode(bins, places)
    best = binned_log_likelihood(bins, places, mode)
    for value in torch.linspace(0.0, N_BINS - 0.01, 200):
        assert (binned_log_likelihood(bins, places, value.expand(7)) <= best + 1e-4).all()


def test_perturbed_rows_keep_groups_sites_and_fixed_coordinates(crystals):
    torch.manual_seed(0)
    vocabulary = learn(crystals)
    rows = pack(vocabulary, crystals).repeat(20, 1)
    n_free = site_table(vocabulary).n_free
    similar = similar_elements(element_table(vocabulary.elements))
    changed = perturb(rows, vocabulary.layout, n_free, similar)
    before, after = vocabulary.layout.orbits(rows), vocabulary.layout.orbits(changed)
    assert torch.equal(changed[:, 0], rows[:, 0])
    assert torch.equal(after[..., 0], before[..., 0])
    is_free = torch.arange(3) < n_free[before[..., 0].long()][..., None]
    assert torch.equal(after[..., 2:][~is_free], before[..., 2:][~is_free])
    assert not torch.equal(after[..., 2:][is_free], before[..., 2:][is_free])
    assert not torch.equal(vocabulary.layout.cell(changed), vocabulary.layout.cell(rows))
    assert ((after[..., 1] > 0) == (before[..., 1] > 0)).all()


def test_substitution_replaces_an_element_on_all_its_orbits(crystals):
    torch.manual_seed(0)
    vocabulary = learn(crystals)
    rows = pack(vocabulary, crystals).repeat(20, 1)
    similar = similar_elements(element_table(vocabulary.elements))
    changed = perturb(
        rows, vocabulary.layout, site_table(vocabulary).n_free, similar, n_substitutions=1, substitution_rate=1.0
    )
    before, after = (vocabulary.layout.orbits(x)[..., 1].long() for x in (rows, changed))
    for old, new in zip(before, after, strict=True):
        replaced = set(old[old != new].tolist())
        assert len(replaced) == 1
        assert not set(old[old == new].tolist()) & replaced
        (element,) = replaced
        assert set(new[old == element].tolist()) <= set(similar[element].tolist())


def test_similar_elements_share_their_chemistry():
    elements = ("Cl", "Br", "I", "Na", "K", "Rb", "O", "S", "Se", "Ti", "Zr", "Hf")
    similar = similar_elements(element_table(elements))
    assert similar.shape == (len(elements) + 1, N_SIMILAR) and not similar[0].any()
    nearest = {element: {elements[i - 1] for i in similar[n + 1, :2].tolist()} for n, element in enumerate(elements)}
    assert nearest["Na"] == {"K", "Rb"} and nearest["Cl"] == {"Br", "I"} and nearest["Ti"] == {"Zr", "Hf"}
    assert all(n + 1 not in similar[n + 1].tolist() for n in range(len(elements)))


def test_a_single_element_is_similar_to_itself():
    assert similar_elements(element_table(("C",))).tolist() == [[0], [1]]


def test_descriptor_tables_have_a_row_for_none_and_one_for_each_entry(crystals):
    vocabulary = learn(crystals)
    groups, sites = group_table(vocabulary), site_table(vocabulary)
    assert groups.facts.shape == (len(vocabulary.groups) + 1, 10)
    assert groups.is_free.sum(1).tolist() == [0, 2, 1, 1, 1]
    assert sites.facts.shape == (len(vocabulary.sites) + 1, 24)
    assert sites.n_free.tolist() == [0, *(site.n_free for site in vocabulary.sites)]
    assert element_table(vocabulary.elements).shape == (len(vocabulary.elements), 12)
