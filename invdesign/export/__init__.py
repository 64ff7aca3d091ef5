"""Export of candidates: tables, the domain's own formats, deliverables and a manifest."""

from invdesign.export.candidates import Exported, export
from invdesign.export.provenance import git_commit, provenance
from invdesign.export.result_table import candidate_table, interpolation_table

__all__ = ["Exported", "candidate_table", "export", "git_commit", "interpolation_table", "provenance"]
