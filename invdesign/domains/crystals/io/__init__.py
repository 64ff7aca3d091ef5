"""Files of crystals: CIF and other formats, tables, corpora, writers."""
