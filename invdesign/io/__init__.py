"""Files: atomic writes, tables with rejected rows, spreadsheet-safe cells."""
