"""The exchange with experts: asks out to the tools they use, answers back in, each once."""
