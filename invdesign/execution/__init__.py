"""Execution of oracles: in this process, in worker processes, or on any executor."""
