"""A program that tells, as JSON, what becomes of moments in whatever opens a DuckDB: python -m … FOLDER.

Belongs here: what a test runs on a machine of another time zone. Does not belong here: what is right.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ratings_platform.engines.duckdb import DuckDBEngine
from ratings_platform.schema.files import DataFile, Scan
from ratings_platform.schema.tables import Column, Table
from ratings_platform.warehouse.duckdb import DuckDBWarehouse
from ratings_platform.warehouse.mysql_loading import _write_csv

# The year ends there before or after UTC's; and hours of these days are missing there or come twice.
STAMPS = ("2003-12-31 20:00:00", "2004-01-01 03:00:00", "2004-03-14 02:30:00", "2004-10-31 01:30:00")

_COLUMNS = (Column("moment", "timestamp('UTC', 6)", "When."), Column("local", "timestamp(6)", "By the clock."))
MOMENTS = Table("silver", "moments", "One row per moment.", _COLUMNS)
TOLD = Table(
    "gold",
    "told",
    "One row per moment, and what follows from it.",
    (
        *_COLUMNS,
        Column("day", "date", "Its day."),
        Column("text", "string", "It in words."),
        Column("same", "boolean", "Whether it is what the clock says."),
        Column("year", "int32", "Its year."),
    ),
    partition_by="year",
)


def moments(root: Path) -> Scan:
    local = pa.array(STAMPS).cast(pa.timestamp("us"))
    pq.write_table(pa.table({"moment": local, "local": local}).cast(MOMENTS.arrow_schema), root / "moments.parquet")
    return Scan(MOMENTS, str(root), (DataFile("moments.parquet", len(STAMPS), 1),))


def told(root: Path) -> dict[str, Any]:
    given, rows = moments(root), MOMENTS.unbound()
    expr = rows.select(
        "moment",
        "local",
        day=rows.moment.date(),
        text=rows.moment.cast("timestamp").cast("string"),
        same=rows.moment == rows.local.cast("timestamp('UTC')"),
        year=rows.moment.year().cast("int32"),
    )
    engine = DuckDBEngine("500MB", root / "spill")
    files = engine.write(expr, {MOMENTS.name: given}, TOLD, str(root), "told", years=[2003, 2004])
    scan = Scan(TOLD, str(root), tuple(files))
    warehouse = DuckDBWarehouse(root / "warehouse.duckdb", "500MB")
    warehouse.load(TOLD, scan)
    sql = (
        "select moment, local, moment::date as day, moment::timestamp::varchar as text,"
        " moment = local::timestamptz as same, year(moment) as year from told"
    )
    with warehouse.kept_open():
        kept = warehouse.query(sql)
    return {
        "years": {file.year: file.rows for file in files},
        "engine": _texts(engine.rows(TOLD.unbound(), {TOLD.name: scan})),
        "warehouse": _texts(warehouse.query(sql)),
        "warehouse kept open": _texts(kept),
        "mysql": _for_mysql(given),
    }


def _texts(found: pa.Table) -> list[list[str]]:
    return sorted([str(value) for value in row.values()] for row in found.to_pylist())


def _for_mysql(scan: Scan) -> list[str]:
    """The lines that a server is sent."""
    reading, writing = os.pipe()
    _write_csv(scan, writing, "500MB")
    with os.fdopen(reading) as lines:
        return sorted(lines.read().splitlines())


if __name__ == "__main__":
    sys.stdout.write(json.dumps(told(Path(sys.argv[1]))))
