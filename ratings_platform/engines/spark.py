"""The engine for clusters: expressions run by Spark, on one machine or many.

Belongs here: running Ibis expressions over scans on Spark, and writing their rows as Parquet. Does not belong here:
what the expressions mean, which files are live, and how a session is set up (`spark_session`).

Only small results reach this process. Imported only where Spark is used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, reduce
from pathlib import Path

import ibis.expr.datatypes as dt
import ibis.expr.types as ir
import polars as pl
import pyarrow as pa
from ibis.backends.pyspark.datatypes import PySparkType
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f
from pyspark.sql.types import DataType, StructField, StructType, TimestampNTZType

from ratings_platform.engines import spark_text
from ratings_platform.engines.parquet import describe
from ratings_platform.engines.spark_faults import spark_faults
from ratings_platform.engines.text import Stored
from ratings_platform.schema.files import DataFile, Scan
from ratings_platform.schema.reading import SourceFile
from ratings_platform.schema.sql import compiled, result_schema
from ratings_platform.schema.study import Ingest
from ratings_platform.schema.tables import Table

# What results rest on, whatever the cluster's own settings are.
_SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",  # faults raise, as on DuckDB, and do not become NULL
    "spark.sql.parquet.compression.codec": "zstd",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    # A sorted small table is one file: ranges of rows are joined up to a good size, not kept apart for each core.
    "spark.sql.adaptive.enabled": "true",
    "spark.sql.adaptive.coalescePartitions.parallelismFirst": "false",
    # Tasks of a table cut by year hold one year each, so that nothing is to be sorted by year.
    "spark.sql.maxConcurrentOutputFileWriters": "8",
}


class SparkEngine:
    """Runs expressions in the session that `session` gives; nothing of Java is touched before it is used.

    `local` gives a scan whose files all machines of the cluster can read.
    """

    kind = "spark"

    def __init__(self, session: Callable[[], SparkSession], local: Callable[[Scan], Scan] = lambda scan: scan):
        self._session, self._local = session, local

    def rows(self, expr: ir.Expr, scans: Mapping[str, Scan]) -> pa.Table:
        """The result of an expression in memory: for small results only."""
        return self.many_rows({"": expr}, scans)[""]

    def many_rows(self, exprs: Mapping[str, ir.Expr], scans: Mapping[str, Scan]) -> dict[str, pa.Table]:
        """Several small results over the same scans."""
        with self._over(scans, f"rows of {', '.join(scans)}") as session:
            return {
                name: session.sql(compiled(expr, "pyspark")).toArrow().cast(result_schema(expr))
                for name, expr in exprs.items()
            }

    def write(
        self,
        expr: ir.Table,
        scans: Mapping[str, Scan],
        target: Table,
        root: str,
        folder: str,
        *,
        years: Sequence[int] | None = None,
        progress: Callable[[str], None] = lambda _: None,
    ) -> list[DataFile]:
        """Write an expression's rows below `root/folder`, all in one job.

        A partitioned table's rows are made year by year, each year from that year's inputs alone, as on DuckDB.
        """
        if target.partition_by and not years:
            return []
        with self._over(scans, target.path, root, folder) as session:
            sql = compiled(expr, "pyspark")
            if target.partition_by is None:
                rows = _typed(session.sql(sql), target)
            else:
                parts = (self._of_year(session, sql, scans, target, year) for year in years or ())
                rows = reduce(DataFrame.union, parts)
            _write(rows, target, f"{root}/{folder}")
        files = [describe(root, path, target, year=_year_of(path)) for path in _committed(root, folder)]
        for year in years or ():
            progress(f"{target.path} {year}: {sum(f.rows for f in files if f.year == year):,} rows")
        return files

    def store(
        self, ingest: Ingest, files: Sequence[SourceFile], known: Mapping[str, Scan], root: str, folder: str
    ) -> Stored:
        """See `engines.spark_text.store`."""
        frames = {name: pl.scan_parquet(self._local(scan).paths) for name, scan in known.items()}
        with spark_faults(ingest.table.path):
            return spark_text.store(self._session(), ingest, files, frames, root, folder)

    def _of_year(
        self, session: SparkSession, sql: str, scans: Mapping[str, Scan], target: Table, year: int
    ) -> DataFrame:
        # A view may get other rows: what was asked of it before keeps those that it had then.
        for name, scan in scans.items():
            narrowed = scan.of_years([year])
            if narrowed is not scan:
                _read(session, self._local(narrowed)).createOrReplaceTempView(_quoted(name))
        rows = session.sql(sql).withColumn(target.partition_by or "", f.lit(year))
        return _typed(rows, target)

    @contextmanager
    def _over(
        self, scans: Mapping[str, Scan], what: str, root: str | None = None, folder: str | None = None
    ) -> Iterator[SparkSession]:
        """A session of its own, in which each scan is a view under its name, for work on `what`."""
        with spark_faults(what, root, folder):
            session = self._session().newSession()
            for name, value in _SETTINGS.items():
                session.conf.set(name, value)
            for name, scan in scans.items():
                _read(session, self._local(scan)).createOrReplaceTempView(_quoted(name))
            yield session


def _typed(rows: DataFrame, table: Table) -> DataFrame:
    """The declared columns and types in the declared order."""
    return rows.select(*(f.col(_quoted(field.name)).cast(field.dataType).alias(field.name) for field in _struct(table)))


@cache
def _struct(table: Table) -> StructType:
    """The declared columns with their types as Spark names them."""
    return StructType([StructField(name, _type(dtype)) for name, dtype in table.ibis_schema.items()])


def _type(dtype: dt.DataType) -> DataType:
    # Ibis takes every timestamp for one of a time zone.
    is_plain_timestamp = dtype.is_timestamp() and dtype.timezone is None
    return TimestampNTZType() if is_plain_timestamp else PySparkType.from_ibis(dtype)


def _read(session: SparkSession, scan: Scan) -> DataFrame:
    """The scan's rows, with the declared columns and types in the declared order."""
    struct = _struct(scan.table)
    if not scan.files:
        return session.range(0).select(*(f.lit(None).cast(field.dataType).alias(field.name) for field in struct))
    # Paths are meant as they are, brackets and stars included.
    reader = session.read.schema(struct).option("__globPaths__", "false")
    # Files of one base have their years in their paths below it.
    of_bases = (
        (reader.option("basePath", base) if base else reader).parquet(*paths).select(*map(_quoted, struct.names))
        for base, paths in _by_base(scan).items()
    )
    rows = reduce(DataFrame.union, of_bases)
    if scan.years is None or scan.table.partition_by or scan.table.time_column is None:
        return rows
    # Files of a partitioned table hold one year each; elsewhere a file may hold more than was asked for.
    day = f.col(_quoted(scan.table.time_column))
    spans = (day.between(f.lit(f"{y}-01-01").cast("date"), f.lit(f"{y}-12-31").cast("date")) for y in scan.years)
    return rows.where(reduce(lambda one, other: one | other, spans, f.lit(False)))


