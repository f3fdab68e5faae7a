"""
A person with a browser: the form, a run, its summary, the run in MLflow, the asks.

With LABELPRESS_PICTURES set to a folder the pictures of the documents are written there.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest
from playwright.sync_api import expect, sync_playwright

from tests.programs import find_program
from tests.remote.fire.servers import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Locator, Page

pytestmark = [
    pytest.mark.remote,
    pytest.mark.system("chromium"),
    pytest.mark.timeout(900),
]

PATIENCE = 240.0
HOSTILE = (
    "<script>window.taken = 1</script>",
    "<img src=x onerror='window.taken = 1'>",
    "[here](javascript:window.taken=1)",
    "![here](x)",
    "**bold** ~~struck~~ `code`",
    "a | b",
    "=HYPERLINK('http://evil.example')",
    "\x1b[31mred\x1b[0m",
    "</code></pre><h1>big</h1>",
)
"""What a row may hold; nothing of it is to be anything but text."""
_CLI = "from labelpress.cli import app; app()"


@pytest.fixture(name="own", scope="module")
def _own(tmp_path_factory) -> Path:
    """A repository of one's own, as `labelpress init` writes it."""
    own = tmp_path_factory.mktemp("ui") / "labels"
    _call([sys.executable, "-c", _CLI, "init", str(own)], dict(os.environ))
    return own


@pytest.fixture(name="hostile", scope="module")
def _hostile(own) -> Path:
    """A project beside it whose rows hold what a page could take for its own."""
    project = own / "hostile"
    shutil.copytree(own / "project", project, ignore=shutil.ignore_patterns("store"))
    settings = project / "project.toml"
    settings.write_text(
        settings.read_text().replace('name = "starter"', 'name = "hostile"')
        + '\n[slices]\nattributes = ["kind"]\n'
    )
    for week in (project / "data").iterdir():
        rows = pl.read_parquet(week).with_row_index()
        kind = pl.col("index").map_elements(lambda n: HOSTILE[n % len(HOSTILE)], pl.String)
        megabytes = pl.when(pl.col("index") == 0).then(pl.lit("<b>x</b>" * 1_300_000))
        rows = rows.with_columns(
            kind=kind,
            subject=megabytes.otherwise(pl.col("subject") + " " + kind),
            ticket=pl.col("ticket") + kind,
        )
        rows.drop("index").write_parquet(week)
    return project


@pytest.fixture(name="address", scope="module")
def _address(own) -> Iterator[str]:
    """Its Prefect UI, with 30 rows asked and nothing printed."""
    folder, log = own.parent, own.parent / "log"
    environment = os.environ | {
        "PREFECT_HOME": str(folder / "prefect"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    environment.pop("PREFECT_API_URL", None)
    settings = own / "project" / "project.toml"
    settings.write_text(re.sub(r"^oracle.*\n", "", settings.read_text(), flags=re.MULTILINE))
    _call([sys.executable, "-c", _CLI, "bootstrap", str(own / "project")], environment)
    prefect, mlflow = free_port(), free_port()
    ports = ["--prefect-port", str(prefect), "--mlflow-port", str(mlflow)]
    with log.open("wb") as output:
        local = subprocess.Popen(
            [sys.executable, str(own / "deployments" / "local.py"), *ports],
            env=environment,
            stdout=output,
            stderr=output,
        )
    try:
        deadline = time.monotonic() + 2 * PATIENCE
        while b"Ctrl-C stops" not in log.read_bytes():
            assert local.poll() is None, log.read_text()[-4000:]
            assert time.monotonic() < deadline, log.read_text()[-4000:]
            time.sleep(1)
        yield f"http://127.0.0.1:{prefect}"
    finally:
        local.send_signal(signal.SIGTERM)
        local.wait(timeout=60)


@pytest.fixture(name="page")
def _page() -> Iterator[Page]:
    """A page of a browser without a screen."""
    # A container's root has no sandbox; the pages are our own.
    options = ["--no-sandbox", "--disable-dev-shm-usage"]
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(
            executable_path=find_program("chromium"), args=options
        ) as browser,
    ):
        page = browser.new_page(viewport={"width": 1000, "height": 860}, color_scheme="light")
        page.set_default_timeout(60_000)
        expect.set_options(timeout=60_000)
        yield page


@pytest.fixture(name="picture")
def _picture(tmp_path):
    """Keep a picture of what a person sees."""
    folder = Path(os.environ.get("LABELPRESS_PICTURES", tmp_path))

    def take(page: Page, name: str) -> None:
        page.wait_for_timeout(1_000)  # until what moves stands still
        page.screenshot(path=folder / f"{name}.png")

    return take


def test_a_value_that_cannot_be_right_is_refused_in_plain_words(address, page, picture):
    """Before a run is made; the message says what would be right."""
    _open_form(page, address, "relabel")
    expect(_field(page, "mode (Optional)").get_by_role("button").last).to_have_text("reprint")
    picture(page, "run-form")

    _fill(page, "period (Optional)", "second of March")
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_text("a day such as 2026-03-02, or nothing").first).to_be_visible()

    _open_form(page, address, "relabel")
    _fill(page, "cluster (Optional)", "thread")
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_text("local, threads, an address such as").first).to_be_visible()

    _open_form(page, address, "promote")
    _fill(page, "run", "r-1")
    _fill(page, "why", "checked")
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_text("'who' is a required property").first).to_be_visible()


