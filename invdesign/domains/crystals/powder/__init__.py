"""Powder patterns: reading, calculation, and the search for the crystals that explain a measured one."""
