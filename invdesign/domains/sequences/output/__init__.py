"""Output for people: order files, plates, figures."""
