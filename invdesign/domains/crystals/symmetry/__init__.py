"""Space-group symmetry: Wyckoff positions, canonical descriptions, structure matching."""
