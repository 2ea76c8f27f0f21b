"""A disk that fills up at different moments of a run."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ratings_platform_tests.e2e.conftest import LARGE, Sample
from ratings_platform_tests.e2e.support import Home, rounded

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


# Room for some of bronze; for the lake, but not the warehouse.
@pytest.mark.parametrize("free", [2_300 * KIB, 3_500 * KIB])
def test_disk_of_the_data_is_full(free: int, good_home: Home, small_disk: Path, clean: Sample, large: Sample):
    home = good_home.copy(small_disk / "home")
    records = Path(shutil.move(home.path / "dagster", small_disk.parent / "dagster"))
    filling = _leave(free, small_disk)

    done = home.call("run", "--source", large.folder, dagster_home=records)

    _assert_told(done, "the disk is full")
    _assert_whole(home, clean, large)
    filling.unlink()
    home.succeed("run", "--source", large.folder, dagster_home=records)
    assert rounded(home.answers()) == large.answers
    assert home.ratings_everywhere() == {LARGE}


def test_disk_of_dagsters_records_is_full(good_home: Home, small_disk: Path, clean: Sample, large: Sample):
    home = good_home.copy(small_disk / "home")
    filling = _leave(1_500 * KIB, small_disk)

    done = home.call("run", "--source", large.folder)

    # SQLite says that the disk is full, or that it cannot write to it, as the moment has it.
    _assert_told(done, "Dagster cannot record the run here", "disk", "set DAGSTER_HOME to another folder")
    assert "disk is full" in done.stderr or "disk I/O error" in done.stderr
    _assert_whole(home, clean, large)
    filling.unlink()
    home.succeed("run", "--source", large.folder)
    assert rounded(home.answers()) == large.answers


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
    for name, rows in rounded(home.answers()).items():
        assert rows in (clean.answers[name], large.answers[name])
