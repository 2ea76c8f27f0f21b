"""What the tests of the warehouse share: scans of small lake tables, and what became of them."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from ratings_platform.lake.tables import LakeTable
from ratings_platform.schema.files import Scan
from ratings_platform.schema.models import Model
from ratings_platform.schema.study import Study
from ratings_platform.schema.tables import Table
from ratings_platform.warehouse.duckdb import DuckDBWarehouse
from ratings_platform_tests.lake.samples import MARKS, Row, put

OLD: list[Row] = [("a", 1, date(2001, 5, 1)), ('O\'Neil "日本"', 2, date(2002, 5, 1)), (None, 3, date(2003, 5, 1))]
NEW: list[Row] = [("x", 5, date(2002, 6, 1))]


def scan(folder: Path, rows: list[Row]) -> Scan:
    """What a lake table of these rows hands over."""
    lake = LakeTable(str(folder), MARKS)
    lake.publish(put(lake, rows))
    return lake.scan()


def content(warehouse: DuckDBWarehouse) -> list[tuple[Any, ...]]:
    found = warehouse.query("select name, stars, day, year from marks order by day, name, stars")
    return [tuple(row.values()) for row in found.to_pylist()]


def as_marks(*rows: Row) -> list[tuple[Any, ...]]:
    return [(*row, row[2].year) for row in rows]


def study_of(migrations: Path | None, *tables: Table) -> Study:
    """A study of nothing but tables of a warehouse."""
    names = tuple(table.name for table in tables)
    models = tuple(Model(table, table.unbound) for table in tables)
    return Study("throw-away", "", (), (), (), models, (), names, object, print, migrations=migrations)
