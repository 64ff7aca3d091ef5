"""Oracles computed from the sequence alone: known values and values by hand."""

import math

import numpy as np
import pytest

from invdesign.core import InvdesignError
from invdesign.domains.sequences.oracles import physics
from invdesign.testing import check_oracle

MELITTIN = "GIGAVLKVLTTGLPALISWIKRKRQQ"
MAGAININ = "GIGKFLHSAKKFGKAFVGEIMNS"
PROTEIN = (
    physics.isoelectric_point,
    physics.charge,
    physics.gravy,
    physics.instability,
    physics.protein_weight,
    physics.aromaticity,
    physics.hydrophobic_share,
    physics.hydrophobic_moment,
)
DNA = (physics.gc_content, physics.melting_temperature)


@pytest.mark.parametrize(
    ("oracle", "design", "value", "within"),
    [
        (physics.protein_weight, MELITTIN, 2847.45, 0.01),
        (physics.protein_weight, MAGAININ, 2466.90, 0.01),
        (physics.isoelectric_point, MELITTIN, 12.0, 0.05),
        (physics.gravy, "AR", (1.8 - 4.5) / 2, 1e-12),
        (physics.aromaticity, "FWYA", 0.75, 1e-12),
        (physics.hydrophobic_share, "ACDE", 0.5, 1e-12),
        (physics.gc_content, "GATTACA", 2 / 7, 1e-12),
        (physics.gc_content, "GAUU", 1 / 4, 1e-12),
    ],
)
def test_known_values(oracle, design, value, within):
    assert oracle([design])[0] == pytest.approx(value, abs=within)


def test_lysine_is_charged_except_at_a_high_ph():
    few, many = physics.charge(["AKA", "AKKKA"])
    assert many - few == pytest.approx(2, abs=0.01)
    assert physics.charge(["AKKKA"], ph=13.5)[0] < 0


def test_the_hydrophobic_moment_by_hand():
    # On opposite sides isoleucine (1.38) and lysine (-1.5) add up; on one side they nearly cancel.
    assert physics.hydrophobic_moment(["IK"], angle=180)[0] == pytest.approx((1.38 + 1.5) / 2)
    assert physics.hydrophobic_moment(["IK"], angle=0)[0] == pytest.approx((1.5 - 1.38) / 2)
    # A helix with leucines on one face, and the same residues in another order.
    amphipathic, shuffled = physics.hydrophobic_moment(["LKKLLKLLKKLLKL", "LLLLLLLLKKKKKK"])
    assert amphipathic > 3 * shuffled
    assert physics.hydrophobic_moment(["AAIKAA"], angle=180, window=2)[0] == pytest.approx((1.38 + 1.5) / 2)
    with pytest.raises(InvdesignError, match="window"):
        physics.hydrophobic_moment(["A"], window=-1)


def test_the_melting_temperature_by_hand():
    # Initiation, five neighbours and one end of A and T (kcal/mol; cal/mol/K) at 1 mol/l of sodium.
    enthalpy = 0.2 - 10.6 - 8.4 - 7.6 - 8.5 - 8.2 + 2.2
    entropy = -5.7 - 27.2 - 22.4 - 21.3 - 22.7 - 22.2 + 6.9
    by_hand = 1000 * enthalpy / (entropy + 1.987 * math.log(25e-9 / 2)) - 273.15
    assert physics.melting_temperature(["CGTTGA"], sodium=1000)[0] == pytest.approx(by_hand, abs=0.01)
    cool, warm = (physics.melting_temperature(["ACGTTGCAACGTTGCAGCTA"], sodium=salt)[0] for salt in (50, 200))
    assert warm > cool + 5


@pytest.mark.parametrize(("oracles", "design"), [(PROTEIN, MELITTIN), (DNA, "GATTACAGATTACA")])
def test_undefined_values_are_nan_and_do_not_affect_others(oracles, design):
    for oracle in oracles:
        check_oracle(oracle, [design, "", "B*", "AC-", "ac", design[:9]], m=1)
        values = oracle(["", design, "AXB", "A-C"])
        np.testing.assert_array_equal(np.isnan(values), [True, False, True, True])
        assert oracle([]).shape == (0,)
    assert np.isnan(physics.melting_temperature(["A", "ACGU"])).all()
