"""The domain wing: one room per kind of design; each knows its science and nothing of optimization."""
