"""Prefect tasks, one file per stage; the work is done in `labelpress.stages`."""
