"""Slices are declared in project.toml and decided row by row."""

from __future__ import annotations

import polars as pl
import pytest

from labelpress.errors import ProjectError
from labelpress.project import parse_settings
from labelpress.slices import (
    LONGEST_VALUE,
    MOST_VALUES,
    SlicesSettings,
    attribute_of,
    check_columns,
    crowded,
    members,
    sort_rows,
)

ROWS = pl.DataFrame({"lang": ["de", "en", None, "de"], "age": [3, 40, 8, None]})
TOML = 'name = "x"\n[source]\nuri = "d"\nid = "id"\n[classes]\nnames = ["a", "b"]\n[slices]\n'


def masks(settings, rows=ROWS):
    """Return the rows of each slice by position."""
    found = sort_rows(rows, settings)
    return {name: mask.arg_true().to_list() for name, mask in members(found)}


def test_a_condition_is_a_slice_and_so_is_each_value_of_an_attribute():
    """Null meets no condition, and is a value of its own."""
    settings = SlicesSettings(attributes=("lang",), where={"new": "age < 10", "old": "age >= 10"})

    assert masks(settings) == {
        "lang = de": [0, 3],
        "lang = en": [1],
        "lang is null": [2],
        "new": [0, 2],
        "old": [1],
    }
    assert settings.columns == {"lang", "age"}


@pytest.mark.parametrize(
    ("name", "attribute"), [("lang = a = b", "lang"), ("lang is null", "lang"), ("new", "")]
)
def test_a_slice_tells_its_attribute(name, attribute):
    """A condition has none."""
    assert attribute_of(name) == attribute


def test_an_attribute_with_too_many_values_gives_no_slices():
    """It would name rows rather than kinds of rows."""
    rows = pl.DataFrame({"lang": [str(i) for i in range(MOST_VALUES + 1)]})
    settings = SlicesSettings(attributes=("lang",))

    assert masks(settings, rows) == {}
    assert crowded(sort_rows(rows, settings)) == ("lang",)
    assert len(masks(settings, rows.head(MOST_VALUES))) == MOST_VALUES


def test_an_attribute_that_holds_texts_gives_no_slices():
    """A cell of megabytes would be a name in every summary."""
    longest = pl.DataFrame({"lang": ["a" * LONGEST_VALUE, "b"]})
    settings = SlicesSettings(attributes=("lang",))

    assert len(masks(settings, longest)) == 2
    assert masks(settings, longest.with_columns(pl.col("lang") + "!")) == {}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('where = { new = "age <" }', "slices = .*where.new: 'age <' is no SQL condition"),
        ('where = { new = "age > avg(age)" }', "where.new: .* looks at other rows"),
        ('where = { new = "1 = 1" }', "where.new: '1 = 1' reads no column"),
        ('where = { "a b" = "age < 3" }', "where.a b: a name is letters"),
        ('attributes = ["lang"]\nwhere = { lang = "age < 3" }', "'lang' is an attribute already"),
        ('atributes = ["lang"]', "Did you mean 'attributes'"),
    ],
)
def test_what_is_no_slice_is_refused(line, message):
    """Before anything is read, with the key and the value."""
    with pytest.raises(ProjectError, match=message):
        parse_settings(TOML + line)


def test_a_column_that_is_not_there_is_named():
    """With the nearest one."""
    with pytest.raises(ProjectError, match=r"\[slices\]: .* no column 'agee'. Did you mean 'age'"):
        check_columns(SlicesSettings(where={"new": "agee < 3"}), ROWS.columns)


@pytest.mark.parametrize(
    ("condition", "message"), [("age + 1", "gives Int64"), ("lang < 3", "cannot be decided")]
)
def test_a_condition_of_the_wrong_type_is_named(condition, message):
    """Where the columns' types are known."""
    with pytest.raises(ProjectError, match=message):
        sort_rows(ROWS, SlicesSettings(where={"new": condition}))


def test_an_attribute_of_lists_is_refused():
    """A list names no kind of row; a condition on it may."""
    rows = pl.DataFrame({"tags": [["a"], ["b", "c"]]})

    with pytest.raises(
        ProjectError, match=r"attributes: a value of column 'tags' is List\(String\)"
    ):
        sort_rows(rows, SlicesSettings(attributes=("tags",)))
