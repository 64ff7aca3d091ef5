"""Latent spaces: a domain with its trained VAE, the density of real designs, and fine-tuning."""
