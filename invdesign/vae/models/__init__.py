"""Variational autoencoders: sequence models read letter by letter, and models of aligned sequences."""
