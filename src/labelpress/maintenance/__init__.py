"""Maintenance: what a store no longer needs, found first and removed then."""
