"""The report: one page that opens without a network and tells what a campaign asked, found, and how far to trust it."""

from invdesign.report.data import ReportData
from invdesign.report.page import report

__all__ = ["ReportData", "report"]
