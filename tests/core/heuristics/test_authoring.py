"""Writing heuristics: what is taken, and what is said about each mistake."""

from __future__ import annotations

import re

import pytest

from labelpress.errors import HeuristicError, ProjectError


def test_the_module_s_attributes_are_the_heuristics_in_order(load):
    """Names come from the attributes, private ones and helpers are left out."""
    found = load(
        """
        b = keywords(["x"], label="spam", column="text", owner="me", why="because", precision=0.9)
        LIMIT = 3
        def helper(row):
            return row.n > LIMIT
        a = heuristic(pl.col("n") > LIMIT, label="ham")
        _own = heuristic(pl.col("n") > 9, label="ham")
        c = heuristic(helper, label="spam")
        from other import d
        @heuristic(label="ham", reads=["n", "text"])
        def e(row):
            return bool(row)
        f = lookup({"a": "ham", "b": None}, column="text")
        g = column("vendor")
        h = regex(r"x+", label="ham", column="text")
        @heuristic(batch=True)
        def i(frame):
            return frame["vendor"]
        """,
        other="""
        from labelpress.heuristics import heuristic
        @heuristic()
        def d(row):
            return row["vendor"]
        """,
    )

    assert {name: (h.kind, h.label, h.columns) for name, h in found.items()} == {
        "b": ("keywords", "spam", ("text",)),
        "a": ("expression", "ham", ("n",)),
        "c": ("function", "spam", ("n",)),
        "d": ("function", None, ("vendor",)),
        "e": ("function", "ham", ("n", "text")),
        "f": ("lookup", None, ("text",)),
        "g": ("column", None, ("vendor",)),
        "h": ("regex", "ham", ("text",)),
        "i": ("batch", None, None),
    }
    assert list(found) == list("bacdefghi")
    assert (found["b"].owner, found["b"].why, found["b"].precision) == ("me", "because", 0.9)
    assert found["d"].code == '@heuristic()\ndef d(row):\n    return row["vendor"]'


def test_a_decorated_function_can_still_be_called(load):
    """A row function stays a function, for tests and for other heuristics."""
    from types import SimpleNamespace  # noqa: PLC0415

    shouting = load(
        """
        @heuristic(label="spam")
        def shouting(row):
            return row.text.isupper()
        """
    )["shouting"]

    assert shouting.definition(SimpleNamespace(text="A")) is True


@pytest.mark.parametrize(
    ("body", "columns"),
    [
        ("return row.text in row['title']", ("text", "title")),
        ("return helper(row) and row.n", ("n", "text")),
        ("return [x for x in row.tags if x == row.text]", ("tags", "text")),
        ("return len(row) > 2", None),
        ("return row[name]", None),
        ("return row.get('x')", None),
        ("return unknown(row)", None),
        ("row.text = 'x'\n    return True", None),
        ("r = row\n    return r.text", None),
        ("return True", ()),
    ],
)
def test_columns_of_a_row_function_are_inferred_where_they_show(load, body, columns):
    """Attributes and items are found, through helpers too; other uses need all columns."""
    source = (
        f"def helper(r):\n    return r.text\n@heuristic(label='ham')\ndef f(row):\n    {body}\n"
    )

    assert load(source)["f"].columns == columns


