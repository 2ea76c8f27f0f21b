"""The engine for clusters, on this machine: what it writes, from what, and what its faults leave.

Belongs here: what is Spark's own. Does not belong here: that both engines give the same (`parity`).
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark import SparkContext

from ratings_platform.engines.spark import _SETTINGS, SparkEngine
from ratings_platform.engines.spark_files import require_all
from ratings_platform.lake.tables import LakeTable
from ratings_platform.schema.errors import PlatformError, TransientError
from ratings_platform.schema.files import DataFile, Scan
from ratings_platform.schema.tables import Column, Table
from ratings_platform_tests.conftest import SPARK_SECRET
from ratings_platform_tests.lake.samples import MARKS, PLAIN, READINGS, Lake, marks, put, readings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.integration

YEARS = (2001, 2002, 2003)


@pytest.fixture
def engine(spark: Callable[[], SparkSession]) -> SparkEngine:
    return SparkEngine(spark)


@pytest.fixture
def source(tmp_path: Path) -> LakeTable:
    """Readings of three years, in two units of files, each unit with some of every year."""
    table = LakeTable(str(tmp_path), READINGS)
    table.publish(list(chain(*(put(table, readings(YEARS, 300, seed)) for seed in (1, 2)))))
    return table


@pytest.fixture
def target(tmp_path: Path) -> LakeTable:
    return LakeTable(str(tmp_path), MARKS)


def write(engine: SparkEngine, source: LakeTable, target: LakeTable, *years: int) -> list[DataFile]:
    return engine.write(marks(), {READINGS.name: source.scan()}, MARKS, target.uri, target.new_folder(), years=years)


def all_rows(engine: SparkEngine, scan: Scan) -> list[dict[str, object]]:
    rows = scan.table.unbound()
    return engine.rows(rows.order_by(*rows.columns), {scan.table.name: scan}).to_pylist()


def files_below(folder: str) -> list[str]:
    return sorted(str(file.relative_to(folder)) for file in Path(folder).rglob("*") if file.is_file())


def test_rows_that_a_worker_kept_in_a_folder_of_its_own_are_missed(
    engine: SparkEngine, source: LakeTable, target: LakeTable
) -> None:
    files = write(engine, source, target, *YEARS)
    rows = sum(file.rows for file in files)
    require_all(files, rows, "here")
    with pytest.raises(PlatformError, match=r"here: Spark wrote 1,800 rows, and 1,200 are here\. Let all machines"):
        require_all(files[:-1], rows, "here")
    with pytest.raises(PlatformError, match=r"here: Spark wrote rows, and none is here\. Let all machines"):
        require_all([], 1, "here")


def test_a_lost_java_process_is_a_passing_fault_and_the_next_try_starts_another(
    engine: SparkEngine, spark: Callable[[], SparkSession]
) -> None:
    spark()
    java = SparkContext._gateway.proc

    def lose_it() -> None:
        with engine._over({}, "x") as session:
            os.kill(java.pid, signal.SIGKILL)
            java.wait()
            session.sql("select 1").collect()

    with pytest.raises(TransientError, match=r"^Spark was lost at work on x: "):
        lose_it()
    assert engine.rows(ibis.literal(1), {}).num_rows == 1
    assert SparkContext._gateway.proc.pid != java.pid


def test_a_lost_cluster_is_a_passing_fault_and_the_next_try_connects_again(
    engine: SparkEngine, spark: Callable[[], SparkSession]
) -> None:
    first = spark()

    def lose_it() -> None:
        with engine._over({}, "x") as session:
            first.sparkContext._jsc.sc().stop()
            session.sql("select count(*) from range(10)").collect()

    with pytest.raises(TransientError, match=r"^Spark was lost at work on x: "):
        lose_it()
    assert engine.rows(ibis.literal(1), {}).num_rows == 1
    assert spark() is not first


def test_no_secret_is_among_the_arguments_of_the_java_process(spark: Callable[[], SparkSession]) -> None:
    """Anyone on the machine may read those."""
    told = spark().sparkContext.getConf().get(SPARK_SECRET[0])
    arguments = Path(f"/proc/{SparkContext._gateway.proc.pid}/cmdline").read_text(encoding="utf-8")
    assert told == SPARK_SECRET[1]
    assert "spark.master=local" in arguments
    assert SPARK_SECRET[1] not in arguments


def test_years_are_written_in_one_job_and_nothing_else_is_left(
    engine: SparkEngine, spark: Callable[[], SparkSession], source: LakeTable, target: LakeTable
) -> None:
    context = spark().sparkContext
    context.setJobGroup("years", "years")
    files = write(engine, source, target, 1999, *YEARS, 2050)
    jobs = context.statusTracker().getJobIdsForGroup("years")
    context.setLocalProperty("spark.jobGroup.id", None)
    assert len(jobs) == 1
    assert {f.year: f.rows for f in files} == dict.fromkeys(YEARS, 600)
    assert files_below(target.uri) == [f.path for f in files]
    assert [f.size for f in files] == [Path(target.uri, f.path).stat().st_size for f in files]
    target.publish(files, years=YEARS)
    wanted = [{**row, "year": row["day"].year} for row in all_rows(engine, source.scan())]  # type: ignore[attr-defined]
    assert all_rows(engine, target.scan()) == wanted


def test_a_sorted_table_is_one_file_in_its_order(engine: SparkEngine, source: LakeTable) -> None:
    rows = READINGS.unbound()
    expr = rows.select("name").order_by(ibis.desc("name"))
    root = str(Path(source.uri).parent / "out")
    [file] = engine.write(expr, {READINGS.name: source.scan()}, PLAIN, root, "new")
    assert files_below(root) == [file.path]
    assert (file.rows, file.year) == (1800, None)
    names = pq.read_table(f"{root}/{file.path}")["name"].to_pylist()
    assert names == sorted((n for n in names if n is not None), reverse=True) + [n for n in names if n is None]


def test_a_large_sorted_table_keeps_its_order_over_its_files(
    engine: SparkEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(_SETTINGS, "spark.sql.adaptive.advisoryPartitionSizeInBytes", "64k")
    monkeypatch.setitem(_SETTINGS, "spark.sql.adaptive.coalescePartitions.minPartitionSize", "1k")
    table = Table("gold", "sorted", "x", (Column("n", "int64", "x"),))
    expr = ibis.range(50_000).unnest().name("n").as_table().order_by(ibis.desc("n"))
    files = engine.write(expr, {}, table, str(tmp_path), "new")
    assert len(files) > 1
    numbers = chain(*(pq.read_table(tmp_path / f.path)["n"].to_pylist() for f in files))
    assert list(numbers) == list(range(49_999, -1, -1))


def test_a_scan_without_files_gives_no_rows(engine: SparkEngine, target: LakeTable) -> None:
    nothing = {READINGS.name: Scan(READINGS, "nowhere", ())}
    assert engine.write(marks(), nothing, MARKS, target.uri, "new", years=YEARS) == []
    assert engine.write(marks(), nothing, MARKS, target.uri, "new", years=()) == []
    [file] = engine.write(READINGS.unbound().select("name"), nothing, PLAIN, target.uri, "plain")
    assert file.rows == 0
    assert pq.read_schema(f"{target.uri}/{file.path}").names == ["name"]
    assert engine.rows(marks(), nothing).schema.names == [c.name for c in MARKS.columns]


def test_names_and_folders_may_hold_quotes_blanks_and_brackets(engine: SparkEngine, tmp_path: Path) -> None:
    odd = Table(
        "silver",
        'it\'s `odd` "x"',
        "x",
        (Column("a \"b\" 'c' `d`", "string", "x"), Column("year", "int32", "x")),
        partition_by="year",
    )
    target = LakeTable(str(tmp_path / 'a lake\'s "folder" [1]*{2}?'), odd)
    for year in YEARS[:2]:
        expr = PLAIN.unbound().select(ibis.literal("it's").name("a \"b\" 'c' `d`"), year=ibis.literal(year))
        plain = LakeTable(str(tmp_path / "p [0-9]"), PLAIN)
        Path(plain.uri).mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({"name": ["x"]}), f"{plain.uri}/x.parquet")
        scan = Scan(PLAIN, plain.uri, (DataFile("x.parquet", 1, 1),))
        files = engine.write(expr, {PLAIN.name: scan}, odd, target.uri, target.new_folder(), years=[year])
        target.publish(files, years=[year])
    assert all_rows(engine, target.scan()) == [{"a \"b\" 'c' `d`": "it's", "year": year} for year in YEARS[:2]]


def test_calls_at_once_do_not_see_each_others_tables(engine: SparkEngine, source: LakeTable) -> None:
    def count(year: int) -> int:
        rows = READINGS.unbound()
        counted = rows.aggregate(n=rows.count(), years=rows.day.year().nunique())
        [row] = engine.rows(counted, {READINGS.name: source.scan([year])}).to_pylist()
        assert row["years"] == 1
        return int(row["n"])

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(count, YEARS * 4)) == {600}


def test_a_fault_of_the_work_is_one_line_and_leaves_nothing(
    engine: SparkEngine, source: LakeTable, capfd: pytest.CaptureFixture[str]
) -> None:
    rows = READINGS.unbound()
    expr = rows.select(name=rows.name.cast("int32").cast("string"))
    with pytest.raises(PlatformError, match=r"^Spark failed over bronze/plain: \[CAST_INVALID_INPUT\]") as caught:
        engine.write(expr, {READINGS.name: source.scan()}, PLAIN, source.uri, "new")
    assert "\n" not in str(caught.value)
    assert not Path(source.uri, "new").exists()
    with pytest.raises(PlatformError, match=r"^Spark failed over rows of readings: "):
        engine.rows(expr, {READINGS.name: source.scan()})
    assert capfd.readouterr() == ("", "")


def test_a_lake_on_s3_is_read_and_written_through_s3a_where_it_is_there(
    spark: Callable[[], SparkSession], source: LakeTable, tmp_path: Path
) -> None:
    """Hadoop mounts a folder in the place of a bucket: its jars for S3 itself are no part of PySpark."""
    bucket, here = tmp_path / "bucket", tmp_path / "here"
    (bucket / "lake").mkdir(parents=True)
    hadoop = spark().sparkContext._jsc.hadoopConfiguration()
    options = {
        "fs.s3a.impl": "org.apache.hadoop.fs.viewfs.ViewFileSystemOverloadScheme",
        "fs.viewfs.overload.scheme.target.file.impl": "org.apache.hadoop.fs.LocalFileSystem",
        "fs.viewfs.mounttable.films.link./lake": f"file://{bucket}/lake",
    }
    for name, value in options.items():
        hadoop.set(name, value)
    try:
        engine = SparkEngine(spark, _no_copies, lambda root: root.replace(str(here), "s3://films/lake"))
        shutil.copytree(source.uri, bucket / "lake" / READINGS.path)
        scans = {READINGS.name: replace(source.scan(), root=f"s3://films/lake/{READINGS.path}")}
        files = engine.write(marks(), scans, MARKS, f"{here}/{MARKS.path}", "new", years=YEARS[:2])
        found = engine.rows(MARKS.unbound(), {MARKS.name: Scan(MARKS, f"s3://films/lake/{MARKS.path}", tuple(files))})
    finally:
        for name in options:
            hadoop.unset(name)
    assert {file.year: file.rows for file in files} == dict.fromkeys(YEARS[:2], 600)
    written = bucket / "lake" / MARKS.path
    assert [file for file in files_below(str(written)) if not file.endswith(".crc")] == [file.path for file in files]
    assert [file.size for file in files] == [(written / file.path).stat().st_size for file in files]
    assert found.num_rows == 1200
    assert not here.exists()


def _no_copies(scan: Scan) -> Scan:
    raise AssertionError("a scan was copied to this machine")


def test_a_lake_on_s3_passes_through_this_machine_where_s3a_is_not(
    spark: Callable[[], SparkSession], bucket: str, tmp_path: Path
) -> None:
    storage = Lake(f"s3://{bucket}/some/prefix", tmp_path / "scratch").storage
    source, target = LakeTable(storage, READINGS), LakeTable(storage, MARKS)
    source.publish(put(source, readings(YEARS, 30)))
    engine = SparkEngine(spark, Lake(f"s3://{bucket}/some/prefix", tmp_path / "other").storage.local, _never)
    files = engine.write(
        marks(), {READINGS.name: source.scan()}, MARKS, target.local_root, target.new_folder(), years=YEARS[1:]
    )
    target.publish(files, years=YEARS[1:])
    assert target.scan().rows_by_year() == {2002: 30, 2003: 30}
    assert engine.rows(MARKS.unbound(), {MARKS.name: target.scan()}).num_rows == 60


def _never(root: str) -> str:
    raise AssertionError("Spark was to write to S3 itself, without jars for it")


UNNAMED = """
import os, sys
from pathlib import Path
from ratings_platform.engines.spark_session import Sessions
from ratings_platform.orchestration.resources import new_session
from ratings_platform.settings import prepare_for_spark
options = {"spark.master": "local[1]", "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"}
folder = Path(sys.argv[1])
session = Sessions(lambda: options, prepare_for_spark, new_session, "600MB", lambda: folder)()
session.range(3).write.parquet(f"file://{folder}/out")
home = session.sparkContext._jvm.java.lang.System.getProperty("user.home")
print(os.getuid(), session.read.parquet(f"file://{folder}/out").count(), home)
"""


@pytest.fixture
def folder_of_another() -> Iterator[Path]:
    """Of a user without a name, and where he can reach it, as he cannot what pytest makes."""
    if os.geteuid() != 0:
        pytest.skip("to become another user takes root")
    with TemporaryDirectory() as name:
        os.chown(name, 12345, 12345)
        yield Path(name)


@pytest.mark.parametrize("home", [None, "there"])
def test_a_user_without_a_name_will_do(folder_of_another: Path, home: str | None) -> None:
    """As containers have them: neither Java nor Hadoop then knows who this is and where he is at home."""
    folder = folder_of_another
    # Root's own Python may lie where others cannot read.
    become = ["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups"]
    become += ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    environment = {name: value for name, value in os.environ.items() if name != "HOME"}
    environment |= {"HOME": str(folder / home)} if home else {}
    done = subprocess.run(
        [*become, sys.executable, "-c", UNNAMED, str(folder)],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"12345 3 {folder / home if home else folder}"
