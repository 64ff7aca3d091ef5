"""Crystal files: CIF and other formats, tables, corpora, writers."""
