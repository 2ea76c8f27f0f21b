"""The command line as people and programs use it: what it prints, where, and with which exit status."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
import sqlglot

from ratings_platform import answering, cli
from ratings_platform.cli import invoke
from ratings_platform.studies.market_study.study import STUDY
from ratings_platform_tests.conftest import Built, ReadOnly, environment
from ratings_platform_tests.made_up.command import only_weather
from ratings_platform_tests.orchestration.stand import Stand

pytestmark = pytest.mark.integration

NAMES = [question.table.name for question in STUDY.questions]
DICTIONARY = Path(__file__).parents[1] / "docs" / "data_dictionary.md"
DUMP = DICTIONARY.parent / "sql" / "mysql" / "warehouse_sample.sql"
COMMANDS = {
    "demo": ["--ratings", "--seed"],
    "sample": ["--ratings", "--seed", "--dirty"],
    "run": ["study", "--source", "--years", "--only"],
    "check": ["study"],
    "answers": ["study", "--format"],
    "sql": ["question", "--dialect", "--out", "--study"],
    "warehouse-dump": ["--out", "--used", "--study"],
    "rejects": ["--rows"],
    "dictionary": ["study"],
    "migrations": ["list", "apply", "check", "new"],
    "lake": ["history", "restore", "vacuum"],
    "ui": ["--port"],
}


@dataclass(frozen=True)
class Said:
    status: int
    out: str
    err: str


Call = Callable[..., Said]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Call `ratings-platform` in this process, as the console command does."""

    def run(*arguments: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["ratings-platform", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            invoke()
        return Said(int(ended.value.code or 0), *capsys.readouterr())

    return run


@pytest.fixture
def home(built: Built, copy_of_home: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of the built home, which the settings name."""
    with environment(tmp_path, home=copy_of_home, source=built.source):
        yield copy_of_home


@pytest.fixture
def weather_home(weather_built: Built, tmp_path: Path) -> Iterator[Path]:
    """A copy of the made-up study's home, which the settings name, where that study is the only one."""
    home = Path(shutil.copytree(weather_built.home, tmp_path / "weather"))
    with environment(tmp_path, home=home, source=weather_built.source), only_weather():
        yield home


@pytest.fixture
def built_home(built: Built, tmp_path: Path) -> Iterator[Path]:
    """The built home itself, for commands that only read."""
    with environment(tmp_path, home=built.home, source=built.source):
        yield built.home


def test_help_lists_the_commands(call: Call) -> None:
    said = call("--help")
    assert said.status == 0
    assert all(f" {command} " in said.out for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(call: Call, command: str) -> None:
    said = call(command, "--help")
    assert said.status == 0
    assert all(word in said.out for word in COMMANDS[command])


def test_settings_that_are_not_read_from_here_are_told(call: Call, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("RATINGS_SAMPLE_SEED=5\n", encoding="utf-8")
    (tmp_path / "below").mkdir()
    os.chdir(tmp_path / "below")
    told = f"ratings-platform: {tmp_path}/.env is not read from here; run there, or copy it, for its settings to hold\n"
    assert call("sql", "q01").err == told
    os.chdir(tmp_path)
    assert call("sql", "q01").err == ""


# --- sample ------------------------------------------------------------------------------------------------------


def test_sample_writes_vendor_files(call: Call, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        assert call("sample", tmp_path / folder, "--ratings", 500, "--seed", 3).out.startswith("500 ratings in ")
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert len(files) == 8
    assert all((tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes() for name in files)


def test_a_dirty_sample_says_what_was_planted(call: Call, tmp_path: Path) -> None:
    said = call("sample", tmp_path / "dirty", "--ratings", 500, "--dirty")
    *rows, total = said.out.splitlines()[2:]
    planted = sum(int(row.split()[-1]) for row in rows)
    assert total == f"{planted:,} faults planted"
    assert any("rating before any film header" in row for row in rows)


# --- run and check -----------------------------------------------------------------------------------------------


def test_run_of_some_assets_for_some_years(call: Call, home: Path) -> None:
    files = set((home / "lake" / "gold" / "fact_rating").rglob("*.parquet"))
    said = call("run", "--only", "gold/fact_rating", "--only", "gold/dim_time", "--years", "2003:2004")
    assert (said.status, said.out) == (0, "")
    new = set((home / "lake" / "gold" / "fact_rating").rglob("*.parquet")) - files
    assert {path.parent.name for path in new} == {"year=2003", "year=2004"}


def test_run_from_another_directory(call: Call, home: Path, built: Built, tmp_path: Path) -> None:
    source = Path(shutil.copytree(built.source, tmp_path / "elsewhere"))
    said = call("run", "market-study", "--source", source, "--only", "raw/netflix_prize")
    assert said.status == 0
    assert "netflix_prize: 5 files registered" in said.err
    assert str(source) in (home / "lake" / "raw" / "netflix_prize.json").read_text()


def test_a_failed_run_is_told_in_one_line(call: Call, home: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    said = call("run", "--source", tmp_path / "empty", "--only", "raw/netflix_prize")
    assert said.status == 1
    (error,) = [line for line in said.err.splitlines() if line.startswith("ratings-platform: ")]
    assert "holds no file named movie_titles.csv" in error
    assert "Traceback" not in said.err
    assert "Run " in said.err.splitlines()[-1]


def test_an_unknown_asset_is_answered_with_those_there_are(call: Call, built_home: Path) -> None:
    error = _error(call("run", "--only", "gold/nothing"))
    assert error.startswith("ratings-platform: there is no asset 'gold/nothing'. Assets: ")
    assert "gold/fact_rating" in error


@pytest.mark.parametrize(
    ("years", "complaint"),
    [
        ("two", "give a year or a range"),
        ("2003:", "give a year or a range"),
        ("2003-2005", "give a year or a range"),
        ("2005:2003", "the study's years are 1995:2015"),
        ("1994:1996", "the study's years are 1995:2015"),
        ("2016", "the study's years are 1995:2015"),
        ("", "give a year or a range"),
        ("²", "give a year or a range"),
    ],
)
def test_wrong_years(call: Call, built_home: Path, years: str, complaint: str) -> None:
    said = call("run", "--years", years)
    assert said.status == 2
    assert complaint in " ".join(said.err.replace("│", " ").split())


def test_check_passes_on_a_clean_home_and_fails_on_a_tampered_one(call: Call, weather_home: Path) -> None:
    clean = call("check")
    assert (clean.status, clean.out, clean.err) == (0, "", "")
    with duckdb.connect(str(weather_home / "warehouse.duckdb")) as warehouse:
        warehouse.execute("update w1_regions set stations = 0")
    tampered = call("check")
    assert tampered.status == 1
    lines = tampered.err.splitlines()
    assert "check failed: warehouse/w1_regions: same_answer_as_lake (ERROR)" in lines
    assert not [line for line in lines if "Traceback" in line or "Stack" in line]


def test_demo_does_not_replace_a_warehouse_that_others_filled(
    call: Call, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RATINGS_WAREHOUSE", f"duckdb:///{home}/warehouse.duckdb")
    monkeypatch.setenv("RATINGS_HOME", str(tmp_path / "demo"))
    error = _error(call("demo", "--ratings", 100))
    assert "the warehouse holds data that did not come from this lake, which the demo would replace" in error
    assert "RATINGS_WAREHOUSE not set" in error
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as warehouse:
        assert warehouse.table("fact_rating").count("*").fetchall() == [(3000,)]


def test_demo_does_not_replace_data_that_is_no_sample(call: Call, built_home: Path) -> None:
    error = _error(call("demo", "--ratings", 100))
    assert "the lake holds data that is no sample, which the demo would replace" in error
    assert "RATINGS_HOME=demo-data ratings-platform demo" in error
    assert not (built_home / "sample").exists()


# --- answers -----------------------------------------------------------------------------------------------------


def test_answers_as_json(call: Call, built_home: Path) -> None:
    found = json.loads(call("answers", "--format", "json").out)
    assert list(found) == NAMES
    for question in STUDY.questions:
        answer = found[question.table.name]
        assert list(answer) == ["question", "definition", "columns", "rows"]
        assert answer["question"] == question.question
        assert answer["definition"] == question.definition
        assert answer["columns"] == [column.name for column in question.table.columns]
        assert all(len(row) == len(answer["columns"]) for row in answer["rows"])
    with _warehouse(built_home) as warehouse:
        for name, answer in found.items():
            assert _comparable(answer["rows"]) == _comparable(_query(warehouse, f"from {name}")), name


def test_answers_as_csv(call: Call, built_home: Path) -> None:
    whole = json.loads(call("answers", "--format", "json").out)
    found: dict[str, list[list[str]]] = {}
    columns: list[str] = []
    for name, *values in csv.reader(io.StringIO(call("answers", "--format", "csv").out)):
        if name == "answer":
            columns = values
        else:
            found.setdefault(name, [columns]).append(values)
    assert found == {
        name: [answer["columns"], *([_text(value) for value in row] for row in answer["rows"])]
        for name, answer in whole.items()
        if answer["rows"]
    }


def test_answers_as_markdown(call: Call, built_home: Path) -> None:
    whole = json.loads(call("answers", "--format", "json").out)
    parts = call("answers", "--format", "markdown").out.split("## ")[1:]
    for question, part in zip(STUDY.questions, parts, strict=True):
        head, definition, _, columns, _, *rows = part.strip().splitlines()
        answer = whole[question.table.name]
        assert (head, definition) == (question.question, question.definition)
        assert _cells(columns) == answer["columns"]
        assert [_cells(row) for row in rows] == [[_shown(v) for v in row] for row in answer["rows"]]


def test_answers_as_tables(call: Call, built_home: Path) -> None:
    text = call("answers").out
    assert all(question.question in text for question in STUDY.questions)
    assert "company  products  titles  title_keys" in text


def test_missing_values_and_awkward_titles() -> None:
    question = next(q for q in STUDY.questions if q.table.name == "q10_amazon_best_of_last_day")
    rows = pa.Table.from_pylist([{c.name: None for c in question.table.columns}], question.table.arrow_schema)
    rows = rows.set_column(1, "title", pa.array(['Said "no", | twice']))
    assert rows.column_names[1] == "title"
    found = {q.table.name: rows if q is question else q.table.arrow_schema.empty_table() for q in STUDY.questions}
    answer = json.loads(answering.written(STUDY, found, "json"))[question.table.name]
    assert answer["rows"] == [[None, 'Said "no", | twice', *[None] * (rows.num_columns - 2)]]
    listed = list(csv.reader(io.StringIO(answering.written(STUDY, found, "csv"))))
    assert [question.table.name, "", 'Said "no", | twice', *[""] * (rows.num_columns - 2)] in listed
    blank = " | " * (rows.num_columns - 2)
    assert f'|  | Said "no", \\| twice | {blank.strip()}'.split() == next(
        line.split() for line in answering.written(STUDY, found, "markdown").splitlines() if "Said" in line
    )


ODD_ANSWERS = {
    "q04_release_years": ({"rank": 1, "year_released": 2004, "films": 1436}, "1 2004 1,436"),
    "i3_fewest_films": ({"rank": 1, "year_released": 1896, "films": 1000}, "1 1896 1,000"),
    "i6_busiest_customers": ({"rank": 1, "customer_id": 305344, "ratings": 17651}, "1 305344 17,651"),
}


def test_years_and_ids_are_written_as_they_are_and_counts_readably(capsys: pytest.CaptureFixture[str]) -> None:
    for question in (q for q in STUDY.questions if q.table.name in ODD_ANSWERS):
        row, text = ODD_ANSWERS[question.table.name]
        rows = pa.Table.from_pylist([row], question.table.arrow_schema)
        everything = {q.table.name: q.table.arrow_schema.empty_table() for q in STUDY.questions}
        written = answering.written(STUDY, everything | {question.table.name: rows}, "markdown")
        assert f"| {text.replace(' ', ' | ')} |" in written.splitlines()
        cli._print_rows(rows, question.table)
        assert capsys.readouterr().out.splitlines()[-1].split() == text.split()


def test_lines_of_rejects_are_written_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    row = {"table": "t", "file": "f", "line": 123456, "reason": "none", "raw": "x"}
    cli._print_rows(pa.Table.from_pylist([row], STUDY.rejects.arrow_schema), STUDY.rejects)
    assert "123456" in capsys.readouterr().out


def test_an_unknown_format(call: Call) -> None:
    said = call("answers", "--format", "xml")
    assert said.status == 2
    assert "choose one of table, json, csv, markdown" in " ".join(said.err.replace("│", " ").split())


def test_answers_from_a_home_that_cannot_be_written(call: Call, built: Built, read_only: ReadOnly) -> None:
    with read_only(built.home) as home, environment(home.parent, home=home, source=built.source):
        found = json.loads(call("answers", "--format", "json").out)
        assert list(found) == NAMES
        assert call("rejects").out == "no row was rejected\n"
        assert "run " in call("lake", "history", "silver/ratings").out
        assert "Let it be written to" in _error(call("run"))


def test_answers_before_any_run(call: Call, tmp_path: Path) -> None:
    with environment(tmp_path, home=tmp_path / "new"):
        error = _error(call("answers"))
    assert "answers/q01_catalogue_sizes is not materialised yet. Materialise answers/q01_catalogue_sizes first" in error
    assert error.rstrip().endswith("or run the whole study: ratings-platform run")


def into_ascii(*arguments: str) -> Said:
    """The command's words on a terminal or in a pipe that takes nothing but ASCII."""
    program = str(Path(sys.executable).with_name("ratings-platform"))
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([program, *arguments], env=environment, capture_output=True, check=False)
    return Said(done.returncode, done.stdout.decode("ascii"), done.stderr.decode("ascii"))


def test_tables_come_through_a_terminal_without_utf_8(built_home: Path) -> None:
    said = into_ascii("answers")
    assert (said.status, said.err) == (0, "")
    assert len(re.findall(r"^[A-Z]\d+\. ", said.out, re.MULTILINE)) == len(NAMES)
    assert "\\u2026 and " in said.out


@pytest.mark.parametrize("command", ["answers --format csv", "dictionary"])
def test_a_document_is_not_changed_for_a_terminal_without_utf_8(built_home: Path, command: str) -> None:
    error = _error(into_ascii(*command.split()))
    words = r"the output takes ascii only, which lacks '\\x\w\w'\. Set PYTHONIOENCODING=utf-8\."
    assert re.fullmatch(f"ratings-platform: {words}", error)


def test_output_into_a_closed_pipe_is_no_error(built_home: Path) -> None:
    program = str(Path(sys.executable).with_name("ratings-platform"))
    with subprocess.Popen(
        [program, "answers", "--format", "json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as p:
        assert p.stdout
        assert p.stderr
        p.stdout.close()
        assert p.stderr.read() == b""
    assert p.returncode == 1


# --- sql ---------------------------------------------------------------------------------------------------------


def test_sql_runs_as_printed_in_the_warehouse(call: Call, built_home: Path) -> None:
    statements = _statements(call("sql").out)
    answers = json.loads(call("answers", "--format", "json").out)
    assert list(statements) == NAMES
    with _warehouse(built_home) as warehouse:
        for name, statement in statements.items():
            assert _comparable(_query(warehouse, statement)) == _comparable(answers[name]["rows"]), name


@pytest.mark.parametrize(("dialect", "reads"), [("mysql", "mysql"), ("spark", "spark"), ("athena", "trino")])
def test_sql_of_other_dialects_can_be_parsed(call: Call, dialect: str, reads: str) -> None:
    statements = _statements(call("sql", "--dialect", dialect).out)
    assert list(statements) == NAMES
    for name, statement in statements.items():
        (parsed,) = sqlglot.parse(statement, read=reads)
        assert parsed, name
        tables = {table.name for table in parsed.find_all(sqlglot.exp.Table)}
        named = {cte.alias for cte in parsed.find_all(sqlglot.exp.CTE)}
        assert tables - named <= set(STUDY.warehouse), name


def test_sql_of_one_question(call: Call) -> None:
    short, whole = call("sql", "q05").out, call("sql", "q05_best_not_on_amazon").out
    assert short == whole
    assert list(_statements(short)) == ["q05_best_not_on_amazon"]


@pytest.mark.parametrize("dialect", ["duckdb", "mysql"])
def test_the_sql_files_are_current(call: Call, tmp_path: Path, dialect: str) -> None:
    said = call("sql", "--dialect", dialect, "--out", str(tmp_path))
    assert (said.status, said.out) == (0, "")
    committed, written = (
        {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir() if file.name != DUMP.name}
        for folder in (DICTIONARY.parent / "sql" / dialect, tmp_path)
    )
    assert sorted(written) == sorted(f"{name}.sql" for name in NAMES)
    assert written == committed, "run: make docs"


def test_sql_of_an_unknown_question_or_dialect(call: Call) -> None:
    assert "there is no question 'q99'. Questions: q01_catalogue_sizes, " in _error(call("sql", "q99"))
    said = call("sql", "--dialect", "cobol")
    assert said.status == 2
    assert "choose one of duckdb, mysql, spark, athena" in " ".join(said.err.replace("│", " ").split())


# --- warehouse-dump ----------------------------------------------------------------------------------------------


def test_the_dump_is_current(call: Call, built_home: Path, tmp_path: Path) -> None:
    """The same sample was made and materialised for the tests."""
    for file in ("one.sql", "two.sql"):
        assert call("warehouse-dump", "--used", "dim_time", "--out", tmp_path / file) == Said(0, "", "")
        assert (tmp_path / file).read_bytes() == DUMP.read_bytes(), "run: make warehouse-dump"
    assert DUMP.stat().st_size < 400_000


def test_the_dump_can_hold_all_rows(call: Call, built_home: Path, tmp_path: Path) -> None:
    call("warehouse-dump", "--out", tmp_path / "all.sql")
    text = (tmp_path / "all.sql").read_text(encoding="utf-8")
    with _warehouse(built_home) as warehouse:
        for name in STUDY.warehouse:
            rows = sum(part.partition(";\n")[0].count("\n(") for part in text.split(f"INSERT INTO `{name}` (")[1:])
            assert rows == warehouse.table(name).count("*").fetchall()[0][0], name


def test_a_dump_that_cannot_be(call: Call, built_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "new.sql"
    assert "no table of the warehouse refers to 'fact_rating'" in _error(
        call("warehouse-dump", "--used", "fact_rating", "--out", file)
    )
    monkeypatch.setattr(answering, "_DUMPED_ROWS", 3_000)
    assert "a dump is a sample of at most 3,000. Dump a large" in _error(call("warehouse-dump", "--out", file))
    with environment(tmp_path, home=tmp_path / "new"):
        assert "gold/dim_time is not materialised yet" in _error(call("warehouse-dump", "--out", file))
    assert not file.exists()


# --- rejects, dictionary, errors ---------------------------------------------------------------------------------


def test_rejects_of_a_clean_home(call: Call, built_home: Path) -> None:
    assert call("rejects") == Said(0, "no row was rejected\n", "")


def test_rejects_are_counted_and_shown(call: Call, stand: Stand, home: Path) -> None:
    lines = [
        {"table": "ratings_amazon", "file": "b.tsv", "line": n, "reason": "too [red]bad[/red]", "raw": f"<{n}>|\t"}
        for n in range(1, 31)
    ]
    stand.spoil("bronze/rejects", lambda rows: pa.Table.from_pylist(lines, rows.schema))
    said = call("rejects", "--rows", 2)
    assert "ratings_amazon  b.tsv  too [red]bad[/red]    30" in said.out
    assert "<2>" in said.out
    assert "<3>" not in said.out
    assert said.out.splitlines()[-1] == "2 of 30 rows shown; --rows 0 shows all"
    assert "<30>" in call("rejects", "--rows", 0).out


def test_the_committed_dictionary_is_that_of_the_code(call: Call) -> None:
    said = call("dictionary")
    assert said.status == 0
    assert said.out == DICTIONARY.read_text(encoding="utf-8"), "the tables changed: run `make docs`"


@pytest.mark.parametrize(
    ("settings", "arguments", "complaint"),
    [
        ({}, ["run", "tag-soup"], "there is no study 'tag-soup'. Studies: "),
        (
            {"engine": "abacus"},
            ["check"],
            "RATINGS_ENGINE is 'abacus': Input should be 'duckdb' or 'spark'. See .env.example",
        ),
        ({"sauce": "sample"}, ["answers"], "RATINGS_SAUCE is not a setting. Did you mean RATINGS_SOURCE?"),
        ({"bayesian_weight": "-1"}, ["run"], "RATINGS_BAYESIAN_WEIGHT is '-1': "),
        ({}, ["run", "--source", "/no/such/place"], "RATINGS_SOURCE is '/no/such/place': give sample, kaggle, or a "),
    ],
)
def test_errors_are_one_line(
    call: Call, tmp_path: Path, settings: dict[str, str], arguments: list[str], complaint: str
) -> None:
    with environment(tmp_path, **{"home": tmp_path / "home", **settings}):
        assert _error(call(*arguments)).startswith(f"ratings-platform: {complaint}")


def test_the_console_command_ends_with_one_line(tmp_path: Path) -> None:
    program = str(Path(sys.executable).with_name("ratings-platform"))
    done = subprocess.run(
        [program, "run"], env=os.environ | {"RATINGS_ENGINE": "abacus"}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1


def _error(said: Said) -> str:
    """The one line on standard error of a command that failed."""
    assert (said.status, said.out) == (1, "")
    (line,) = said.err.splitlines()
    return line


def _statements(printed: str) -> dict[str, str]:
    """Statements by name; each begins with its name as a comment."""
    parts = re.split(r"^-- ([qi]\d+_\w+)$", printed, flags=re.MULTILINE)[1:]
    return {name: statement.strip() for name, statement in zip(parts[::2], parts[1::2], strict=True)}


def _warehouse(home: Path) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(str(home / "warehouse.duckdb"), read_only=True)


def _query(warehouse: duckdb.DuckDBPyConnection, statement: str) -> list[list[Any]]:
    return [list(row) for row in warehouse.execute(statement).fetchall()]


def _comparable(rows: list[list[Any]]) -> list[list[str]]:
    return [[f"{value:.10g}" if isinstance(value, float) else str(value) for value in row] for row in rows]


def _cells(row: str) -> list[str]:
    """The cells of a line of a Markdown table, with no commas in whole numbers."""
    cells = [cell.strip() for cell in row.removeprefix("|").removesuffix("|").split(" | ")]
    return [cell.replace(",", "") if re.fullmatch(r"[\d,]+", cell) else cell for cell in cells]


def _shown(value: Any) -> str:
    return f"{value:,.4f}" if isinstance(value, float) else _text(value).strip()


def _text(value: Any) -> str:
    return "" if value is None else str(value)


# --- lake --------------------------------------------------------------------------------------------------------


def test_a_table_goes_back_to_an_earlier_version_and_forth_again(call: Call, home: Path) -> None:
    assert call("run", "--only", "silver/movies").status == 0
    run = call("lake", "history", "silver/movies").out.splitlines()[1].split()[-1]
    assert call("lake", "restore", "silver/movies", 0).out.startswith(
        "silver/movies is as in version 0 again: version 2\n"
    )
    listed = [line.split() for line in call("lake", "history", "silver/movies").out.splitlines()]
    assert listed[0] == ["version", "time", "(UTC)", "rows", "size", "by"]
    assert [(line[0], line[6:]) for line in listed[1:3]] == [("2", ["version", "0", "restored"]), ("1", ["run", run])]
    assert len({line[3] for line in listed[1:]}) == 1
    assert call("lake", "restore", "silver/movies", 1).status == 0
    assert len(call("lake", "history", "silver/movies", "--rows", 2).out.splitlines()) == 3


def test_a_version_or_table_that_is_not_there_is_named(call: Call, home: Path) -> None:
    said = call("lake", "restore", "silver/movies", 7)
    assert (said.status, said.out) == (1, "")
    assert "there is no version 7. Versions: 0." in said.err
    said = call("lake", "history", "silver/movie")
    assert said.status == 1
    assert "there is no table 'silver/movie'. Tables: bronze/movies_netflix, " in said.err


def test_vacuum_lists_and_removes_what_no_version_of_the_last_days_needs(call: Call, weather_home: Path) -> None:
    left = weather_home / "lake" / "gold" / "dim_station" / "part-of-a-killed-run" / "data.parquet"
    fresh = left.with_name("of-a-running-one.parquet")
    left.parent.mkdir()
    for file, days in ((left, 3), (fresh, 0)):
        file.touch()
        os.utime(file, (time.time() - days * 86_400,) * 2)
    assert call("lake", "vacuum", "--dry-run").out == "0 files would be removed\n"
    named = "gold/dim_station/part-of-a-killed-run/data.parquet\n"
    assert call("lake", "vacuum", "--days", 2, "--dry-run").out == f"{named}1 files would be removed\n"
    assert left.exists()
    assert call("lake", "vacuum", "silver/station_readings", "--days", 2).out == "0 files removed\n"
    assert call("lake", "vacuum", "--days", 2).out == f"{named}1 files removed\n"
    assert (left.exists(), fresh.exists()) == (False, True)
    assert call("check").status == 0
