"""Silica frameworks: nets, geometry optimization, pores, adsorption."""
