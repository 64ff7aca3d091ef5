"""Texts of small crystals in several formats."""

HEAD = """data_x
_cell_length_a {a}
_cell_length_b {b}
_cell_length_c {a}
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
{stated}
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
{atoms}
"""
POSCAR = """MgO
1.0
4.212 0 0
0 4.212 0
0 0 4.212
Mg O
4 4
Direct
0 0 0
0 .5 .5
.5 0 .5
.5 .5 0
.5 .5 .5
.5 0 0
0 .5 0
0 0 .5
"""
FM3M = "_symmetry_space_group_name_H-M 'F m -3 m'"
ORIGIN_1, ORIGIN_2 = ("_space_group_name_H-M_alt 'F d -3 m:1'", "_space_group_name_H-M_alt 'F d -3 m:2'")


def cif(atoms="Na1 Na 0 0 0\nCl1 Cl .5 .5 .5", stated=FM3M, a="5.64", b=None):
    """Return a CIF of rock salt, or of other atoms."""
    return HEAD.format(a=a, b=b or a, stated=stated, atoms=atoms)


def operators(*texts):
    """Return a loop of symmetry operators."""
    return "loop_\n_symmetry_equiv_pos_as_xyz\n" + "\n".join(f"'{text}'" for text in texts)


def diamond(stated, x):
    """Return a CIF of diamond with the atom at `(x, x, x)`."""
    return cif(f"C1 C {x} {x} {x}", stated, a="3.567")


def structure_dictionary(occupancy=1.0):
    """Return rock salt as pymatgen writes it in JSON."""
    sites = [("Na", [0, 0, 0]), ("Na", [0, 0.5, 0.5]), ("Na", [0.5, 0, 0.5]), ("Na", [0.5, 0.5, 0])]
    sites += [("Cl", [0.5, 0.5, 0.5]), ("Cl", [0.5, 0, 0]), ("Cl", [0, 0.5, 0]), ("Cl", [0, 0, 0.5])]
    listed = [{"species": [{"element": e, "occu": occupancy}], "abc": x} for e, x in sites]
    matrix = [[5.64, 0, 0], [0, 5.64, 0], [0, 0, 5.64]]
    return {"@module": "pymatgen.core.structure", "@class": "Structure", "lattice": {"matrix": matrix}, "sites": listed}
