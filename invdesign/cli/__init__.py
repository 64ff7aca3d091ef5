"""The commands: argument parsing and printing; nothing else prints."""

from invdesign.cli.main import main
from invdesign.cli.terminal import progress

__all__ = ["main", "progress"]
