"""Diff: what changed between two label versions, and what caused each change."""
