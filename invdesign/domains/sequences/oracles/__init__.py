"""Oracles of sequences: physics, lookup tables, regressions, Ehrlich functions."""
