"""The room of the map: a domain seen through its trained VAE, and how dense real designs are on it."""
