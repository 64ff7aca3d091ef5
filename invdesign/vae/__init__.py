"""The room of VAEs: models, the one training loop, diagnosis, and models on disk."""
