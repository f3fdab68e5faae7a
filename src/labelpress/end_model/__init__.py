"""End models: what is trained on a label version, on program labels and answers together."""
