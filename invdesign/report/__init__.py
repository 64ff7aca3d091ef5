"""HTML reports that need no network: result of a campaign, quality of its models, and how it was run."""

from invdesign.report.data import ReportData
from invdesign.report.page import report
from invdesign.report.pareto_plots import write_pareto_plots

__all__ = ["ReportData", "report", "write_pareto_plots"]
