"""The crystal VAE: graph encoding, layers, descriptors."""
