"""Naturalness of sequences: site-independent, pairwise and VAE likelihoods."""
