"""The engine for clusters: expressions run by Spark, on one machine or many.

Belongs here: running Ibis expressions over scans on Spark. Does not belong here: what the expressions mean, files and
addresses (`spark_files`), and how a session is set up (`spark_session`).

Only small results reach this process. Imported only where Spark is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import reduce

import ibis.expr.types as ir
import polars as pl
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f

from ratings_platform.engines import spark_files, spark_text, text
from ratings_platform.engines.spark_faults import spark_faults
from ratings_platform.schema.files import DataFile, Scan
from ratings_platform.schema.partitions import has_years
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

    The machines of the cluster share the folders of the lake. Of a lake on S3, `local` gives a scan with its files on
    this machine, and `remote` the address that a folder here stands for: the former is used on a cluster without S3A,
    whose machines must share this process's folders; the latter where Spark itself reads and writes S3.
    """

    kind = "spark"

    def __init__(
        self,
        session: Callable[[], SparkSession],
        local: Callable[[Scan], Scan] = lambda scan: scan,
        remote: Callable[[str], str] | None = None,
    ):
        self._session, self._local, self._remote = session, local, remote

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
        """Write an expression's rows below `root/folder`, or what that stands for on S3, all in one job.

        A partitioned table's rows are made year by year, as on DuckDB: each year from that year's inputs alone, and of
        inputs that know no years those that are its own.
        """
        if target.partition_by and not years:
            return []
        with self._over(scans, target.path, root, folder) as session:
            sql = compiled(expr, "pyspark")
            if target.partition_by is None:
                rows = spark_files.typed(session.sql(sql), target)
            else:
                parts = (self._of_year(session, sql, scans, target, year) for year in years or ())
                rows = reduce(DataFrame.union, parts)
            there = self._remote(root) if self._remote and self._is_direct(session) else root
            files = spark_files.write(rows, target, there, folder)
        for year in years or ():
            progress(f"{target.path} {year}: {sum(f.rows for f in files if f.year == year):,} rows")
        return files

    def store(
        self, ingest: Ingest, files: Sequence[SourceFile], known: Mapping[str, Scan], root: str, folder: str
    ) -> text.Stored:
        """See `engines.spark_text.store`. Where Spark itself writes to S3, machines share no folder: then done here."""
        frames = {name: pl.scan_parquet(self._local(scan).paths, glob=False) for name, scan in known.items()}
        with spark_faults(ingest.table.path):
            session = self._session()
            if self._is_direct(session):
                return text.store(ingest.reader(files, frames), ingest.table, root, folder)
            return spark_text.store(session, ingest, files, frames, root, folder)

    def _of_year(
        self, session: SparkSession, sql: str, scans: Mapping[str, Scan], target: Table, year: int
    ) -> DataFrame:
        # A view may get other rows: what was asked of it before keeps those that it had then.
        narrowed = {name: scan.of_years([year]) for name, scan in scans.items()}
        self._show(session, {name: scan for name, scan in narrowed.items() if scan is not scans[name]})
        column = target.partition_by or ""
        rows = session.sql(sql).where(has_years(spark_files.quoted(column), [year]))
        # A constant from here on, so that nothing need be sorted by year.
        return spark_files.typed(rows.withColumn(column, f.lit(year)), target)

    @contextmanager
    def _over(
        self, scans: Mapping[str, Scan], what: str, root: str | None = None, folder: str | None = None
    ) -> Iterator[SparkSession]:
        """A session of its own, in which each scan is a view under its name, for work on `what`."""
        with spark_faults(what, root, folder):
            session = self._session().newSession()
            for name, value in _SETTINGS.items():
                session.conf.set(name, value)
            self._show(session, scans)
            yield session

    def _show(self, session: SparkSession, scans: Mapping[str, Scan]) -> None:
        for name, scan in scans.items():
            seen = scan if self._is_direct(session) else self._local(scan)
            spark_files.read(session, seen).createOrReplaceTempView(spark_files.quoted(name))

    def _is_direct(self, session: SparkSession) -> bool:
        """Whether the lake is on S3 and Spark itself reads and writes it."""
        return self._remote is not None and spark_files.has_s3a(session)
