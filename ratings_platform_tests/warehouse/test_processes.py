"""The warehouse under other processes: locks are waited for and named, a killed load did not happen."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from ratings_platform.lake.tables import LakeTable
from ratings_platform.schema.errors import PlatformError
from ratings_platform.schema.files import Scan
from ratings_platform.warehouse.duckdb import DuckDBWarehouse
from ratings_platform_tests.lake.samples import (
    MARKS,
    PROCESSES,
    error_of,
    killed_while_running,
    put,
    readings,
    seconds,
)
from ratings_platform_tests.warehouse.samples import NEW, OLD, as_marks, content, scan

pytestmark = pytest.mark.integration


_HOLD = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.readline()"


@contextmanager
def held(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another program that has the file open until it is sent a line."""
    command = [sys.executable, "-c", _HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


@pytest.fixture
def holder(warehouse: DuckDBWarehouse, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    warehouse.load(MARKS, scan(tmp_path, OLD))
    with held(warehouse.path) as process:
        yield process


def _let_go(holder: subprocess.Popen[str]) -> None:
    assert holder.stdin is not None
    holder.stdin.write("\n")
    holder.stdin.flush()


def test_a_locked_file_is_waited_for_and_then_its_holder_named(
    warehouse: DuckDBWarehouse, holder: subprocess.Popen[str], tmp_path: Path
) -> None:
    seconds, told = _refused(lambda: warehouse.load(MARKS, scan(tmp_path, NEW)))
    assert 0.3 <= seconds < 5
    assert told.startswith(f"{warehouse.path}: the warehouse file is locked by ")
    assert f"(PID {holder.pid})" in told
    assert told.endswith("Close that program, or wait until it has finished, and run again.")
    assert "\n" not in told
    _let_go(holder)
    holder.wait(10)
    assert content(warehouse) == as_marks(*OLD)


def test_who_waited_in_vain_waits_again_only_after_it_got_in(
    warehouse: DuckDBWarehouse, holder: subprocess.Popen[str]
) -> None:
    assert _refused(lambda: warehouse.row_count(MARKS))[0] >= 0.3
    assert _refused(lambda: warehouse.row_count(MARKS))[0] < 0.3
    _let_go(holder)
    holder.wait(10)
    assert warehouse.row_count(MARKS) == 3
    with held(warehouse.path):
        assert _refused(lambda: warehouse.row_count(MARKS))[0] >= 0.3


@pytest.mark.parametrize("content", ["no database", None], ids=["no database", "a folder"])
def test_another_fault_does_not_end_the_patience_with_locks(
    warehouse: DuckDBWarehouse, tmp_path: Path, content: str | None
) -> None:
    warehouse.load(MARKS, scan(tmp_path, OLD))
    good = warehouse.path.rename(tmp_path / "good")
    if content is None:
        warehouse.path.mkdir()
    else:
        warehouse.path.write_text(content)
    assert "cannot be opened as a DuckDB database" in _refused(lambda: warehouse.row_count(MARKS))[1]
    warehouse.path.rename(tmp_path / "wrong")
    good.rename(warehouse.path)
    with held(warehouse.path):
        assert _refused(lambda: warehouse.row_count(MARKS))[0] >= 0.3


def _refused(use: Callable[[], object]) -> tuple[float, str]:
    """How long it took to be refused, and what was told."""
    start = time.monotonic()
    with pytest.raises(PlatformError) as caught:
        use()
    return time.monotonic() - start, str(caught.value)


def test_kept_open_it_stays_locked_for_others_until_the_end(warehouse: DuckDBWarehouse, tmp_path: Path) -> None:
    with warehouse.kept_open():
        warehouse.load(MARKS, scan(tmp_path, OLD))
        assert content(warehouse) == as_marks(*OLD)
        assert "is locked by" in error_of(_load, warehouse.path, scan(tmp_path, NEW))
    assert error_of(_load, warehouse.path, scan(tmp_path, NEW)) == ""
    assert content(warehouse) == as_marks(*NEW)


def test_a_lock_released_in_time_is_no_fault(
    warehouse: DuckDBWarehouse, holder: subprocess.Popen[str], tmp_path: Path
) -> None:
    patient = DuckDBWarehouse(warehouse.path, "500MB", lock_wait=30)
    threading.Timer(0.5, _let_go, [holder]).start()
    assert patient.load(MARKS, scan(tmp_path, NEW)) == 1
    assert content(warehouse) == as_marks(*NEW)


def test_no_lock_outlives_a_load(warehouse: DuckDBWarehouse, tmp_path: Path) -> None:
    warehouse.load(MARKS, scan(tmp_path, OLD))
    with pytest.raises(PlatformError, match="no_such_column"):
        warehouse.query("select no_such_column from marks")
    assert error_of(_load, warehouse.path, scan(tmp_path, NEW)) == ""


def test_a_full_disk_is_told_and_the_content_stays(warehouse: DuckDBWarehouse, tmp_path: Path) -> None:
    warehouse.load(MARKS, scan(tmp_path, OLD))
    size = warehouse.path.stat().st_size
    error = error_of(_load, warehouse.path, scan(tmp_path, readings([2001], 200_000)), largest_file=size + 200_000)
    assert error == (
        f"PlatformError: {warehouse.path}: the disk is full. Free some space and run again; nothing was changed."
    )
    assert content(warehouse) == as_marks(*OLD)


def _load(path: Path, found: Scan) -> None:
    DuckDBWarehouse(path, "500MB", lock_wait=0.3).load(MARKS, found)


@pytest.mark.parametrize("years", [None, [2001, 2002]], ids=["whole", "years"])
@pytest.mark.parametrize("part", [0.2, 0.8, 1.7])
def test_a_load_killed_at_any_moment_leaves_a_whole_table(
    warehouse: DuckDBWarehouse, tmp_path: Path, years: list[int] | None, part: float
) -> None:
    """After some part of the time that a load takes."""
    before = scan(tmp_path, readings([2001, 2002, 2003], 20_000))
    # The same rows with other stars: a mixture would show.
    lake = LakeTable(str(tmp_path / "other"), MARKS)
    lake.publish(put(lake, [(name, 9, day) for name, _, day in readings([2001, 2002, 2003], 20_000)]))
    taken = seconds(lambda: warehouse.load(MARKS, before))
    whole = content(warehouse)
    killed_while_running(_load_forever, warehouse, lake.scan(), before, years, after=part * taken)
    found = content(warehouse)
    nines = {year: {row[1] == 9 for row in found if row[3] == year} for year in (2001, 2002, 2003)}
    assert nines[2001] == nines[2002]
    assert all(len(kinds) == 1 for kinds in nines.values())
    assert years is None or nines[2003] == {False}
    assert len(found) == 60_000
    warehouse.load(MARKS, before if years is None else before.of_years(years), years)
    assert content(warehouse) == whole


def _load_forever(ready: Event, warehouse: DuckDBWarehouse, a: Scan, b: Scan, years: list[int] | None) -> None:
    ready.set()
    while True:
        for found in (a, b):
            warehouse.load(MARKS, found if years is None else found.of_years(years), years)


def test_who_asks_during_loads_never_sees_part_of_a_year(tmp_path: Path) -> None:
    warehouse = DuckDBWarehouse(tmp_path / "w.duckdb", "500MB")
    rows = {count: scan(tmp_path / str(count), readings([2001, 2002], count)) for count in (5000, 8000)}
    warehouse.load(MARKS, rows[5000])
    here, there = PROCESSES.Pipe()
    reader = PROCESSES.Process(target=_ask_until_told, args=(warehouse, there))
    reader.start()
    seen: list[tuple[int, ...]] = []
    deadline = time.monotonic() + 60
    while len(set(seen)) < 2 and time.monotonic() < deadline:
        for count in (8000, 5000):
            warehouse.load(MARKS, rows[count].of_years([2001]), [2001])
            time.sleep(0.15)
            while here.poll():
                seen.append(here.recv())
    here.send("stop")
    reader.join()
    assert set(seen) == {(5000, 5000), (8000, 5000)}


def _ask_until_told(warehouse: DuckDBWarehouse, pipe: Connection) -> None:
    while not pipe.poll(0.1):
        counts = warehouse.query("select count(*) as n from marks group by year order by year")
        pipe.send(tuple(counts["n"].to_pylist()))
