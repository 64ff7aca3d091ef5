"""Oracles of crystals: computed properties and a machine-learned interatomic potential."""
