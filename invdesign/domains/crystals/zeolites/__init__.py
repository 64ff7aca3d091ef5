"""Silica frameworks: nets of T sites, geometry optimization, pores, adsorption."""
