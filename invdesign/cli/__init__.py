"""The commands: argument parsing and printing; nothing else prints."""

from invdesign.cli.main import main

__all__ = ["main"]
