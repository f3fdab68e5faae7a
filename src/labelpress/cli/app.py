"""The commands. Each imports what it needs when called, since MLflow and Dask take seconds."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, ParamSpec, TypeVar

import typer

from labelpress.cli.terminal import Terminal
from labelpress.errors import LabelpressError

if TYPE_CHECKING:
    from collections.abc import Callable

Params = ParamSpec("Params")
Result = TypeVar("Result")

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Look at a labelpress project; the flows run it.",
    rich_markup_mode=None,
)
asks = typer.Typer(no_args_is_help=True, help="Rows put before the experts.")
answers = typer.Typer(no_args_is_help=True, help="What came back from the experts.")
app.add_typer(asks, name="asks")
app.add_typer(answers, name="answers")
console = Terminal()
errors = Terminal(stderr=True)

AskFormat = Literal["csv", "jsonl", "prodigy", "argilla"]
ProjectFolder = Annotated[str, typer.Argument(help="Folder of the project.", metavar="PROJECT")]


def plainly(function: Callable[Params, Result]) -> Callable[Params, Result]:
    """Show a labelpress error as one message and exit with 1; anything else is a fault of ours."""

    @functools.wraps(function)
    def wrapped(*args: Params.args, **kwargs: Params.kwargs) -> Result:
        try:
            return function(*args, **kwargs)
        except LabelpressError as error:
            errors.print(f"labelpress: {error}", style="red", markup=False, highlight=False)
            raise typer.Exit(1) from None

    return wrapped


@app.command()
@plainly
def init(
    folder: Annotated[str, typer.Argument(help="A new or empty folder.", metavar="DIR")],
) -> None:
    """Write a repository of one's own: flows, deployments, and a project that runs at once."""
    from labelpress.cli.starting import start_repository  # noqa: PLC0415

    start_repository(folder, console)


@app.command()
@plainly
def check(
    project: ProjectFolder,
    rows: Annotated[int, typer.Option(help="Rows of the sample.", min=1)] = 2000,
) -> None:
    """Validate a project and dry-run its heuristics on a sample."""
    from labelpress.cli.checking import show_check  # noqa: PLC0415

    show_check(project, rows, console)


@app.command()
@plainly
def plan(
    project: ProjectFolder,
    period: Annotated[str, typer.Option(help="First day of the period; empty: today's.")] = "",
) -> None:
    """Say which cells a run would compute and why, what it would take, and what would change."""
    from labelpress.cli.looking import show_plan  # noqa: PLC0415

    show_plan(project, period, console)


@app.command()
@plainly
def bootstrap(
    project: ProjectFolder,
    period: Annotated[str, typer.Option(help="First day of the period; empty: today's.")] = "",
) -> None:
    """Ask an audit and cold-start sample before the first printing."""
    from labelpress.cli.bootstrapping import bootstrap_project  # noqa: PLC0415

    bootstrap_project(project, period, console)


@app.command()
@plainly
def simulate(
    project: ProjectFolder,
    budget: Annotated[int, typer.Option(help="Answers in all, audits included.", min=1)] = 100,
    rounds: Annotated[int, typer.Option(help="Portions in which they are asked.", min=1)] = 1,
    seed: Annotated[int, typer.Option(help="The start of everything random.", min=0)] = 0,
    out: Annotated[Path | None, typer.Option("--json", help="Where to write the figures.")] = None,
) -> None:
    """Replay the loop with the oracle as the expert: what so many answers would lead to."""
    from labelpress.cli.simulating import show_simulation  # noqa: PLC0415

    show_simulation(project, budget, rounds, seed, out, console)


@app.command()
@plainly
def versions(project: ProjectFolder) -> None:
    """List the published label versions."""
    from labelpress.cli.looking import show_versions  # noqa: PLC0415

    show_versions(project, console)


@app.command()
@plainly
def explain(
    project: ProjectFolder,
    row: Annotated[str, typer.Argument(help="The row's id.")],
    version: Annotated[int | None, typer.Option(help="Label version; the current one.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print all of it as JSON.")] = False,
) -> None:
    """Say why a row has its label: votes, what each moved, answers, probabilities, version."""
    from labelpress.cli.looking import print_explanation, show_explanation  # noqa: PLC0415

    if as_json:
        print_explanation(project, row, version, console)
    else:
        show_explanation(project, row, version, console)


