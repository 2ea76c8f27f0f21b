"""Reading what is materialised: answers, their SQL, rejects. Without Dagster.

Belongs here: what the command line reads and how it is written out for people and programs. Does not belong here:
computing anything, and the commands themselves.
"""

from __future__ import annotations

import csv
import io
import json
import textwrap
from collections.abc import Sequence
from functools import cache
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from ratings_platform.engines.duckdb import DuckDBEngine
from ratings_platform.lake.opening import open_storage
from ratings_platform.lake.storage import Storage
from ratings_platform.lake.tables import LakeTable
from ratings_platform.schema import markdown
from ratings_platform.schema.documents import data_dictionary
from ratings_platform.schema.errors import PlatformError
from ratings_platform.schema.files import Scan
from ratings_platform.schema.lineage import column_lineage
from ratings_platform.schema.models import Question
from ratings_platform.schema.reading import counted
from ratings_platform.schema.sql import compiled
from ratings_platform.schema.study import Study
from ratings_platform.schema.tables import Table
from ratings_platform.scratch import folder_for_reading
from ratings_platform.settings import Settings, aws_region, load_study_settings

# Athena speaks Trino's SQL.
DIALECTS = {"duckdb": "duckdb", "mysql": "mysql", "spark": "pyspark", "athena": "trino"}
FORMATS = ("table", "json", "csv", "markdown")
_DUMPED_ROWS = 1_000_000


def answers(study: Study, settings: Settings) -> dict[str, pa.Table]:
    """All answers by name, in the order that their definitions give. Raises PlatformError when one is missing."""
    return {q.table.name: _ask(settings, q.table, q.ordered(q.table.unbound())) for q in study.questions}


def sql(study: Study, dialect: str, only: str | None = None) -> dict[str, str]:
    """Each question's SQL over the star schema, from its one definition, as a statement under what it means."""
    chosen = [q for q in study.questions if only is None or _names(q, only)]
    if not chosen:
        known = ", ".join(q.table.name for q in study.questions)
        raise PlatformError(f"there is no question {only!r}", remedy=f"Questions: {known}.")
    values = load_study_settings(study.settings).model_dump()
    return {
        q.table.name: _statement(q, compiled(q.expression(study.tables, values), DIALECTS[dialect])) for q in chosen
    }


def _statement(question: Question, text: str) -> str:
    about = textwrap.wrap(f"{question.question} {question.definition}", 100)
    return "\n".join([f"-- {question.table.name}", *(f"-- {line}" for line in about), f"{text};\n"])


def rejects(study: Study, settings: Settings, limit: int | None = None) -> tuple[pa.Table, pa.Table]:
    """A study's rejected rows counted by table, file and reason, and the rows themselves, in the order of the files."""
    rows = study.rejects.unbound()
    listed = rows.order_by(*study.rejects.key)
    found = (counted(rows), listed.limit(limit) if limit else listed)
    return _ask(settings, study.rejects, found[0]), _ask(settings, study.rejects, found[1])


def warehouse_dump(study: Study, settings: Settings, used: Sequence[str] = ()) -> str:
    """The star schema as SQL for MySQL and MariaDB; of the tables named `used`, only rows that others refer to."""
    from ratings_platform.warehouse.mysql_dump import dump

    tables = [study.tables[name] for name in study.warehouse]
    scans = {table.name: _scan(settings, table) for table in tables}
    rows = sum(scan.rows for scan in scans.values())
    if rows > _DUMPED_ROWS:
        raise PlatformError(
            f"the warehouse has {rows:,} rows; a dump is a sample of at most {_DUMPED_ROWS:,}",
            remedy="Dump a large warehouse with the server's own program, as mariadb-dump.",
        )
    asked = {table.name: table.unbound() for table in tables} | {name: _referred(name, tables) for name in used}
    ordered = {t.name: asked[t.name].order_by(*(t.key or asked[t.name].columns)) for t in tables}
    found = _engine(settings).many_rows(ordered, scans)
    return "".join(dump({table: found[table.name] for table in tables}, f"{study.title}: a sample of the warehouse"))


def _referred(name: str, tables: Sequence[Table]) -> ir.Table:
    """The rows of a table that others refer to."""
    referring = [
        other.unbound().select(**{column.references.removeprefix(f"{name}."): other.unbound()[column.name]})
        for other in tables
        for column in other.columns
        if column.references and column.references.startswith(f"{name}.")
    ]
    if not referring:
        raise PlatformError(f"no table of the warehouse refers to {name!r}", remedy="Name one that others refer to.")
    table = next(table for table in tables if table.name == name)
    return table.unbound().semi_join(ibis.union(*referring), referring[0].columns)


def dictionary(study: Study) -> str:
    """The data dictionary in Markdown."""
    values = load_study_settings(study.settings).model_dump()
    derived = (*study.models, *study.questions)
    lineage = {m.table.path: column_lineage(m.expression(study.tables, values)) for m in derived}
    title = f"{study.title}: data dictionary"
    return data_dictionary(title, list(study.tables.values()), lineage, study.questions)


def written(study: Study, found: dict[str, pa.Table], form: str) -> str:
    """Answers as JSON, CSV or Markdown."""
    if form == "json":
        return json.dumps({q.table.name: _json(q, found[q.table.name]) for q in study.questions}, indent=1, default=str)
    if form == "csv":
        return _csv(found)
    return "\n\n".join(_markdown(q, found[q.table.name]) for q in study.questions)


def _json(question: Question, rows: pa.Table) -> dict[str, Any]:
    return {
        "question": question.question,
        "definition": question.definition,
        "columns": rows.column_names,
        "rows": [list(row.values()) for row in rows.to_pylist()],
    }


def _csv(found: dict[str, pa.Table]) -> str:
    """One file for all: each answer under its own header line, with its name in the first column."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for name, rows in found.items():
        writer.writerow(["answer", *rows.column_names])
        writer.writerows([name, *row.values()] for row in rows.to_pylist())
    return text.getvalue().rstrip("\n")


def _markdown(question: Question, rows: pa.Table) -> str:
    listed = markdown.table(rows.column_names, readable(rows, question.table))
    return f"## {question.question}\n{question.definition}\n\n{listed}"


def readable(rows: pa.Table, table: Table | None = None) -> list[list[str]]:
    """Cells as people read them; a table's declaration tells which numbers are none to count with."""
    labels = table.labels if table else frozenset()
    return [[markdown.shown(value, label=name in labels) for name, value in row.items()] for row in rows.to_pylist()]


def lake(settings: Settings) -> Storage:
    """The lake that the settings name; copies of what lies elsewhere go into a folder of this process's own."""
    return open_storage(settings.lake_root, folder_for_reading(settings.scratch), aws_region)


def _ask(settings: Settings, table: Table, expr: Any) -> pa.Table:
    return _engine(settings).rows(expr, {table.name: _scan(settings, table)})


@cache
def _engine(settings: Settings) -> DuckDBEngine:
    return DuckDBEngine(settings.memory_limit, folder_for_reading(settings.scratch)() / "spill", lake(settings).local)


def _scan(settings: Settings, table: Table) -> Scan:
    return LakeTable(lake(settings), table).materialised()


def _names(question: Question, text: str) -> bool:
    return question.table.name == text or question.table.name.split("_")[0] == text.lower()
