"""Space-group symmetry: Wyckoff positions, canonical descriptions and structure matching."""