def _by_base(scan: Scan) -> dict[str, list[str]]:
    """Paths of a scan by the folder that their years are in; all under none when the table has no years."""
    found: dict[str, list[str]] = {}
    for path in map(_uri, scan.paths):
        base = path.rpartition(f"/{scan.table.partition_by}=")[0] if scan.table.partition_by else ""
        found.setdefault(base, []).append(path)
    return found


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _uri(path: str) -> str:
    """A path of this machine's file system, whatever the cluster's default is; other addresses as they are."""
    return path if "://" in path else f"file:///{path.lstrip('/')}"


def _write(rows: DataFrame, target: Table, path: str) -> None:
    # Committed files are the job's own say; Hadoop's marker of success would be a file of no table.
    writer = rows.write.option("mapreduce.fileoutputcommitter.marksuccessfuljobs", "false")
    (writer.partitionBy(target.partition_by) if target.partition_by else writer).parquet(_uri(path))


def _committed(root: str, folder: str) -> list[str]:
    """Files of the job, in the order of their rows; checksums that Hadoop put beside them are removed."""
    base = Path(root, folder)
    for checksum in base.rglob(".*.crc"):
        checksum.unlink()
    return sorted(str(file.relative_to(root)) for file in base.rglob("part-*.parquet"))


def _year_of(path: str) -> int | None:
    found = re.search(r"/\w+=(\d+)/[^/]*$", path)
    return int(found[1]) if found else None
