"""The application: durable campaigns in folders, their stages, and the cache of latent spaces."""
