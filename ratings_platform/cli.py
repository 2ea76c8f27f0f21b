"""The command line: `ratings-platform`.

Belongs here: commands, their options, and what people see. Does not belong here: the work itself. Heavy packages are
imported inside the commands that need them, so that `--help` is quick.
"""

from __future__ import annotations

import atexit
import gc
import io
import os
import re
import sys
import traceback
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, cast

import typer

from ratings_platform.schema.errors import PlatformError, TransientError

if TYPE_CHECKING:
    import pyarrow as pa
    from dagster import Definitions
    from rich.console import Console

    from ratings_platform.lake.tables import LakeTable
    from ratings_platform.orchestration.running import Outcome, Progress
    from ratings_platform.schema.study import Study
    from ratings_platform.schema.tables import Table
    from ratings_platform.settings import Settings
    from ratings_platform.warehouse.mysql import MySQLWarehouse

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Film and series ratings: vendor files to a lake, a star schema and answers.",
)

migrations = typer.Typer(
    no_args_is_help=True, help="The tables of a MySQL warehouse, as numbered steps. Loading applies them by itself."
)
app.add_typer(migrations, name="migrations")
lake = typer.Typer(no_args_is_help=True, help="Versions of the lake's tables: list them, go back, remove old files.")
app.add_typer(lake, name="lake")

StudyName = Annotated[str | None, typer.Argument(metavar="STUDY", help="Which study; else the default one.")]
StudyOption = Annotated[str | None, typer.Option("--study", help="Which study; else the default one.")]
_ROWS_SHOWN = 10


def main() -> NoReturn:
    """The console command: `invoke`, and the end of the process.

    Most of what imports and declarations make stays to the end. Python would look through all of it again and again
    while it grows, and once more to take it apart: a third of the time of a short command.
    """
    gc.set_threshold(100_000, 50, 50)
    status: int | str | None = 0
    try:
        invoke()
    except SystemExit as end:
        status = end.code
    except BaseException:
        traceback.print_exc()
        status = 1
    _end(status if isinstance(status, int) else 0)


def invoke() -> None:
    """Run the command line; an error that a person can mend is one line on standard error and exit status 1."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # What people read comes through terminals and pipes that are not UTF-8, too.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        app()
    except (PlatformError, TransientError) as error:
        print(f"ratings-platform: {error}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        print(f"ratings-platform: {error.filename or 'the system'}: {error.strerror or error}", file=sys.stderr)
        sys.exit(1)


def _end(status: int) -> NoReturn:
    """End the process after what was registered for its end, without taking it apart."""
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # nobody reads on
            stream.flush()
    os._exit(status)


@app.command()
def demo(
    ratings: Annotated[int | None, typer.Option(help="Ratings in the sample.", min=100)] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the sample.", min=0)] = None,
) -> None:
    """Make a sample, materialise everything, print the answers."""
    from ratings_platform.settings import override

    override(source="sample", sample_ratings=ratings, sample_seed=seed)
    study, settings = _open(None)
    _refuse_foreign_data(study, settings)
    _run(study, settings, study.years, [])
    _print_answers(study, settings)


@app.command()
def sample(
    directory: Annotated[Path, typer.Argument(help="Folder to write into.")],
    ratings: Annotated[int, typer.Option(help="Ratings in all files together.", min=100)] = 200_000,
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.", min=0)] = 1,
    dirty: Annotated[bool, typer.Option("--dirty", help="Plant every fault that a line can have.")] = False,
    study: StudyOption = None,
) -> None:
    """Write vendor-format files of any size."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    found, _ = _open(study)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=_console(err=True), transient=True) as bars:
        bar = bars.add_task("ratings written", total=ratings)
        planted = found.write_sample(
            directory, ratings=ratings, seed=seed, dirty=dirty, progress=lambda n: bars.advance(bar, n)
        )
    print(f"{ratings:,} ratings in {directory}")
    if planted:
        _print_table(["file", "reason", "rows"], [(p.file, str(p.reason), f"{p.rows:,}") for p in planted], {2})
        print(f"{sum(p.rows for p in planted):,} faults planted")


