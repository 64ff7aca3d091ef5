"""What the values of an oracle are, as the oracle states it."""

from __future__ import annotations

from functools import partial

import pytest

from invdesign.core import InvdesignError, ValueSource
from invdesign.core.capabilities import stating, value_sources
from invdesign.core.value_source import sources_from_json, sources_to_json
from invdesign.domains.combined_oracle import combine_oracles
from invdesign.domains.crystals.oracles.computed import formation_energy, mass_density, measured_table
from invdesign.domains.crystals.oracles.mlip import relaxed_energy
from invdesign.domains.molecules.oracles import qed


def kinds(oracle, m=1):
    return [source.kind for source in value_sources(oracle, m)]


def test_shipped_oracles_compute_unless_they_state_otherwise():
    assert kinds(qed) == kinds(mass_density) == ["computed"]
    assert kinds(measured_table) == ["measured"]
    assert kinds(relaxed_energy) == kinds(partial(formation_energy, energy=relaxed_energy)) == ["predicted"]
    assert value_sources(relaxed_energy, 1)[0].error == 0.03


def test_an_oracle_of_the_user_is_a_measurement_unless_it_states_otherwise():
    def assay(designs):
        return [0.0 for _ in designs]

    assert kinds(assay, 2) == ["measured", "measured"]
    assay.source = ["measured", ValueSource("predicted", error=0.5)]
    assert kinds(partial(assay), 2) == ["measured", "predicted"]
    with pytest.raises(InvdesignError, match="sources of 3 properties, got 2"):
        value_sources(assay, 3)
    assay.source = "guessed"
    with pytest.raises(InvdesignError, match="one of measured, computed, predicted"):
        value_sources(assay, 1)


def test_sources_of_combined_oracles_stay_apart_and_survive_json():
    @stating(lambda *, scale=1.0: ValueSource("predicted", error=scale))
    def model(designs, *, scale=1.0):
        return [0.0 for _ in designs]

    sources = value_sources(partial(combine_oracles, oracles=[qed, partial(model, scale=2.0)]), 2)
    assert [source.kind for source in sources] == ["computed", "predicted"] and sources[1].error == 2.0
    assert sources_to_json(sources_from_json(sources_to_json(sources))) == sources_to_json(sources)
