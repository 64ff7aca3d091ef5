"""Prototype structures occupied by ions: ionic radii, bond-length fit and the built-in corpus."""
