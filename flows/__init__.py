"""Prefect flows, one file per story that a person would trigger."""
