"""The report to look at: one HTML file that needs nothing else. `write_report` is the only door."""

from relational_iqa.report.html import write_report

__all__ = ["write_report"]
