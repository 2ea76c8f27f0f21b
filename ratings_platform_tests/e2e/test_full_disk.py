"""A disk that fills up at different moments of a run."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ratings_platform_tests.e2e.conftest import LARGE, Sample
from ratings_platform_tests.e2e.support import Home, Weather, rounded

pytestmark = pytest.mark.e2e

KIB = 1024


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["/bin/mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small disk takes root")
    yield folder
    subprocess.run(["/bin/umount", str(folder)], check=True)


def _leave(free: int, disk: Path) -> Path:
    """Fill the disk but for so many bytes; returns the file that does."""
    state = os.statvfs(disk)
    filling = disk / "filling"
    filling.write_bytes(bytes(state.f_bavail * state.f_frsize - free))
    return filling


def test_a_disk_that_is_full_at_one_moment_after_the_other(
    weather_home: Weather, small_disk: Path, weather: Sample, large_weather: Sample
) -> None:
    large, home = large_weather, weather_home.copy(small_disk / "home")
    records = Path(shutil.move(home.path / "dagster", small_disk.parent / "dagster"))
    # Room for some of bronze; for the lake, but not the warehouse.
    for free, full in ((150 * KIB, "lake"), (1_100 * KIB, "warehouse.duckdb")):
        filling = _leave(free, small_disk)
        done = home.call("run", "--source", large.folder, dagster_home=records)
        _assert_told(done, "the disk is full")
        assert full in done.stderr
        _assert_whole(home, weather, large)
        filling.unlink()
    home.succeed("run", "--source", large.folder, dagster_home=records)
    _assert_as_undisturbed(home, large)


def test_disk_of_dagsters_records_is_full(
    weather_home: Weather, small_disk: Path, weather: Sample, large_weather: Sample
) -> None:
    large, home = large_weather, weather_home.copy(small_disk / "home")
    filling = _leave(500 * KIB, small_disk)

    done = home.call("run", "--source", large.folder)

    # SQLite says that the disk is full, or that it cannot write to it, as the moment has it.
    _assert_told(done, "Dagster cannot record the run here", "disk", "set DAGSTER_HOME to another folder")
    assert "disk is full" in done.stderr or "disk I/O error" in done.stderr
    _assert_whole(home, weather, large)
    filling.unlink()
    home.succeed("run", "--source", large.folder)
    _assert_as_undisturbed(home, large)


def _assert_told(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """One line for each place that had no room."""
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    told = [line for line in done.stderr.splitlines() if line.startswith("ratings-platform: ")]
    assert told
    for line in told:
        assert all(word in line for word in (*words, "Free some space")), line


def _assert_whole(home: Home, clean: Sample, large: Sample) -> None:
    """Each answer is that of the last good run, or the new one."""
    held = rounded(home.stored_answers())
    assert held.keys() == large.answers.keys()
    for name, rows in held.items():
        assert rows in (clean.answers[name], large.answers[name])


def _assert_as_undisturbed(home: Home, large: Sample) -> None:
    assert rounded(home.answers()) == large.answers
    assert home.ratings_everywhere() == {LARGE}
