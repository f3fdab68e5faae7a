"""The words of a report that a newcomer may not know, each with its meaning."""

from __future__ import annotations

from typing import Final

_PROGRAM = (
    "A rule that votes for a class or abstains; the label that the label model makes of all votes "
    "on a row, without an expert."
)
_CELL = (
    "What one heuristic says of one part of the data. It is computed once and reused until the "
    "heuristic or the part changes."
)
_BASIS = (
    "How an amount is known: by a clock, by the project's settings, or by a rule such as seconds "
    "per answer."
)
_MIX = (
    "What the end model learns from. program: labels that programs gave; answers: answers alone; "
    "offset: program labels, corrected by what the answers say; surest 50%: only the surer half of "
    "the program labels."
)

WORDS: Final = (
    ("period, printing", "The week or day a run is for; each run of it that is published."),
    ("heuristic, program label", _PROGRAM),
    ("vote cell", _CELL),
    ("audit", "A row drawn at random for an expert; a reserved one certifies and never teaches."),
    (
        "certified, wide",
        "The interval rests on enough reserved audits to be trusted; wide: more than ten points.",
    ),
    ("target", "[experts] target_accuracy: once it is proven only reserved audits are asked."),
    ("coverage, churn", "The share of rows that have a label; of known rows whose label changed."),
    ("measured, declared, modelled", _BASIS),
    (
        "label model, auto",
        "Weighs the votes on a row; auto is the average of three, or without answers a majority.",
    ),
    (
        "end model, champion, challenger",
        "A classifier trained on the labels; the one that serves; a new one that does not yet.",
    ),
    ("training mix", _MIX),
    ("log loss", "How far probabilities are from what is true; 0 is perfect, less is better."),
)
"""Each with what it means."""
