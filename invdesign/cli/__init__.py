"""The door: the commands, and the only room where Hydra and OmegaConf are known."""

from invdesign.cli.main import main

__all__ = ["main"]
