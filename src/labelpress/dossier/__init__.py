"""Dossier: everything about one label version in one folder, to be checked without us."""
