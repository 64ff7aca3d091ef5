"""Export of candidates: tables, the domain's own formats, deliverables and a manifest."""

from invdesign.export.candidates import Exported, export, table
from invdesign.export.provenance import commit, provenance

__all__ = ["Exported", "commit", "export", "provenance", "table"]
