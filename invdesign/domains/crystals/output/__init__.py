"""Output for people: deliverables, drawings, interactive structures."""
