"""Variational autoencoders: models, losses, priors, training, diagnostics, and storage."""
