"""
The stages of a run, one file each.

Each has functions that a worker calls for one partition, and one that the flow's process calls and
that joins their results. The manifest grows from stage to stage; it is the run's whole state.
"""
