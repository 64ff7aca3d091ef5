"""Order files, plate layouts and figures of sequences."""
