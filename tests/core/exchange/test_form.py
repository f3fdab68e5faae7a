"""The form of asks: what it offers, what it shows, and how it is read."""

from __future__ import annotations

import polars as pl
import pytest
from pydantic import ValidationError, create_model

from labelpress.classes import Classes
from labelpress.exchange.form import NOT_NOW, SKIP, form_fields, read_form
from labelpress.exchange.showing import Shown

CLASSES = Classes(("ham", "spam"))


def _form(text="a text", who=""):
    asks = pl.DataFrame({"ask_id": ["a1"], "reason": ["drawn at random"]})
    shown = Shown(asks, pl.DataFrame({"text": [text]}), 0)
    return create_model("Form", **form_fields(shown, CLASSES, who))


def test_the_choices_are_the_classes_and_two_ways_out():
    """Not now is where each choice begins, so that nobody answers by accident."""
    field = _form().model_json_schema()["properties"]["a1"]

    assert field["enum"] == [NOT_NOW, "ham", "spam", SKIP]
    assert field["default"] == NOT_NOW


@pytest.mark.parametrize("values", [{}, {"annotator": " "}, {"annotator": "ada", "a1": "eggs"}])
def test_a_form_without_a_name_or_with_another_class_is_refused(values):
    """Prefect sends it back."""
    with pytest.raises(ValidationError):
        _form()(**values)


def test_what_was_left_for_later_is_no_answer():
    """A skip is one, without a label; the minutes are shared by what was answered."""
    said = read_form(
        {
            "annotator": "ada",
            "a1": "spam",
            "a1.why": "begs",
            "a2": SKIP,
            "a3": NOT_NOW,
            "minutes": 3,
        }
    )

    columns = ("ask_id", "label", "annotator", "seconds", "seconds_source", "rationale", "tool")
    assert said.lines.select(columns).rows() == [
        ("a1", "spam", "ada", 90.0, "declared", "begs", "prefect"),
        ("a2", None, "ada", 90.0, "declared", None, "prefect"),
    ]


@pytest.mark.parametrize(
    "text", ["![x](http://tracker/x.png)", "<img src=x>", "[press](http://evil)", "https://x.org"]
)
def test_a_row_makes_no_link_picture_or_tag(text):
    """The page may take it for markdown; read by a person it is the same text."""
    shown = _form(text).model_json_schema()["properties"]["a1"]["description"]

    assert text not in shown
    assert shown.replace("\u2060", "").startswith(text)


def test_a_long_row_is_cut():
    """A form is no place for a book."""
    shown = _form("x" * 100_000).model_json_schema()["properties"]["a1"]["description"]

    assert len(shown) < 2000
