"""DNA synthesis: codon optimization, vendor limits and their validators."""
