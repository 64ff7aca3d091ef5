"""Output for users: deliverables, drawings, interactive structures."""