@app.command()
@plainly
def diff(
    project: ProjectFolder,
    before: Annotated[int, typer.Argument(help="Label version.", metavar="A")],
    after: Annotated[int, typer.Argument(help="Label version.", metavar="B")],
    resamples: Annotated[
        int, typer.Option(help="Refits on resampled data, to tell chance; 0: none.", min=0)
    ] = 5,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print all of it as JSON.")] = False,
) -> None:
    """Say how many labels differ between two versions, and what caused each change."""
    from labelpress.cli.comparing import print_diff, show_diff  # noqa: PLC0415

    (print_diff if as_json else show_diff)(project, before, after, resamples, console)


@app.command()
@plainly
def bias(
    project: ProjectFolder,
    version: Annotated[int | None, typer.Option(help="Label version; the current one.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print all of it as JSON.")] = False,
) -> None:
    """Say what the labels of each slice are like, and which heuristic does harm where."""
    from labelpress.cli.slicing import print_bias, show_bias  # noqa: PLC0415

    (print_bias if as_json else show_bias)(project, version, console)


@app.command()
@plainly
def profit(
    project: ProjectFolder,
    version: Annotated[int | None, typer.Option(help="Label version; the current one.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print all of it as JSON.")] = False,
) -> None:
    """Say what each heuristic cost, what it added, and whether to keep, fix or retire it."""
    from labelpress.cli.weighing import print_profit, show_profit  # noqa: PLC0415

    (print_profit if as_json else show_profit)(project, version, console)


@app.command()
@plainly
def forget(
    project: ProjectFolder,
    ids: Annotated[Path, typer.Option(help="A file with one row id a line.")],
    who: Annotated[str, typer.Option(help="Who decides this.")] = "",
    why: Annotated[str, typer.Option(help="Why; no row ids in it.")] = "",
    *,
    dry_run: Annotated[bool, typer.Option(help="Only count what holds the rows.")] = False,
) -> None:
    """Erase rows and their texts from every label version and all else the store keeps."""
    from labelpress.cli.forgetting import forget_listed  # noqa: PLC0415

    forget_listed(project, ids, who, why, console, dry_run=dry_run)


@app.command()
@plainly
def upgrade(project: ProjectFolder) -> None:
    """Bring the store of an earlier labelpress to today's form."""
    from labelpress.cli.upgrading import upgrade_project  # noqa: PLC0415

    upgrade_project(project, console)


@app.command()
@plainly
def verify(
    bundle: Annotated[str, typer.Argument(help="Folder or .zip.", metavar="BUNDLE")],
    project: Annotated[
        str, typer.Option(help="Folder of the project: make every file again and compare.")
    ] = "",
) -> None:
    """Check an audit bundle (a dossier): nothing changed, nothing missing, figures that agree."""
    from labelpress.cli.verifying import show_verified  # noqa: PLC0415

    if not show_verified(bundle, project, console):
        raise typer.Exit(1)


@app.command()
@plainly
def report(
    project: ProjectFolder,
    out: Annotated[Path, typer.Option(help="Where to write it.")] = Path("report.html"),
    version: Annotated[int | None, typer.Option(help="Label version; the current one.")] = None,
) -> None:
    """Copy the report of a label version out of the store."""
    from labelpress.cli.looking import write_report_again  # noqa: PLC0415

    write_report_again(project, version, out, console)


@answers.command(name="import")
@plainly
def import_answers(
    project: ProjectFolder,
    file: Annotated[Path, typer.Argument(help="CSV or JSONL: ask_id, label, annotator, ...")],
    late: Annotated[bool, typer.Option(help="Take answers to expired asks too.")] = False,
) -> None:
    """Take answers from a file; lines that cannot be taken are listed beside it with reasons."""
    from labelpress.cli.exchanging import import_file  # noqa: PLC0415

    import_file(project, file, console, late=late)


@asks.command(name="export")
@plainly
def export_asks(
    project: ProjectFolder,
    out: Annotated[Path, typer.Option(help="A .csv or .jsonl file.")] = Path("asks.csv"),
    file_format: Annotated[
        AskFormat | None, typer.Option("--format", help="By default the file's ending says it.")
    ] = None,
) -> None:
    """Write the open asks, with the columns that an expert sees, to a file."""
    from labelpress.cli.exchanging import write_asks  # noqa: PLC0415

    write_asks(project, out, file_format, console)


if __name__ == "__main__":
    app()
