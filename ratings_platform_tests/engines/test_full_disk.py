"""What a full disk leaves of a write: one line for people, and the last version for readers."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ratings_platform.engines.duckdb import DuckDBEngine
from ratings_platform.lake.tables import LakeTable
from ratings_platform_tests.lake.samples import MANY, error_of, numbers

pytestmark = pytest.mark.integration


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[tuple[Path, dict[str, int]]]:
    """A folder with little room, and the limit on files that stands in for it where nothing can be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount, unmount = shutil.which("mount"), shutil.which("umount")
    command = [str(mount), "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(folder)]
    if not (mount and unmount) or subprocess.run(command, capture_output=True).returncode:
        yield folder, {"largest_file": 100_000}
        return
    yield folder, {}
    subprocess.run([unmount, folder], check=True)


def test_a_full_disk_is_one_line_and_leaves_the_last_version(full_disk: tuple[Path, dict[str, int]]) -> None:
    folder, limit = full_disk
    _replace_numbers(folder, 1000)
    error = error_of(_replace_numbers, folder, 1_000_000, **limit)
    assert error == (
        f"PlatformError: {folder}/gold/many: the disk is full: gold/many could not be written. "
        "Free some space and run again; readers still see the last version."
    )
    table = LakeTable(str(folder), MANY)
    assert sorted(p.name for p in Path(table.uri).iterdir()) == ["1000", "_delta_log"]
    found = DuckDBEngine("200MB", folder.parent).rows(MANY.unbound().count(), {MANY.name: table.scan()})
    assert found.to_pylist()[0].popitem()[1] == 1000


def _replace_numbers(folder: Path, count: int) -> None:
    table = LakeTable(str(folder), MANY)
    table.publish(DuckDBEngine("200MB", folder.parent).write(numbers(count), {}, MANY, table.uri, str(count)))
