"""Earlier versions of lake tables: listed, made the last one again, and removed when nobody needs them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from ratings_platform.lake.tables import LakeTable
from ratings_platform.schema.errors import PlatformError
from ratings_platform.schema.files import SIDECARS
from ratings_platform_tests.lake.samples import MARKS, Lake, Row, put, put_file

ONE: list[Row] = [("a", 1, date(2001, 5, 1)), ("b", 2, date(2002, 5, 1))]
TWO: list[Row] = [("x", 5, date(2002, 6, 1)), ("y", 5, date(2002, 6, 2))]


@pytest.fixture
def table(lake: Lake) -> LakeTable:
    """Three versions: all of ONE, then TWO instead of its 2002, then nothing at all."""
    table = lake.table(MARKS)
    table.publish(put(table, ONE), info={"run": "one"})
    table.publish(put(table, TWO), years=[2002], info={"run": "two"})
    table.publish([], info={"run": "three"})
    return table


def test_versions_are_listed_the_newest_first(table: LakeTable) -> None:
    found = table.history()
    assert [(v.number, v.rows, v.info) for v in found] == [
        (2, 0, {"run": "three"}),
        (1, 3, {"run": "two"}),
        (0, 2, {"run": "one"}),
    ]
    assert table.history(1) == found[:1]
    assert found[0].size == 0 < found[1].size
    assert all(datetime.now(UTC) - v.time < timedelta(minutes=5) for v in found)


def test_a_table_never_published_has_no_versions(lake: Lake) -> None:
    assert lake.table(MARKS).history() == lake.table(MARKS).vacuum() == []
    with pytest.raises(PlatformError, match=r"there is no version 0\. Versions: none yet\."):
        lake.table(MARKS).restore(0)


def test_an_earlier_version_is_the_content_again_with_what_it_said_of_itself(table: LakeTable, lake: Lake) -> None:
    assert table.restore(1) == table.scan().version == 3
    assert lake.rows(table.scan()) == [ONE[0], *TWO]
    assert table.info() == {"run": "two", "restored": 1}
    assert table.restore(0) == 4
    assert lake.rows(table.scan()) == ONE
    # What came between is a version like any other.
    assert table.restore(2) == 5
    assert (lake.rows(table.scan()), [v.number for v in table.history()]) == ([], [5, 4, 3, 2, 1, 0])


def test_years_are_replaced_in_a_restored_version_too(table: LakeTable, lake: Lake) -> None:
    table.restore(0)
    table.publish(put(table, TWO), years=[2002])
    assert lake.rows(table.scan()) == [ONE[0], *TWO]


def test_a_version_whose_files_are_gone_cannot_be_restored(table: LakeTable, lake: Lake) -> None:
    table.restore(1)
    lost = table.vacuum(hours=0, dry_run=True)
    assert [path.partition("/")[2] for path in lost] == ["year=2002/data.parquet"]
    assert table.vacuum(hours=0) == lost
    assert table.vacuum(hours=0) == []
    with pytest.raises(PlatformError, match=r"version 0 cannot be restored: .* choose a later version"):
        table.restore(0)
    assert lake.rows(table.scan()) == [ONE[0], *TWO]
    assert (table.info(), [v.number for v in table.history()][-4:]) == ({"run": "two", "restored": 1}, [3, 2, 1, 0])


def test_sidecars_go_with_the_versions_that_speak_of_them(lake: Lake) -> None:
    table = lake.table(MARKS)
    sidecars = [put_file(table, ONE[:1], f"{SIDECARS}/{name}.parquet").path for name in ("one", "two", "left")]
    table.publish(put(table, ONE), sidecars=sidecars[:1])
    table.publish(put(table, TWO), sidecars=sidecars[:2])
    lake.storage.send([f"{table.table.path}/{sidecars[2]}"])
    assert set(sidecars).isdisjoint(table.vacuum(dry_run=True))
    table.publish(put(table, TWO), sidecars=sidecars[1:2])
    gone = [path for path in table.vacuum(hours=0) if path.startswith(SIDECARS)]
    assert sorted(gone) == sorted([sidecars[0], sidecars[2]])
    assert lake.storage.ages(f"{table.table.path}/{SIDECARS}").keys() == {f"{table.table.path}/{sidecars[1]}"}
    assert table.vacuum(hours=0) == []


def test_a_file_that_is_nowhere_is_not_published(table: LakeTable, lake: Lake) -> None:
    (file,) = put(table, ONE[:1])
    Path(table.local_root, file.path).unlink()
    with pytest.raises(PlatformError, match="was to be published and is nowhere"):
        table.publish([file])
    assert table.scan().version == 2


def test_what_is_said_of_years_stays_until_they_are_replaced(lake: Lake) -> None:
    table = lake.table(MARKS)
    table.publish(put(table, ONE), years=[2001, 2002], info={"run": "one"}, by_year={2001: "a", 2002: "b"})
    table.publish(put(table, TWO), years=[2002], info={"run": "two"}, by_year={2002: {"from": "c"}})
    assert table.info() == {"run": "two", "years": {"2001": "a", "2002": {"from": "c"}}}
    table.restore(0)
    assert table.info()["years"] == {"2001": "a", "2002": "b"}
    table.publish(put(table, TWO), info={"run": "all"})
    assert table.info() == {"run": "all"}


@pytest.mark.unit
def test_writers_at_once_keep_what_each_says_of_its_year(disk_lake: Lake) -> None:
    table = disk_lake.table(MARKS)
    table.publish(put(table, ONE), years=[2001, 2002], by_year={2001: 0, 2002: 0})

    def write(row: Row) -> None:
        for number in range(1, 4):
            table.publish(put(table, [row]), years=[row[2].year], by_year={row[2].year: number})

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, ONE))
    assert table.info()["years"] == {"2001": 3, "2002": 3}
    assert disk_lake.rows(table.scan()) == ONE
