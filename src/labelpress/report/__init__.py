"""The report: one self-contained HTML file that tells the story of a run."""

from __future__ import annotations

from labelpress.report.page import render_report

__all__ = ["render_report"]
