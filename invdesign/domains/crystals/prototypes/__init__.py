"""Prototype structures decorated with ions: radii, bond lengths, the built-in corpus."""
