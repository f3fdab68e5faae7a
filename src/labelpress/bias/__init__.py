"""Bias: what the labels of each declared slice are like, and which heuristic makes a gap."""
