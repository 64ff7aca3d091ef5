"""Files of sequences: FASTA and other formats, tables, corpora, writers."""