@app.command()
def run(
    study: StudyName = None,
    source: Annotated[str | None, typer.Option(help="sample, kaggle, or a directory with vendor files.")] = None,
    years: Annotated[str | None, typer.Option(help="A year or a range, as 2003:2005.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="LAYER/TABLE; may be given again.")] = None,
) -> None:
    """Materialise a study, or parts of it, through Dagster."""
    from ratings_platform.settings import override

    override(source=source)
    found, settings = _open(study)
    _run(found, settings, _years(years, found.years), only or [])


@app.command()
def check(study: StudyName = None) -> None:
    """Run the asset checks alone, on what is materialised; exit status 1 when one fails that blocks."""
    from ratings_platform.orchestration.running import check_study

    found, settings = _open(study)
    with _told() as tell:
        outcome = check_study(_definitions(), found, settings.dagster_home, tell)
    _report(outcome)


@app.command()
def answers(
    study: StudyName = None,
    format: Annotated[str, typer.Option(help="table, json, csv or markdown.")] = "table",
    rows: Annotated[int, typer.Option(help="Rows of each answer that a table shows; 0 for all.", min=0)] = _ROWS_SHOWN,
) -> None:
    """Print the answers as they are materialised."""
    from ratings_platform.answering import FORMATS

    if format not in FORMATS:
        raise typer.BadParameter(f"choose one of {', '.join(FORMATS)}", param_hint="--format")
    _print_answers(*_open(study), format, rows)


@app.command()
def sql(
    question: Annotated[str | None, typer.Argument(help="One question, as q05; without it, all.")] = None,
    dialect: Annotated[str, typer.Option(help="duckdb, mysql, spark or athena.")] = "duckdb",
    out: Annotated[Path | None, typer.Option(help="Write a file for each question into this folder instead.")] = None,
    study: StudyOption = None,
) -> None:
    """Print the SQL of each answer over the star schema."""
    from ratings_platform import answering

    if dialect not in answering.DIALECTS:
        raise typer.BadParameter(f"choose one of {', '.join(answering.DIALECTS)}", param_hint="--dialect")
    found, _ = _open(study)
    for name, text in answering.sql(found, dialect, question).items():
        if out is None:
            _print_document(text)
        else:
            out.mkdir(parents=True, exist_ok=True)
            (out / f"{name}.sql").write_text(text, encoding="utf-8")


@app.command()
def warehouse_dump(
    out: Annotated[Path, typer.Option(help="File to write.")],
    used: Annotated[
        list[str] | None, typer.Option(help="Of this table, only rows that others refer to; may be given again.")
    ] = None,
    study: StudyOption = None,
) -> None:
    """Write the star schema of a small warehouse as SQL for an empty MySQL or MariaDB database."""
    from ratings_platform import answering

    text = answering.warehouse_dump(*_open(study), used or ())
    out.write_text(text, encoding="utf-8")


@app.command()
def rejects(
    rows: Annotated[int, typer.Option(help="How many rows to show; 0 for all.", min=0)] = 20,
    study: StudyOption = None,
) -> None:
    """Show which lines were refused, and why."""
    from ratings_platform import answering

    found, settings = _open(study)
    counts, listed = answering.rejects(found, settings, rows or None)
    if not counts.num_rows:
        print("no row was rejected")
        return
    _print_rows(counts)
    _print_rows(listed, found.rejects)
    total = sum(counts["rows"].to_pylist())
    if listed.num_rows < total:
        print(f"{listed.num_rows:,} of {total:,} rows shown; --rows 0 shows all")


@app.command()
def dictionary(study: StudyName = None) -> None:
    """Print the data dictionary: every table and column, and where it comes from."""
    from ratings_platform.answering import dictionary as made

    found, _ = _open(study)
    _print_document(made(found), end="")


@migrations.command("list")
def list_migrations(study: StudyName = None) -> None:
    """Show each migration, and whether the server has had it."""
    found, warehouse = _migrated(study)
    if warehouse:
        listed = warehouse.migrations(found)
        _print_table(["number", "what it does", "state"], [(m.number, m.about, m.state) for m in listed], ())
        for migration in listed:
            if migration.edited:
                print(f"ratings-platform: {migration.warning}", file=sys.stderr)


@migrations.command("apply")
def apply_migrations(study: StudyName = None) -> None:
    """Apply what is pending."""
    found, warehouse = _migrated(study)
    if warehouse:
        applied = warehouse.migrate(found)
        print("\n".join(f"applied: {migration}" for migration in applied) or "nothing is pending")


@migrations.command("check")
def check_migrations(study: StudyName = None) -> None:
    """Compare the server with what is declared; exit status 1 when tables differ, migrations are pending or edited."""
    from ratings_platform.warehouse.mysql_migrations import EDITED_REMEDY

    found, warehouse = _migrated(study)
    if warehouse is None:
        return
    listed = warehouse.migrations(found)
    if wrong := [f"edited: {m}" for m in listed if m.edited]:
        problem, remedy = "migrations were edited after they were applied", EDITED_REMEDY
    elif wrong := [f"pending: {m}" for m in listed if not m.applied]:
        problem, remedy = "migrations are pending", "Run: ratings-platform migrations apply"
    elif wrong := warehouse.drift(found):
        problem = "the tables are not as declared"
        remedy = (
            "Undo what was changed by hand; after a changed declaration: ratings-platform migrations new 'what changed'"
        )
    else:
        print(f"{len(found.warehouse_tables)} tables are as declared")
        return
    print("\n".join(wrong), file=sys.stderr)
    raise PlatformError(problem, file=warehouse.uri, remedy=remedy)


@migrations.command("new")
def new_migration(
    about: Annotated[str, typer.Argument(help="What it does, in a few words.")], study: StudyOption = None
) -> None:
    """Write the next migration from what was declared since the last one. It adds and widens, and never drops data."""
    from ratings_platform.warehouse.mysql_migrations import write

    path, by_hand = write(_open(study)[0], about)
    print(path)
    for change in by_hand:
        print(f"left to do by hand in that file: {change}", file=sys.stderr)


@lake.command("history")
def lake_history(
    table: Annotated[str, typer.Argument(help="LAYER/TABLE.")],
    rows: Annotated[int, typer.Option(help="How many versions to show; 0 for all.", min=0)] = 20,
    study: StudyOption = None,
) -> None:
    """List a table's versions, the newest first."""
    from ratings_platform.schema.files import readable_size

    found, settings = _open(study)
    listed = [
        (
            str(v.number),
            f"{v.time:%Y-%m-%d %H:%M:%S}",
            f"{v.rows:,}",
            readable_size(v.size),
            f"version {v.info['restored']} restored" if "restored" in v.info else f"run {v.info.get('run', '?')}",
        )
        for v in _lake_tables(found, settings, [table])[0].history(rows or None)
    ]
    _print_table(["version", "time (UTC)", "rows", "size", "by"], listed, {0, 2, 3})


@lake.command("restore")
def lake_restore(
    table: Annotated[str, typer.Argument(help="LAYER/TABLE.")],
    version: Annotated[int, typer.Argument(help="A version that lake history lists.", min=0)],
    study: StudyOption = None,
) -> None:
    """Go back to an earlier version of a table. Nothing is lost: this can be undone in the same way."""
    from ratings_platform.orchestration.housekeeping import restore

    found, settings = _open(study)
    stored = _lake_tables(found, settings, [table])[0]
    print(f"{table} is as in version {version} again: version {restore(stored, version, found, settings.dagster_home)}")
    print("What follows from it is as it was; run the study, or what is out of date in the UI, to make it follow.")


@lake.command("vacuum")
def lake_vacuum(
    tables: Annotated[list[str] | None, typer.Argument(help="LAYER/TABLE …; else all of the study.")] = None,
    days: Annotated[int, typer.Option(help="Keep what versions of these last days need.", min=1)] = 7,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list the files.")] = False,
    study: StudyOption = None,
) -> None:
    """Remove files that no version of the last days needs, replaced or left by killed runs."""
    from ratings_platform.orchestration.resources import Platform

    found, settings = _open(study)
    if not dry_run:
        Platform.of(settings).raw.drop_unfinished()
    total = 0
    for stored in _lake_tables(found, settings, tables or []):
        removed = stored.vacuum(hours=days * 24, dry_run=dry_run)
        total += len(removed)
        for path in removed:
            print(f"{stored.table.path}/{path}")
    print(f"{total:,} files {'would be ' if dry_run else ''}removed")


@app.command()
def ui(port: Annotated[int, typer.Option(help="Port of the web server.")] = 3000) -> None:
    """Open the Dagster UI on the same data."""
    from ratings_platform.orchestration.running import prepare_ui

    _, settings = _open(None)
    prepare_ui(settings.dagster_home)
    dagster = Path(sys.executable).with_name("dagster")
    # Dagster would have it called through `dg`, which needs a project's folder.
    quiet = ["-W", "ignore:Function `dev_command` is superseded"]
    command = [sys.executable, *quiet, str(dagster), "dev", "-m", "ratings_platform.definitions", "-p", str(port)]
    os.execv(sys.executable, command)  # noqa: S606


def _open(name: str | None) -> tuple[Study, Settings]:
    """A study and the settings, all of them checked before anything else happens."""
    from ratings_platform import studies
    from ratings_platform.settings import dotenv_above, load_settings, load_study_settings, refuse_unknown_names

    if above := dotenv_above():
        told = f"{above} is not read from here; run there, or copy it, for its settings to hold"
        print(f"ratings-platform: {told}", file=sys.stderr)
    if name and "/" in name:
        raise PlatformError(f"{name!r} is an asset, not a study", remedy="Say --only before each asset.")
    study, settings = studies.load(name or studies.DEFAULT), load_settings()
    refuse_unknown_names(*(studies.load(other).settings for other in studies.names()))
    load_study_settings(study.settings)
    return study, settings


def _lake_tables(study: Study, settings: Settings, paths: Sequence[str]) -> list[LakeTable]:
    """The study's tables named `layer/table`, as the lake has them; without names, all."""
    from ratings_platform.orchestration.resources import Platform

    known = {table.path: table for table in study.tables.values()}
    for path in paths:
        if path not in known:
            raise PlatformError(f"there is no table {path!r}", remedy=f"Tables: {', '.join(known)}.")
    platform = Platform.of(settings)
    return [platform.table(known[path]) for path in paths or known]


def _migrated(name: str | None) -> tuple[Study, MySQLWarehouse | None]:
    """A study, and the warehouse where it has migrations; without one, that is told."""
    from ratings_platform.orchestration.resources import Platform
    from ratings_platform.warehouse.duckdb import DuckDBWarehouse

    study, settings = _open(name)
    warehouse = Platform.of(settings).warehouse
    if isinstance(warehouse, DuckDBWarehouse):
        print("a DuckDB warehouse has no migrations: its tables are made when they are loaded")
        return study, None
    return study, cast("MySQLWarehouse", warehouse)


def _definitions() -> Definitions:
    from ratings_platform.definitions import defs

    return defs()


def _run(study: Study, settings: Settings, years: tuple[int, ...], only: list[str]) -> None:
    from ratings_platform.orchestration.running import assets_of, run_study

    definitions = _definitions()
    known = assets_of(definitions, study)
    for key in only:
        if key not in known:
            raise PlatformError(f"there is no asset {key!r}", remedy=f"Assets: {', '.join(known)}.")
    with _told() as tell:
        outcome = run_study(definitions, study, settings.dagster_home, years, only, tell)
    _report(outcome)


def _report(outcome: Outcome) -> None:
    for failed in outcome.failed_checks:
        print(f"check failed: {failed}", file=sys.stderr)
    for error in outcome.errors:
        print(f"ratings-platform: {error}", file=sys.stderr)
    if not outcome.success or any(failed.endswith("(ERROR)") for failed in outcome.failed_checks):
        if not outcome.errors:
            print("ratings-platform: the run failed", file=sys.stderr)
        print(f"Run {outcome.run_id}; ratings-platform ui shows it.", file=sys.stderr)
        raise typer.Exit(1)


@contextmanager
def _told() -> Iterator[Callable[[Progress], None]]:
    """A display of a run's progress: a bar on a terminal, a line for each step elsewhere."""
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    console = _console(err=True)
    columns = (TextColumn("{task.description:<48}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Bars(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        bar = bars.add_task("starting", total=None)

        def tell(progress: Progress) -> None:
            step = (progress.step or "run").replace("__", "/", 1)
            doing = progress.message if progress.kind == "murmured" else step
            bars.update(bar, total=progress.steps or None, completed=progress.done, description=doing)
            if progress.kind == "said":
                console.print(f"{step}: {progress.message}", highlight=False, markup=False, soft_wrap=True)

        yield tell


def _years(text: str | None, known: tuple[int, ...]) -> tuple[int, ...]:
    if text is None:
        return known
    given = re.fullmatch(r"([0-9]{4})(?::([0-9]{4}))?", text)
    if given is None:
        raise typer.BadParameter("give a year or a range, as 2003 or 2003:2005", param_hint="--years")
    years = tuple(range(int(given[1]), int(given[2] or given[1]) + 1))
    if not years or not set(years) <= set(known):
        raise typer.BadParameter(f"the study's years are {known[0]}:{known[-1]}", param_hint="--years")
    return years


def _refuse_foreign_data(study: Study, settings: Settings) -> None:
    """The demo replaces what lake and warehouse hold; it must not replace real data."""
    from ratings_platform.answering import lake
    from ratings_platform.lake.raw import RawStore

    raw = RawStore(lake(settings), settings.home)
    containers = [f["container"] for vendor in study.vendors for f in raw.load(vendor.name)]
    if any(not Path(c).is_relative_to(settings.home.resolve() / "sample") for c in containers):
        problem, where = "the lake holds data that is no sample", settings.lake_root
    elif not containers and _is_filled_warehouse(study, settings):
        problem, where = "the warehouse holds data that did not come from this lake", settings.warehouse_url
    else:
        return
    raise PlatformError(
        f"{problem}, which the demo would replace",
        file=where,
        remedy="Give the demo places of its own: RATINGS_HOME=demo-data ratings-platform demo, with RATINGS_LAKE and "
        "RATINGS_WAREHOUSE not set.",
    )


def _is_filled_warehouse(study: Study, settings: Settings) -> bool:
    from ratings_platform.orchestration.resources import Platform

    if settings.warehouse_url.startswith("duckdb:") and not settings.warehouse_path.exists():
        return False
    warehouse = Platform.of(settings).warehouse
    with warehouse.kept_open(read_only=True):
        return any(warehouse.columns(table) and warehouse.row_count(table) for table in study.warehouse_tables)


def _print_answers(study: Study, settings: Settings, form: str = "table", limit: int = _ROWS_SHOWN) -> None:
    from ratings_platform import answering

    found = answering.answers(study, settings)
    if form != "table":
        _print_document(answering.written(study, found, form))
        return
    console = _console()
    for question in study.questions:
        console.print(
            f"\n[bold]{question.table.name.split('_')[0].upper()}. {question.question}[/bold]", highlight=False
        )
        console.print(question.definition, style="dim", highlight=False, markup=False)
        answer = found[question.table.name]
        _print_rows(answer.slice(0, limit or None), question.table)
        if limit and answer.num_rows > limit:
            console.print(f"… and {answer.num_rows - limit:,} more: ratings-platform answers --rows 0", style="dim")


def _print_document(text: str, end: str = "\n") -> None:
    """What programs read is printed as it is, or not at all."""
    try:
        text.encode(sys.stdout.encoding)
    except UnicodeEncodeError as error:
        raise PlatformError(
            f"the output takes {error.encoding} only, which lacks {error.object[error.start]!a}",
            remedy="Set PYTHONIOENCODING=utf-8.",
        ) from None
    print(text, end=end)


def _print_rows(rows: pa.Table, table: Table | None = None) -> None:
    """Rows of a declared table, or others."""
    from ratings_platform.answering import readable

    numbers = {i for i, field in enumerate(rows.schema) if str(field.type).startswith(("int", "double", "float"))}
    _print_table(rows.column_names, readable(rows, table), numbers)


def _print_table(names: Sequence[str], rows: Iterable[Sequence[str]], numbers: Container[int]) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(show_edge=False, pad_edge=False, box=None, header_style="underline")
    for i, name in enumerate(names):
        table.add_column(name, justify="right" if i in numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(escape(str(value)) for value in row))
    _console().print(table)


def _console(*, err: bool = False) -> Console:
    from rich.console import Console

    stream = sys.stderr if err else sys.stdout
    # Elsewhere than on a terminal lines are as long as they need to be, for programs that read them.
    return Console(stderr=err, width=None if stream.isatty() else 200, soft_wrap=False)
