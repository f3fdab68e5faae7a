"""The tickets example: a synthetic stream of support tickets in which faults are planted."""
