"""Configuration: composition with Hydra, validation, instantiation, shipped files, YAML safety."""
