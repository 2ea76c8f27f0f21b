"""What the tests of the stores share: lakes of both kinds, small tables, their files, and processes that are killed."""

from __future__ import annotations

import os
import random
import resource
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import duckdb
import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable

from ratings_platform.engines.parquet import describe
from ratings_platform.lake.s3 import Patience, S3Storage
from ratings_platform.lake.storage import DiskStorage, Storage
from ratings_platform.lake.tables import LakeTable
from ratings_platform.schema.errors import PlatformError, TransientError
from ratings_platform.schema.files import DataFile, Scan
from ratings_platform.schema.scans import scan_sql
from ratings_platform.schema.tables import Column, Table
from ratings_platform.settings import aws_region
from ratings_platform_tests.processes import PROCESSES

_COLUMNS = (
    Column("name", "string", 'Who; it\'s "quoted".', nullable=True),
    Column("stars", "int8", "How many."),
    Column("day", "date", "When."),
)
READINGS = Table("bronze", "readings", "One row per reading.", _COLUMNS, time_column="day")
MARKS = Table(
    "silver",
    "marks",
    'One row per mark; it\'s "by year".',
    (*_COLUMNS, Column("year", "int32", "Year of the day.")),
    partition_by="year",
    time_column="day",
)
PLAIN = Table("bronze", "plain", "One row per name.", (Column("name", "string", "Who.", nullable=True),))

MANY = Table(
    "gold", "many", "One row per number.", (Column("n", "int64", "A number."), Column("m", "int64", "Its hash."))
)

# Names of folders, and of folders beside them that they would match as patterns.
ODD_FOLDERS = {
    "[2024]": "2",
    "a[b]c": "abc",
    "a*b": "axb",
    "{a,b}": "a",
    "100% a": "100",
    'it\'s "a"': "it",
    "données 🎬": "donnees",
}

Row = tuple[str | None, int, date]

# Short, so that a fault that lasts is soon told.
PATIENCE = Patience(tries=3, connect=2, answer=2, wait=0.02)


@dataclass(frozen=True)
class Lake:
    """Where a lake of the tests lies, as processes can take it along; the environment says how to reach it."""

    root: str
    scratch: Path

    @property
    def storage(self) -> Storage:
        return _storage(self.root, self.scratch)

    def table(self, declared: Table) -> LakeTable:
        return LakeTable(self.storage, declared)

    def rows(self, scan: Scan) -> list[Row]:
        """What a scan reads, ordered, for a process that wrote nothing of it."""
        return rows(_storage(self.root, self.scratch / "of-a-reader").local(scan))

    def delta(self, table: LakeTable, version: int | None = None) -> DeltaTable:
        """The table as the Delta library alone sees it."""
        return DeltaTable(table.uri, version=version, storage_options=self.storage.delta_options())


@cache
def _storage(root: str, scratch: Path) -> Storage:
    return S3Storage(root, lambda: scratch, aws_region, PATIENCE) if root.startswith("s3:") else DiskStorage(root)


def marks(readings: Table = READINGS) -> ir.Table:
    """Readings as marks, row by row."""
    rows = readings.unbound()
    return rows.select("name", "stars", "day", year=rows.day.year().cast("int32"))


def numbers(count: int) -> ir.Table:
    """Rows of MANY that no table holds."""
    n = ibis.range(count).unnest().name("n").as_table()
    return n.select("n", m=n.n.hash())


def put(table: LakeTable, rows: Iterable[Row], folder: str | None = None) -> list[DataFile]:
    """Files of the rows, one a year, not published."""
    folder, by_year = folder or table.new_folder(), {}
    for row in rows:
        by_year.setdefault(row[2].year, []).append(row)
    partition = table.table.partition_by
    return [
        put_file(table, some, f"{folder}/{partition}={year}/data.parquet" if partition else f"{folder}/{year}.parquet")
        for year, some in by_year.items()
    ]


def put_file(table: LakeTable, rows: Sequence[Row], path: str) -> DataFile:
    file = Path(table.local_root, path)
    file.parent.mkdir(parents=True, exist_ok=True)
    columns = zip(*rows, strict=True)
    schema = pa.schema([("name", pa.string()), ("stars", pa.int8()), ("day", pa.date32())])
    pq.write_table(pa.table([list(c) for c in columns], schema=schema), file)
    return describe(table.local_root, path, table.table, year=rows[0][2].year if table.table.partition_by else None)


def rows(scan: Scan) -> list[Row]:
    """What a scan of files on this machine reads, ordered."""
    return duckdb.sql(f"select name, stars, day from ({scan_sql(scan)}) order by day, name, stars").fetchall()


def readings(years: Iterable[int], count: int, seed: int = 1) -> list[Row]:
    """Readings in no order that sorting would give, with nulls, letters of all kinds and quotes."""
    return list(_readings(tuple(years), count, seed))


@cache
def _readings(years: Sequence[int], count: int, seed: int) -> list[Row]:
    chance = random.Random(seed)  # noqa: S311
    names = [None, "", "O'Neil", 'say "hi"', "Łódź", "日本", "🎬", "tab\tand\nline", "a,b;c\\d"]
    return [
        (chance.choice(names), chance.randint(1, 5), date(year, chance.randint(1, 12), chance.randint(1, 28)))
        for year in years
        for _ in range(count)
    ]


def killed_while_running(target: Callable[..., None], *args: Any, after: float) -> None:
    """Run `target(event, *args)` in a process and SIGKILL it `after` seconds from when it sets the event.

    The target then does for ever what it is killed in, so that it was at work if it was alive. How long to wait is to
    be a part of the time that the work takes (`seconds`), for machines differ.
    """
    ready: Event = PROCESSES.Event()
    process = PROCESSES.Process(target=target, args=(ready, *args))
    process.start()
    assert ready.wait(60), "the process never began"
    time.sleep(after)
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    assert process.exitcode == -signal.SIGKILL, "the process ended before it was killed"


def seconds(work: Callable[[], object]) -> float:
    """How long some work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def error_of(target: Callable[..., object], *args: Any, largest_file: int = resource.RLIM_INFINITY) -> str:
    """The error that `target` ends with in a process that may write files up to a size; "" when it ends well."""
    here, there = PROCESSES.Pipe(duplex=False)
    process = PROCESSES.Process(target=_told, args=(there, largest_file, target, *args))
    process.start()
    there.close()
    told: str = here.recv()
    process.join()
    return told


def _told(result: Connection, largest_file: int, target: Callable[..., object], *args: Any) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
    try:
        target(*args)
    except (PlatformError, TransientError) as error:
        result.send(f"{type(error).__name__}: {error}")
    else:
        result.send("")
