"""Several runs of one campaign: grids, launchers, their index, comparison and tuning."""
