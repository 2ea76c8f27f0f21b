"""Files of tables as Spark reads and writes them: in folders that its machines share, or on S3 through S3A.

Belongs here: addresses, reading a scan, and what a job has written. Does not belong here: expressions, and which
files are live.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache, reduce
from pathlib import Path
from typing import Any

import ibis.expr.datatypes as dt
from ibis.backends.pyspark.datatypes import PySparkType
from py4j.protocol import Py4JJavaError
from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as f
from pyspark.sql.types import DataType, StructField, StructType, TimestampNTZType

from ratings_platform.engines.parquet import describe
from ratings_platform.schema.errors import PlatformError
from ratings_platform.schema.files import DataFile, Scan
from ratings_platform.schema.partitions import in_years
from ratings_platform.schema.tables import Table

SHARE = "Let all machines share that folder under one path, or run Spark with the master local[*]."
_S3 = "s3://"
_COMMIT = {
    # Files appear when the job is committed, so that none is there of attempts that failed or came second.
    "mapreduce.fileoutputcommitter.algorithm.version": "1",
    # Hadoop's marker of success would be a file of no table.
    "mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
}


def has_s3a(session: SparkSession) -> bool:
    """Whether the jars are there with which Spark itself reads and writes S3."""
    java: Any = session.sparkContext._jvm
    try:
        java.org.apache.hadoop.fs.FileSystem.getFileSystemClass("s3a", session.sparkContext._jsc.hadoopConfiguration())
    except Py4JJavaError:
        return False
    return True


def read(session: SparkSession, scan: Scan) -> DataFrame:
    """The scan's rows, with the declared columns and types in the declared order."""
    struct = _struct(scan.table)
    if not scan.files:
        return session.range(0).select(*(f.lit(None).cast(field.dataType).alias(field.name) for field in struct))
    # Paths are meant as they are, brackets and stars included.
    reader = session.read.schema(struct).option("__globPaths__", "false")
    if scan.table.partition_by:
        # Files of one base have their years in their paths below it; Spark puts the year behind the other columns.
        bases = _by_base(scan.paths, scan.table.partition_by)
        of_bases = (reader.option("basePath", base).parquet(*paths) for base, paths in bases.items())
        return reduce(DataFrame.union, of_bases).select(*map(quoted, struct.names))
    rows = reader.parquet(*map(_address, scan.paths))
    if scan.years is None or scan.table.time_column is None:
        return rows
    # A file of a table that is not cut by year may hold more years than were asked for.
    return rows.where(in_years(quoted(scan.table.time_column), scan.years))


def typed(rows: DataFrame, table: Table) -> DataFrame:
    """The declared columns and types in the declared order."""
    return rows.select(*(f.col(quoted(field.name)).cast(field.dataType).alias(field.name) for field in _struct(table)))


def write(rows: DataFrame, table: Table, root: str, folder: str) -> list[DataFile]:
    """Write rows below `root/folder`; the files of the committed job, in the order of their rows.

    Raises PlatformError when they do not hold all rows: a worker then wrote into a folder of its own.
    """
    counted = Observation()
    writer = rows.observe(counted, f.count(f.lit(1)).alias("rows")).write.options(**_COMMIT)
    writer = writer.partitionBy(table.partition_by) if table.partition_by else writer
    writer.parquet(_address(f"{root}/{folder}"))
    files = _on_s3(rows, table, root, folder) if root.startswith(_S3) else _on_disk(table, root, folder)
    # Spark counts nothing where it knows beforehand that there are no rows.
    require_all(files, counted.get["rows"] if files else int(not rows.isEmpty()), f"{root}/{folder}")
    return files


def require_all(files: Sequence[DataFile], rows: int, where: str) -> None:
    """Raise PlatformError when files hold other than so many rows."""
    found = sum(file.rows for file in files)
    if found != rows:
        raise PlatformError(
            f"Spark wrote {rows:,} rows, and {found:,} are here" if files else "Spark wrote rows, and none is here",
            file=where,
            remedy=SHARE,
        )


def quoted(name: str) -> str:
    """A name as Spark's SQL writes it."""
    return "`" + name.replace("`", "``") + "`"


def _on_disk(table: Table, root: str, folder: str) -> list[DataFile]:
    base = Path(root, folder)
    for checksum in base.rglob(".*.crc"):  # which Hadoop puts beside files on disks
        checksum.unlink()
    paths = sorted(str(file.relative_to(root)) for file in base.rglob("part-*.parquet"))
    return [describe(root, path, table, year=_year_of(path)) for path in paths]


def _on_s3(rows: DataFrame, table: Table, root: str, folder: str) -> list[DataFile]:
    """Counted by Spark, from the files' footers; files without rows are left out."""
    reader = rows.sparkSession.read.schema(_struct(table))
    files = reader.parquet(_address(f"{root}/{folder}"))
    files = files.groupBy("_metadata.file_path", "_metadata.file_size").count().toDF("path", "size", "rows")
    start = len(_address(root)) + 1
    found = [(row["path"][start:], row["rows"], row["size"]) for row in files.collect()]
    return [DataFile(path, rows, size, _year_of(path)) for path, rows, size in sorted(found)]


def _year_of(path: str) -> int | None:
    found = re.search(r"/\w+=(\d+)/[^/]*$", path)
    return int(found[1]) if found else None


def _by_base(paths: Iterable[str], partition: str) -> dict[str, list[str]]:
    """Addresses by the folder that their years are in."""
    found: dict[str, list[str]] = {}
    for path in map(_address, paths):
        found.setdefault(path.rpartition(f"/{partition}=")[0], []).append(path)
    return found


def _address(path: str) -> str:
    """What Hadoop calls a path: it has its own name for S3, and another default than this machine's file system."""
    return path.replace(_S3, "s3a://", 1) if path.startswith(_S3) else f"file:///{path.lstrip('/')}"


@cache
def _struct(table: Table) -> StructType:
    """The declared columns with their types as Spark names them."""
    return StructType([StructField(name, _type(dtype)) for name, dtype in table.ibis_schema.items()])


def _type(dtype: dt.DataType) -> DataType:
    # Ibis takes every timestamp for one of a time zone.
    is_plain_timestamp = dtype.is_timestamp() and dtype.timezone is None
    return TimestampNTZType() if is_plain_timestamp else PySparkType.from_ibis(dtype)