def test_a_compiled_pattern_keeps_its_flags(load):
    """Regex takes what re.compile made."""
    rule = load('import re\nr = regex(re.compile("x", re.I | re.S), label="ham", column="text")')

    assert rule["r"].definition.rule.pattern == "(?is)x"
    assert re.search(rule["r"].definition.rule.pattern, "X")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("@heuristic\ndef f(row):\n    return True", "'f' is missing its parentheses: write @heu"),
        ("f = heuristic(label='ham')", "f = heuristic.* has neither an expression nor a function"),
        ("f = heuristic('ham')", r"neither an expression nor a function.*label='ham'"),
        ("f = heuristic(pl.col('a') > 1, label='spm')", "f: 'spm' is not a class.*mean 'spam'"),
        ("f = heuristic(pl.col('a') > 1, label=1)", "label is the name of a class as text, not in"),
        ("f = heuristic(pl.col('a') > 1, labl='ham')", "'labl' is not an option"),
        ("f = heuristic(pl.col('a') > 1, label='ham', precision=80)", r"precision is a share in"),
        ("f = heuristic(pl.col('a') > 1, label='ham', reads=['a'])", "reads, resources and batch"),
        ("@heuristic(label='ham', reads='a')\ndef f(row): ...", r"write reads=\['a'\]"),
        ("@heuristic(label='ham')\n@heuristic(label='ham')\ndef f(row): ...", "twice"),
        ("f = keywords('word', label='ham', column='t')", r"write keywords\(\['word'\]"),
        ("f = keywords([], label='ham', column='t')", "list of words is empty"),
        ("f = keywords(['a', ''], label='ham', column='t')", "an empty word"),
        ("f = keywords([1], label='ham', column='t')", "keywords takes words, not int"),
        ("f = keywords(['a'], label=None, column='t')", "label is the name of a class as text"),
        ("f = keywords(['a'], label='ham', column=pl.col('t'))", "column is the name of a column"),
        ("f = regex('(?<=a)b', label='ham', column='t')", "look-around.*linear time.*row function"),
        (r"f = regex(r'(a)\1', label='ham', column='t')", "backreferences are not supported"),
        ("f = regex('(', label='ham', column='t')", "is refused: unclosed group"),
        ("f = lookup(['a'], column='t')", "a collection of values needs a label"),
        ("f = lookup({'a': 'hum'}, column='t')", "'hum' is not a class.*mean 'ham'"),
        ("f = lookup('tables/x.csv', column='t')", "no file 'tables/x.csv'.*mean 'tables/y.csv'"),
        ("f = lookup('tables/y.csv', column='t', key='kee')", "no column 'kee'. Did you mean 'key"),
        ("f = lookup('tables/twice.csv', column='t')", "has 'a' twice, as 'ham' and as 'spam'"),
        ("f = column('c', values={'x': 'hamm'})", "'hamm' is not a class"),
        ("f = from_snorkel(print, ['ham'])", "from_snorkel takes what @labeling_function"),
        ("f = heuristic(pl.col('a') > pl.col('a').mean(), label='ham')", "f: .* aggregates over r"),
        ("f = heuristic(pl.len() > 2, label='ham')", "f: the expression counts rows"),
        ("f = heuristic(pl.col('a').rank().over('b') > 2, label='ham')", r"uses \.over\(\)"),
        ("f = heuristic(pl.col('a').shift() > 2, label='ham')", r"uses \.shift\(\)"),
        ("f = heuristic(pl.col('a').is_duplicated(), label='ham')", "compares rows"),
        (
            "f = model('models:/m@champion', print, label='ham', load=print, reads=['a'])",
            "does not pin a version",
        ),
    ],
)
def test_each_mistake_is_said_with_the_way_out(load, line, message):
    """What an author gets wrong is an error that names the heuristic and says what is right."""
    files = {"tables/y.csv": "key,vote\na,ham\n", "tables/twice.csv": "key,vote\na,ham\na,spam\n"}

    with pytest.raises(HeuristicError, match=f"(?s){message}"):
        load(line, files)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1", "holds no heuristic"),
        ("_x = column('a')", "hidden by its leading underscore"),
    ],
)
def test_a_project_without_heuristics_is_refused(load, source, message):
    """No heuristic at all is an error of the project, with a guess at why."""
    with pytest.raises(ProjectError, match=message):
        load(source)


def test_an_expression_may_aggregate_within_its_own_row(load):
    """Aggregating the list in a cell is no look at other rows."""
    found = load(
        """
        a = heuristic(pl.col("l").list.mean() > 2, label="ham")
        b = heuristic(pl.col("l").list.eval(pl.element() > pl.element().mean()).list.any(),
                      label="ham")
        c = heuristic(pl.sum_horizontal("x", "y") > 2, label="ham")
        d = heuristic(pl.col("Len") > 2, label="ham")
        """
    )

    assert [h.columns for h in found.values()] == [("l",), ("l",), ("x", "y"), ("Len",)]
