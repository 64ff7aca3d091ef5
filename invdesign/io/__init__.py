"""Files: atomic writes, tables of designs, datasets, caches of corpora, spreadsheet-safe cells."""
