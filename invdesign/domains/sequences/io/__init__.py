"""Sequence files: FASTA and other formats, tables, corpora, writers."""
