"""The auditable surface: what there is to read, and the share of labels on what cannot be read."""

from __future__ import annotations

import polars as pl
import pytest

from labelpress.surface import measure_surface

OPAQUE = """
from labelpress import column, keywords

begging = keywords(["subscribe"], label="spam", column="text")
again = keywords(["subscribe"], label="spam", column="text")
vendor = column("vendor")
"""


@pytest.fixture(name="vended")
def _vended(project):
    """Ten of twelve rows have a vendor's vote; of two of these heuristics say the same."""
    project.heuristics(OPAQUE)
    project.configure('oracle = "gold"\n', "")
    for part in ("day-1.parquet", "day-2.parquet", "day-3.parquet"):
        frame = project.frame(part)
        silent = pl.col("id").is_in(["b4", "c4"])
        project.write(part, frame.with_columns(vendor=pl.when(~silent).then("gold")))
    return project


def test_labels_rest_on_what_cannot_be_read(vended, cluster):
    """Ten labels, of which two stay without the vendor; equal heuristics are read once."""
    manifest = vended.print(cluster).gated.manifest

    assert manifest.surface == {
        "heuristics": 2,
        "lines": 2,
        "answers": 0,
        "annotators": 0,
        "opaque": ("vendor",),
        "opaque_share": 0.8,
        "sampled": False,
    }


def test_a_limit_holds_the_run(vended, cluster):
    """With what there is to read, in a sentence."""
    vended.configure("[end_model.features]", "[gate]\nmax_opaque_share = 0.5\n[end_model.features]")
    held = vended.print(cluster).gated.held

    assert len(held) == 1
    assert "80.0% of the labels rest on what cannot be read (vendor). 50.0% is allowed" in held[0]


def test_simulated_answers_are_opaque(project, cluster):
    """Nobody can ask an oracle why."""
    project.print(cluster)
    printed = project.print(cluster, "2026-03-09")
    surface = measure_surface(project.store.files, printed.gated.manifest, printed.fitted.answers)

    teaching = printed.fitted.answers.filter(~pl.col("reserved")).height
    assert surface.opaque == ("oracle",)
    assert surface.opaque_share == pytest.approx(teaching / printed.candidate.counts.labelled)
    assert f"{surface.answers} answers of 1 annotators" in surface.sentence()
