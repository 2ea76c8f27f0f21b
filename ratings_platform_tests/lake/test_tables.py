"""Lake tables: readers see whole versions, whoever writes, is killed, or writes at the same time."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from ratings_platform.engines.parquet import describe
from ratings_platform.lake.storage import DiskStorage
from ratings_platform.lake.tables import LakeTable
from ratings_platform.schema.errors import PlatformError, TransientError
from ratings_platform.schema.scans import scan_sql
from ratings_platform.schema.tables import Column, Table
from ratings_platform_tests.lake.samples import (
    MARKS,
    ODD_FOLDERS,
    PLAIN,
    READINGS,
    Lake,
    Row,
    put,
    put_file,
    readings,
)

OLD: list[Row] = [("a", 1, date(2001, 5, 1)), ("b", 2, date(2002, 5, 1)), ("c", 3, date(2003, 5, 1))]
NEW: list[Row] = [("x", 5, date(2002, 6, 1)), ("y", 5, date(2003, 6, 1))]


@pytest.fixture
def table(lake: Lake) -> LakeTable:
    return lake.table(MARKS)


def test_a_table_never_published_has_no_rows_and_no_version(table: LakeTable, lake: Lake) -> None:
    assert (table.info(), table.scan().files, table.scan().version) == ({}, (), None)
    assert lake.rows(table.scan()) == []


def test_the_first_version_creates_the_table_and_the_next_replaces_it(table: LakeTable, lake: Lake) -> None:
    assert table.publish(put(table, OLD), info={"run": "one"}) == 0
    assert (lake.rows(table.scan()), table.info()) == (OLD, {"run": "one"})
    assert table.publish(put(table, NEW), info={"run": "two"}) == table.scan().version == 1
    assert (lake.rows(table.scan()), table.info()) == (NEW, {"run": "two"})


def test_years_replace_only_themselves_even_by_nothing(table: LakeTable, lake: Lake) -> None:
    table.publish(put(table, OLD))
    table.publish(put(table, NEW[:1]), years=[2002, 2003])
    assert lake.rows(table.scan()) == [OLD[0], NEW[0]]
    assert table.scan().rows_by_year() == {2001: 1, 2002: 1}
    assert lake.rows(table.scan([2001])) == [OLD[0]]


def test_a_reader_keeps_its_version_while_others_are_published(table: LakeTable, lake: Lake) -> None:
    table.publish(put(table, OLD))
    held = table.scan()
    table.publish(put(table, NEW))
    table.publish([])
    assert lake.rows(held) == OLD
    assert lake.rows(table.scan()) == []


def test_the_same_files_again_add_nothing(table: LakeTable, lake: Lake) -> None:
    files = put(table, OLD)
    table.publish(files)
    table.publish(files)
    table.publish([f for f in files if f.year == 2002], years=[2002])
    assert lake.rows(table.scan()) == OLD
    assert len(table.scan().files) == 3
    log = lake.storage.read(f"{table.table.path}/_delta_log/{2:020}.json") or b""
    kinds = {key for line in log.splitlines() for key in json.loads(line)}
    assert "commitInfo" in kinds
    assert not {"add", "remove"} & kinds


def test_a_file_kept_by_name_and_a_new_one_make_one_version(table: LakeTable, lake: Lake) -> None:
    files = put(table, OLD)
    table.publish(files)
    table.publish([files[0], *put(table, NEW[:1])])
    assert lake.rows(table.scan()) == [OLD[0], NEW[0]]


def test_files_that_were_never_published_are_invisible(table: LakeTable, lake: Lake) -> None:
    put(table, NEW)
    assert table.scan().version is None
    table.publish(put(table, OLD))
    put(table, NEW)
    assert lake.rows(table.scan()) == OLD


@pytest.mark.unit
def test_folders_are_never_named_twice(disk_lake: Lake) -> None:
    table = disk_lake.table(MARKS)
    assert len({table.new_folder("unit") for _ in range(100)}) == 100


@pytest.mark.unit
@pytest.mark.parametrize("declared", [MARKS, READINGS])
def test_other_programs_read_the_same_rows(tmp_path: Path, declared: Table) -> None:
    table = LakeTable(str(tmp_path / 'a lake\'s "folder" [é]'), declared)
    table.publish(put(table, readings([2001, 2002], 20)))
    names = [c.name for c in declared.columns]
    ours = duckdb.sql(f"select * from ({scan_sql(table.scan())}) order by all").fetchall()
    delta = DeltaTable(table.uri)
    theirs = delta.to_pyarrow_table().select(names)  # noqa: F841
    assert duckdb.sql("select * from theirs order by all").fetchall() == ours
    paths = [str(Path(table.uri, path)) for path in delta.get_add_actions(flatten=True)["path"].to_pylist()]
    plain = duckdb.read_parquet(paths, hive_partitioning=True).select(", ".join(names))  # type: ignore[arg-type]
    assert [tuple(map(str, row)) for row in plain.order("all").fetchall()] == [tuple(map(str, row)) for row in ours]
    assert len(ours) == 40
    assert delta.metadata().description == declared.description


def test_statistics_of_the_time_column_are_those_of_the_rows(lake: Lake) -> None:
    table = lake.table(READINGS)
    table.publish(put(table, readings([2001, 2004], 50)))
    assert {f.first_day.year for f in table.scan().files if f.first_day} == {2001, 2004}
    for file in table.scan().files:
        days = pq.read_table(f"{table.local_root}/{file.path}")["day"].to_pylist()
        assert (file.first_day, file.last_day, file.rows) == (min(days), max(days), len(days))
    assert [f.first_day for f in table.scan([2004]).files] == [f.first_day for f in table.scan().files[1:]]


@pytest.mark.unit
@pytest.mark.parametrize("kind", ["timestamp(6)", "timestamp('UTC', 6)"], ids=["timestamp", "moment"])
def test_bounds_of_moments_are_kept_to_the_moment(disk_lake: Lake, kind: str) -> None:
    """Beside files of which none are known."""
    declared = Table("bronze", "moments", "x", (Column("at", kind, "x", nullable=True),), time_column="at")
    table, files = disk_lake.table(declared), []
    for name, moments in {"b": [f"200{n}-12-31 23:59:59.999999" for n in (1, 2)], "a": [None]}.items():
        Path(table.local_root).mkdir(parents=True, exist_ok=True)
        rows = pa.table({"at": pa.array(moments, pa.string()).cast(pa.timestamp("us"))}).cast(declared.arrow_schema)
        pq.write_table(rows, f"{table.local_root}/{name}.parquet")
        files.append(describe(table.local_root, f"{name}.parquet", declared))
    table.publish(files)
    assert table.scan().files == (files[1], files[0])
    assert [str(file.last_day)[:26] for file in table.scan().files] == ["None", "2002-12-31 23:59:59.999999"]
    assert [len(table.scan([year]).files) for year in range(2000, 2004)] == [1, 2, 2, 1]


def test_a_file_over_several_years_gives_each_year_its_rows(lake: Lake) -> None:
    table = lake.table(READINGS)
    table.publish([put_file(table, OLD, "unit/all.parquet")])
    assert lake.rows(table.scan([2002])) == [OLD[1]]
    assert lake.rows(table.scan([2001, 2003])) == [OLD[0], OLD[2]]
    assert lake.rows(table.scan([])) == []


def test_other_columns_than_declared_are_refused_by_readers_and_writers(table: LakeTable, lake: Lake) -> None:
    table.publish(put(table, OLD))
    wider = Table(MARKS.layer, MARKS.name, "x", (*MARKS.columns, Column("new", "string", "x")), partition_by="year")
    drifted = lake.table(wider)
    with pytest.raises(PlatformError, match=r"other columns than declared: .*'new'.* Move this folder away"):
        drifted.scan()
    with pytest.raises(PlatformError, match="other columns than declared"):
        drifted.publish(put(table, NEW))
    assert lake.rows(table.scan()) == OLD


def _tear(commit: Path) -> None:
    commit.write_text(commit.read_text()[:50])


def _of_a_later_time(commit: Path) -> None:
    commit.write_text('{"protocol":{"minReaderVersion":9,"minWriterVersion":9}}\n')


@pytest.mark.unit
@pytest.mark.parametrize("harm", [_tear, Path.unlink, _of_a_later_time], ids=["torn", "gone", "unknown protocol"])
def test_a_log_that_cannot_be_read_is_one_line(disk_lake: Lake, harm: Callable[[Path], None]) -> None:
    table = disk_lake.table(MARKS)
    for _ in range(3):
        table.publish(put(table, OLD))
    harm(Path(table.uri, "_delta_log", f"{1:020}.json"))
    table = LakeTable(disk_lake.root, MARKS)  # as a process has it that opens the log now
    for use in (table.scan, table.info, table.history, table.vacuum, lambda: table.publish(put(table, NEW))):
        with pytest.raises(PlatformError, match=r"the table's log cannot be read: .* Put back what was") as caught:
            use()
        assert str(caught.value).startswith(f"{table.uri}: ")
        assert not set("\n\x1b") & set(str(caught.value))
        assert "<unknown>" not in str(caught.value)


@pytest.mark.unit
@pytest.mark.parametrize(("folder", "sibling"), ODD_FOLDERS.items(), ids=ODD_FOLDERS)
def test_a_folder_is_what_it_is_called(tmp_path: Path, folder: str, sibling: str) -> None:
    """And no pattern: the folders beside it are left alone."""
    for name, rows_of_it in ((sibling, NEW), (folder, OLD)):
        lake = Lake(str(tmp_path / name / "lake"), tmp_path / "scratch")
        table = lake.table(MARKS)
        table.publish(put(table, rows_of_it, "same"))
    assert lake.rows(table.scan()) == OLD
    assert lake.rows(table.scan([2002])) == OLD[1:2]
    table.publish(put(table, NEW), years=[2002, 2003], info={"run": "two"})
    assert table.info() == {"run": "two"}
    assert [version.number for version in table.history()] == [1, 0]
    table.restore(0)
    assert lake.rows(table.scan()) == OLD
    Path(table.uri, "left over").write_text("x")
    assert "left over" in table.vacuum(hours=0)
    assert not Path(table.uri, "left over").exists()
    assert len(list((tmp_path / sibling).rglob("*.parquet"))) == len(NEW)


def test_an_empty_unpartitioned_table_is_a_version_too(lake: Lake) -> None:
    table = lake.table(PLAIN)
    table.publish([])
    assert (table.scan().version, table.scan().rows) == (0, 0)


def test_what_a_version_says_outlives_a_vacuum_by_others(table: LakeTable, lake: Lake) -> None:
    table.publish(put(table, OLD), info={"run": "one"})
    table.publish(put(table, NEW), info={"run": "two"})
    lake.delta(table).vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    assert lake.delta(table).version() > 1
    assert table.info() == {"run": "two"}


@pytest.mark.unit
def test_the_log_is_summed_up_now_and_then_and_says_the_same(disk_lake: Lake) -> None:
    table = disk_lake.table(READINGS)
    for n in range(12):
        files = put(table, [*OLD, (str(n), 1, date(2004, 1, n + 1))])
        table.publish(files, info={"run": n})
    log = {path.name for path in Path(table.uri, "_delta_log").iterdir()}
    assert f"{9:020}.checkpoint.parquet" in log
    assert (table.scan().files, table.info()) == (tuple(files), {"run": 11})


@pytest.mark.unit
def test_files_that_no_recent_version_needs_are_removed(disk_lake: Lake) -> None:
    table, day = disk_lake.table(MARKS), 24 * 3600
    table.publish(put(table, OLD, "first"))
    put(table, OLD, "of-a-killed-run")
    table.publish(put(table, NEW, "second"))
    left = {path.parent.parent.name for path in Path(table.uri).glob("*/*/*.parquet")}
    assert left == {"first", "of-a-killed-run", "second"}  # all of them are of today
    for path in Path(table.uri, "of-a-killed-run").rglob("*"):
        os.utime(path, (0, time.time() - 8 * day))
    table.publish(put(table, NEW, "third"))
    left = {path.parent.parent.name for path in Path(table.uri).glob("*/*/*.parquet")}
    assert left == {"first", "second", "third"}
    assert disk_lake.rows(table.scan()) == NEW


def test_content_made_from_a_version_that_is_no_longer_the_last_is_refused(table: LakeTable, lake: Lake) -> None:
    empty = table.scan()
    table.publish(put(table, OLD), follows=empty)
    with pytest.raises(TransientError, match="another run has published"):
        table.publish(put(table, NEW), follows=empty)
    assert lake.rows(table.scan()) == OLD
    table.publish(put(table, NEW), follows=table.scan())
    assert lake.rows(table.scan()) == NEW


@pytest.mark.integration
@pytest.mark.parametrize("checkpoint", [False, True], ids=["", "after a checkpoint"])
def test_a_reader_that_opened_a_table_before_sees_what_others_publish(tmp_path: Path, *, checkpoint: bool) -> None:
    reading = LakeTable(DiskStorage(str(tmp_path / "lake")), MARKS)
    writing = LakeTable(str(tmp_path / "lake"), MARKS)
    for version in range(12 if checkpoint else 3):
        writing.publish(put(writing, [("a", 1 + version % 5, date(2001, 5, 1))]))
        assert reading.scan().version == version
        assert reading.scan().files == writing.scan().files


@pytest.mark.integration
def test_a_reader_notices_that_another_table_took_a_tables_place(tmp_path: Path) -> None:
    lake = DiskStorage(str(tmp_path / "lake"))
    LakeTable(str(tmp_path / "lake"), MARKS).publish(put(LakeTable(lake, MARKS), OLD))
    other = LakeTable(str(tmp_path / "other"), MARKS)
    other.publish(put(other, NEW))
    assert LakeTable(lake, MARKS).scan().rows == len(OLD)
    shutil.rmtree(tmp_path / "lake")
    assert LakeTable(lake, MARKS).scan().version is None
    (tmp_path / "other").rename(tmp_path / "lake")
    assert LakeTable(lake, MARKS).scan().rows == len(NEW)
