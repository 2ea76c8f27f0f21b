"""What the end-to-end tests share: homes of the platform, driven by the installed command as a user drives it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
from deltalake import DeltaTable

COMMAND = Path(sys.executable).with_name("ratings-platform")
PATIENCE_SECONDS = 400

Rows = dict[str, list[list[Any]]]


def command(*arguments: object) -> list[str]:
    return [str(COMMAND), *map(str, arguments)]


@dataclass(frozen=True)
class Home:
    """A folder for everything that the platform writes."""

    path: Path

    def environment(self, **settings: object) -> dict[str, str]:
        """The settings, by the names of their variables in lower case, `RATINGS_` left out."""
        given = {name.upper(): str(value) for name, value in settings.items()}
        prefixed = {name if name.startswith("DAGSTER_") else f"RATINGS_{name}": value for name, value in given.items()}
        return {**os.environ, "RATINGS_HOME": str(self.path), **prefixed}

    def call(self, *arguments: object, **settings: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(*arguments),
            env=self.environment(**settings),
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )

    def start(self, *arguments: object, **settings: object) -> subprocess.Popen[str]:
        """The command at work, in a process group of its own."""
        return subprocess.Popen(
            command(*arguments),
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

    def copy(self, to: Path) -> Home:
        return Home(Path(shutil.copytree(self.path, to)))

    def lake(self, table: str, columns: str = "*") -> list[tuple[Any, ...]]:
        """Rows of a lake table's live files, asked of plain DuckDB and deltalake."""
        files = DeltaTable(str(self.path / "lake" / table)).file_uris()
        return duckdb.sql(f"select {columns} from read_parquet({files}, hive_partitioning = true)").fetchall()

    def warehouse(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.path / "warehouse.duckdb"), read_only=True) as connection:
            return connection.sql(sql).fetchall()

    def ratings_everywhere(self) -> set[int]:
        """How many ratings each table holds that has one row for each; one number when all agree."""
        counts = {self.lake(table, "count(*)")[0][0] for table in ("silver/ratings", "gold/fact_rating")}
        bronze = sum(self.lake(f"bronze/{table}", "count(*)")[0][0] for table in ("ratings_netflix", "ratings_amazon"))
        return counts | {bronze, self.warehouse("select count(*) from fact_rating")[0][0]}


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
