"""Domains: molecules, crystals and sequences; each contains the science of one kind of design."""