def test_a_run_is_started_seen_to_its_end_and_found_in_mlflow(address, page, picture):
    """From the form to the summary's link, which opens the run's page in MLflow."""
    _open_form(page, address, "relabel")
    _fill(page, "cluster (Optional)", "threads")
    _start(page)
    expect(page.get_by_text("Completed", exact=True).first).to_be_visible(timeout=PATIENCE * 1000)
    page.reload()
    expect(page.get_by_text("12 Task runs")).to_be_visible()
    picture(page, "run-finished")

    page.get_by_text("Artifacts", exact=True).click()
    page.get_by_role("link", name="markdown summary").click()
    heading = "Published label version 1 for period"
    expect(page.get_by_role("heading", name=heading)).to_be_visible()
    picture(page, "run-summary")
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="/#/experiments/").click()
    expect(
        opened.value.get_by_role("heading", name="printing 1", exact=False).first
    ).to_be_visible()
    expect(opened.value.get_by_role("heading", name=heading)).to_be_visible()


def test_what_rows_hold_is_shown_as_text(address, page, hostile):
    """HTML, scripts, Markdown, formulas and escapes in values, ids and cells of ten megabytes."""
    asked: list[str] = []
    page.on("dialog", lambda dialog: asked.append(dialog.message) or dialog.dismiss())
    _open_form(page, address, "relabel")
    _fill(page, "project", str(hostile))
    _fill(page, "cluster (Optional)", "threads")
    _start(page)
    expect(page.get_by_text("Completed", exact=True).first).to_be_visible(timeout=PATIENCE * 1000)
    page.get_by_text("Artifacts", exact=True).click()
    page.get_by_role("link", name="markdown summary").click()
    expect(page.get_by_role("cell", name="kind = a | b")).to_be_visible()

    summary = page.get_by_role("table").filter(has_text="part of the labels").inner_text()

    for value in HOSTILE:
        assert f"kind = {value}".replace("\x1b", "") in summary.replace("\x1b", "")
    made = page.locator("strong, del, code, h1, a")
    assert made.filter(has_text=re.compile("^(bold|struck|code|big|here)$")).count() == 0
    assert page.locator("img[src='x']").count() == 0
    assert page.evaluate("window.taken") is None
    assert asked == []


def test_the_runs_to_come_are_listed(address, page):
    """On the deployment's page; without them schedules are dead."""
    _open(page, address, "relabel")
    page.get_by_text("Upcoming", exact=True).click()

    expect(page.get_by_text("Scheduled for", exact=False).first).to_be_visible()


def test_asks_are_answered_in_a_form(address, page, picture):
    """Four rows, of which one is answered; the run ends, the others stay open."""
    _open_form(page, address, "review")
    _fill(page, "who (Optional)", "kim")
    _fill(page, "rows (Optional)", "4")
    _start(page)
    page.get_by_role("button", name="Resume").click(timeout=PATIENCE * 1000)
    form = page.get_by_role("dialog")
    expect(form.get_by_text("4 rows of starter.")).to_be_visible()
    _field(form, "1 of 4 (Optional)").get_by_role("button").last.press("Space")
    page.get_by_text("other", exact=True).click()
    _fill(form, "Why? (1) (Optional)", "asks how to do something")
    picture(page, "review-form")

    _submit(page, form, "resume")

    expect(page.get_by_text("Completed", exact=True).first).to_be_visible(timeout=PATIENCE * 1000)


def _open(page: Page, address: str, flow: str) -> None:
    """Open the page of a flow's deployment."""
    page.goto(f"{address}/deployments")
    page.get_by_role("row", name=f"starter {flow}").get_by_role("link", name="starter").click()
    page.get_by_role("button", name="Run", exact=True).wait_for()


def _open_form(page: Page, address: str, flow: str) -> None:
    """Open the form of a flow's deployment, as the menu *Run*, *Custom run* does."""
    _open(page, address, flow)
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_text("Custom run").click()
    page.get_by_role("button", name="Submit").wait_for()


def _field(form: Page | Locator, label: str) -> Locator:
    """Return a field; Prefect's form ties no label to what one types into."""
    return form.locator(".schema-form-property", has_text=re.compile(f"^{re.escape(label)}"))


def _fill(form: Page | Locator, label: str, text: str) -> None:
    _field(form, label).locator("input, textarea").fill(text)


def _start(page: Page) -> None:
    """Submit the form, and go to the run."""
    _submit(page, page, "create_flow_run")
    # Prefect shows the message twice, one above the other, so a real click finds the other one.
    page.get_by_role("button", name="View run").first.dispatch_event("click")


def _submit(page: Page, form: Page | Locator, request: str) -> None:
    """
    Press Submit until the server takes it.

    On SQLite it answers 503 where another write came first. Prefect's clients then ask again; its
    pages say that something went wrong, and a person presses again: with the key, since that
    message lies above the button.
    """
    button = form.get_by_role("button", name="Submit")
    for _ in range(20):
        expect(button).to_be_enabled()  # it is not while the server is asked
        with page.expect_response(re.compile(f"/api/.+/{request}$")) as answer:
            button.press("Enter")
        if answer.value.status != 503:
            break
    assert answer.value.ok, answer.value.text()


def _call(command: list[str], environment: dict[str, str]) -> None:
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
