"""Oracles of crystals: computed properties and machine-learned potentials."""
