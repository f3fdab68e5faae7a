"""
What a pathologist reads off the nuclei of a fine needle aspirate, as heuristics.

The measurements and their direction (the larger, the more suspicious) are those of Street,
Wolberg & Mangasarian, "Nuclear feature extraction for breast tumor diagnosis", 1993, and
Wolberg, Street, Heisey & Mangasarian, "Computer-derived nuclear features distinguish malignant
from benign breast cytology", Human Pathology 26, 1995. They give no cut-offs, so each threshold
is a quartile of its column over all 569 cases without their diagnoses, rounded: above the upper
quartile speaks for malignant, below the median for benign. Nobody looked at a diagnosis to
choose one.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from labelpress import column, heuristic

large_nuclei = heuristic(
    pl.col("worst_area") > 1084.0,
    label="malignant",
    owner="cytology",
    why="the largest nuclei are enlarged: upper quartile of worst_area; one of the three "
    "measurements that Street et al. 1993 separate the classes with",
)
dented_outline = heuristic(
    pl.col("worst_concave_points") > 0.161,
    label="malignant",
    owner="cytology",
    why="the nuclear membrane is notched: upper quartile of worst_concave_points",
)
deep_dents = heuristic(
    pl.col("mean_concavity") > 0.131,
    label="malignant",
    owner="cytology",
    why="the notches are deep: upper quartile of mean_concavity",
)
coarse_chromatin = heuristic(
    pl.col("worst_texture") > 29.7,
    label="malignant",
    owner="cytology",
    why="grey values vary within the nucleus, as clumped chromatin does: upper quartile of "
    "worst_texture",
)
mixed_sizes = heuristic(
    pl.col("area_error") > 45.2,
    label="malignant",
    owner="cytology",
    why="nuclei of one smear differ in size: upper quartile of area_error",
)


@heuristic(
    label="malignant",
    owner="cytology",
    why="the three largest nuclei tower over the average one: upper quartile of "
    "worst_radius / mean_radius",
)
def giant_nuclei(row: Any) -> bool:
    """Vote where the largest nuclei are far wider than the average nucleus of the smear."""
    return bool(row.worst_radius > 1.178 * row.mean_radius)


small_nuclei = heuristic(
    pl.col("worst_area") < 686.5,
    label="benign",
    owner="cytology",
    why="even the largest nuclei are small: below the median of worst_area",
)
smooth_outline = heuristic(
    pl.col("worst_concave_points") < 0.0999,
    label="benign",
    owner="cytology",
    why="the nuclear membrane has hardly a notch: below the median of worst_concave_points",
)
even_sizes = heuristic(
    pl.col("area_error") < 24.5,
    label="benign",
    owner="cytology",
    why="nuclei of one smear are alike in size: below the median of area_error",
)


@heuristic(
    label="benign",
    owner="cytology",
    why="fine chromatin in evenly shaped nuclei: below the medians of worst_texture and "
    "worst_concavity",
)
def calm_nuclei(row: Any) -> bool:
    """Vote where neither the grain nor the shape of the nuclei stands out."""
    return bool(row.worst_texture < 25.41 and row.worst_concavity < 0.2267)


screening = column(
    "screening",
    owner="intake",
    why="the intake's rule on area, texture and smoothness, the three measurements of Street et "
    "al. 1993; it is written with the data, see weeks.py",
)
