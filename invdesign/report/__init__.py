"""The report: one page that opens without a network and tells what a campaign asked, found, and how far to trust it."""

from invdesign.report.page import report
from invdesign.report.story import Story

__all__ = ["Story", "report"]
