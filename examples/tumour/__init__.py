"""The tumour example: real diagnoses, heuristics such as a pathologist would state."""
