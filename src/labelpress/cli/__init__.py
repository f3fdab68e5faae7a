"""The command line: for looking. The flows are for running."""

from labelpress.cli.app import app

__all__ = ["app"]
