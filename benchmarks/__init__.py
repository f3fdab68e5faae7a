"""Benchmarks: each prints a table, writes JSON beside it, and gives ratios from one run."""
