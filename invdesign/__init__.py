"""Inverse design through a learned latent space: the public names, nothing else."""
