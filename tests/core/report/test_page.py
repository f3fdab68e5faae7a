"""The report is one file that opens anywhere, shows no one else's markup, and can be told again."""

from __future__ import annotations

import base64
import html
import io
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest
from matplotlib.image import imread

from labelpress.amounts import usd_text
from labelpress.errors import LabelpressError
from labelpress.report import render_again
from labelpress.report.words import WORDS
from labelpress.report.writing import IN_MARKDOWN

SECTIONS = (
    "What changed, and why",
    "How right the labels are",
    "What the period cost",
    "Where the expert minutes went",
    "Heuristics, by what they add and cost",
    "The gate",
    "Models",
)


class Outline(HTMLParser):
    """What a browser would make of a page: tags, addresses and texts."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.addresses, self.handlers, self.text = [], [], [], ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        """Keep what may reach outside or run."""
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in {"src", "href"}]
        self.handlers += [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data):
        """Keep what a person reads."""
        self.text += data


@pytest.fixture(name="run", params=["first", "second", "held"])
def _run(request, books):
    return getattr(books, request.param)


def test_it_reaches_for_nothing_outside(books, run):
    """No script, no link, no address but pictures inside the file; below 3 MB."""
    page = books.page(run)
    outline = Outline(page)

    assert not {"script", "link", "iframe", "object", "a"} & set(outline.tags)
    assert outline.handlers == []
    assert outline.addresses
    assert all(one.startswith("data:image/svg+xml;base64,") for one in outline.addresses)
    assert "url(" not in page
    assert len(page.encode()) < 3_000_000


def test_what_comes_from_the_data_is_text(books, run):
    """A class or a reason that looks like markup is shown as it is written, also in figures."""
    outline = Outline(books.page(run))

    assert "<script>alert('$x$')</script>" in outline.text
    assert "<img src=x>" in outline.text
    for address in outline.addresses:
        drawn = ET.fromstring(base64.b64decode(address.partition(",")[2]))  # noqa: S314  our own
        assert "script" not in {element.tag.rpartition("}")[2] for element in drawn.iter()}


def test_every_figure_follows_the_colour_scheme(books):
    """Each has a dark palette of its own, since it is a picture in the page."""
    addresses = Outline(books.page(books.second)).addresses

    assert len(addresses) >= 6
    for address in addresses:
        svg = base64.b64decode(address.partition(",")[2]).decode()
        assert "prefers-color-scheme:dark" in svg
        assert "var(--c" in svg


def test_it_has_every_part(books, run):
    """What changed, accuracy, cost, minutes, heuristics, gate and models, whatever came of it."""
    text = Outline(books.page(run)).text

    for section in SECTIONS:
        assert section in text


def test_a_held_run_says_what_consumers_read(books):
    """And that a person can publish it."""
    text = Outline(books.page(books.held)).text

    assert "Held:" in text
    assert "goes on reading label version 2" in text
    assert "flow promote" in text


def test_it_is_told_again_byte_by_byte(books, run):
    """From the store alone, though more was printed and booked since."""
    assert render_again(books.store, run) == books.page(run)


def test_a_run_without_a_record_has_no_report(books):
    """The error says what to do."""
    with pytest.raises(LabelpressError, match=r"no report yet.*Run relabel again"):
        render_again(books.store, "2026-03-02-none")


def test_the_amounts_are_those_of_the_ledger(books, run):
    """Period, kinds and all periods so far."""
    story, text = books.story(run), Outline(books.page(run)).text

    assert sum(line.usd for line in story.lines) == pytest.approx(story.costs.total_usd)
    for usd in (
        story.costs.total_usd,
        story.costs.expert_usd,
        story.costs.hand_usd,
        story.so_far.total_usd,
    ):
        assert usd_text(usd) in text
    for line in story.lines:
        assert usd_text(line.usd, short=True) in text


def test_the_short_version_has_pictures_on_white(books):
    """Verdict first, then the three questions; PNG in data addresses, which Markdown shows."""
    record = books.records[books.second]

    assert record.markdown.startswith("## Published label version 2")
    for question in ("What did this period cost?", "Why so much?", "Are the labels good?"):
        assert f"**{question}**" in record.markdown
    assert "<script" not in record.markdown
    assert record.pictures.count("](data:image/png;base64,iVBOR") == len(IN_MARKDOWN)
    assert len(record.pictures) < 200_000
    for address in re.findall(r"base64,([^)]+)\)", record.pictures):
        picture = imread(io.BytesIO(base64.b64decode(address)))
        assert picture[0, 0].tolist() == [1, 1, 1, 1]
        assert picture[..., 3].min() == 1


def test_tables_of_the_short_version_have_no_sentences(books):
    """Prefect's page cuts long cells, and what is cut is the reason."""
    cells = [line for line in books.records[books.held].markdown.split("\n") if line[:1] == "|"]

    assert cells
    assert max(len(html.unescape(line)) for line in cells) < 110


def test_a_reader_finds_labels_asks_and_the_mlflow_run(books):
    """The page links nowhere, so it says where things are; a held run has no labels of its own."""
    text, held = (Outline(books.page(run)).text for run in (books.second, books.held))

    assert "labelpress.read_labels(STORE, version=2)" in text
    assert "labelpress asks export PROJECT" in text
    assert "2026-03-09 printing 1" in text
    assert "2026-03-16 held" in held
    assert "read_labels(STORE" not in held
    for word, meaning in WORDS:
        assert word in text
        assert meaning in text


def test_the_figures_lie_in_the_store_for_mlflow(books):
    """The same ones as in the page."""
    names = books.store.files.names(f"runs/{books.second}/figures")

    assert {"cost.svg", "accuracy.svg", "heuristics.svg", "minutes.svg", "base-rate.svg"} <= set(
        names
    )
    page = books.page(books.second)
    for name in names:
        drawn = books.store.files.read_bytes(f"runs/{books.second}/figures/{name}")
        assert base64.b64encode(drawn).decode() in page
