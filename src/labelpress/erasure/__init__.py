"""Erasure: rows and their texts out of everything a store has kept of them."""
