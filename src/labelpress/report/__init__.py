"""The report: one self-contained HTML file that tells the story of a run."""

from __future__ import annotations

from labelpress.report.writing import render_again, write_report

__all__ = ["render_again", "write_report"]
