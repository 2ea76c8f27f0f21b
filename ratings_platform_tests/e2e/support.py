"""What the end-to-end tests share: homes of the platform, driven by the command as a user drives it.

Belongs here: the command, in a process of its own or in this one, with one study or the other, and what it left in a
home. Does not belong here: what a test expects of it.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self
from unittest.mock import patch

import duckdb
from deltalake import DeltaTable

COMMAND = Path(sys.executable).with_name("ratings-platform")
PATIENCE_SECONDS = 400

Rows = dict[str, list[list[Any]]]


@dataclass(frozen=True)
class Home:
    """A folder for everything that the platform writes."""

    path: Path

    # How the command is started, and the tables that have one row for each rating, and that together have as many.
    program: ClassVar[tuple[str, ...]] = (str(COMMAND),)
    ratings: ClassVar[tuple[str, ...]] = ("silver/ratings", "gold/fact_rating")
    delivered: ClassVar[tuple[str, ...]] = ("bronze/ratings_netflix", "bronze/ratings_amazon")

    def command(self, *arguments: object) -> list[str]:
        return [*self.program, *map(str, arguments)]

    @property
    def here(self) -> Here:
        """The same, with the command run in this process."""
        return Here(self.path, self)

    def environment(self, **settings: object) -> dict[str, str]:
        """The settings, by the names of their variables in lower case, `RATINGS_` left out."""
        given = {name.upper(): str(value) for name, value in settings.items()}
        prefixed = {name if name.startswith("DAGSTER_") else f"RATINGS_{name}": value for name, value in given.items()}
        return {**os.environ, "RATINGS_HOME": str(self.path), **prefixed}

    def call(self, *arguments: object, **settings: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            env=self.environment(**settings),
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )

    def start(self, *arguments: object, **settings: object) -> subprocess.Popen[str]:
        """The command at work, in a process group of its own."""
        return subprocess.Popen(
            self.command(*arguments),
            env=self.environment(**settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def succeed(self, *arguments: object, **settings: object) -> str:
        """What the command prints when it ends well."""
        done = self.call(*arguments, **settings)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout

    def fail(self, *arguments: object, **settings: object) -> str:
        """The one line in which the command says what is wrong."""
        return error_line(self.call(*arguments, **settings))

    def answers(self) -> Rows:
        return rows_of(self.succeed("answers", "--format", "json"))

    def stored_answers(self) -> Rows:
        """The same as they stand in the lake, asked of plain DuckDB and deltalake."""
        names = sorted(folder.name for folder in (self.path / "lake" / "answers").iterdir())
        return json.loads(json.dumps({name: self.lake(f"answers/{name}") for name in names}, default=str))

    def copy(self, to: Path) -> Self:
        return type(self)(Path(shutil.copytree(self.path, to)))

    def lake(self, table: str, columns: str = "*") -> list[tuple[Any, ...]]:
        """Rows of a lake table's live files, asked of plain DuckDB and deltalake."""
        files = DeltaTable(str(self.path / "lake" / table)).file_uris()
        return duckdb.sql(f"select {columns} from read_parquet({files}, hive_partitioning = true)").fetchall()

    def warehouse(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.path / "warehouse.duckdb"), read_only=True) as connection:
            return connection.sql(sql).fetchall()

    def ratings_everywhere(self) -> set[int]:
        """How many ratings each table holds that has one row for each; one number when all agree."""
        counts = {self.lake(table, "count(*)")[0][0] for table in self.ratings}
        bronze = sum(self.lake(table, "count(*)")[0][0] for table in self.delivered)
        fact = self.ratings[-1].rpartition("/")[2]
        return counts | {bronze, self.warehouse(f"select count(*) from {fact}")[0][0]}

    @contextmanager
    def in_this_process(self) -> Iterator[None]:
        """While in the block, this process knows the studies that the command knows."""
        yield


@dataclass(frozen=True)
class Weather(Home):
    """A home of the platform where the made-up study is the only one."""

    program: ClassVar[tuple[str, ...]] = (sys.executable, "-m", "ratings_platform_tests.made_up.command")
    ratings: ClassVar[tuple[str, ...]] = ("silver/station_readings", "gold/fact_reading")
    delivered: ClassVar[tuple[str, ...]] = ("bronze/readings_delivered",)

    @contextmanager
    def in_this_process(self) -> Iterator[None]:
        from ratings_platform_tests.made_up.command import only_weather

        with only_weather():
            yield


@dataclass(frozen=True)
class Here(Home):
    """The command as its process runs it, without the seconds that a process takes to begin.

    What only a process shows is not to be seen of it: that nothing is left in `scratch`, which goes when it ends.
    """

    of: Home

    def call(self, *arguments: object, **settings: object) -> subprocess.CompletedProcess[str]:
        from ratings_platform.cli import invoke

        out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
        with (
            patch.dict(os.environ, self.environment(**settings)),
            patch.object(sys, "argv", ["ratings-platform", *map(str, arguments)]),
            self.of.in_this_process(),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            try:
                invoke()
                status = 0
            except SystemExit as ended:
                status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        said, told = (stream.buffer.getvalue().decode() for stream in (out, err))  # type: ignore[attr-defined]
        return subprocess.CompletedProcess(list(map(str, arguments)), status, said, told)


def error_line(done: subprocess.CompletedProcess[str]) -> str:
    """The command's one line on what is wrong, having failed as a command should."""
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    lines = [line for line in done.stderr.splitlines() if line.startswith("ratings-platform: ")]
    assert len(lines) == 1, done.stderr
    return lines[0]


def rows_of(answers: str) -> Rows:
    return {name: answer["rows"] for name, answer in json.loads(answers).items()}


def rounded(answers: Rows) -> Rows:
    """Floats to nine digits: sums differ in their last ones with the order of the rows."""
    return {name: [[_rounded(value) for value in row] for row in rows] for name, rows in answers.items()}


def _rounded(value: object) -> object:
    return float(f"{value:.9g}") if isinstance(value, float) else value


def table_rows(printed: str, columns: Sequence[str]) -> list[list[str]]:
    """The rows of a table that the command printed, whose cells stand at least two blanks apart."""
    lines = [re.split(r"\s{2,}", line.strip()) for line in printed.splitlines()]
    start = lines.index(list(columns)) + 1
    rows = []
    for row in lines[start:]:
        if len(row) != len(columns):
            break
        rows.append(row)
    return rows
