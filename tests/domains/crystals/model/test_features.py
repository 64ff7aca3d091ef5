"""Structure features of crystals."""

import numpy as np
import pytest
from known_crystals import crystal

from invdesign.domains.crystals.model.features import N_ELEMENTS, features, n_features


def test_features_are_not_negative_and_do_not_depend_on_the_size_of_the_cell(crystals):
    F = features(crystals)
    assert F.shape == (len(crystals), n_features()) == (len(crystals), 640)
    assert (F >= 0).all()
    assert np.allclose(F[:, :N_ELEMENTS].sum(1), F[0, :N_ELEMENTS].sum())
    assert features([]).shape == (0, n_features())


def test_features_distinguish_environments_at_equal_composition():
    first, second = features([crystal("SrTiO3"), crystal("TiSrO3")])
    assert first[:N_ELEMENTS] == pytest.approx(second[:N_ELEMENTS])
    assert not np.allclose(first, second)
