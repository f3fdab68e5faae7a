"""Example projects, and the demo that runs one of them."""
