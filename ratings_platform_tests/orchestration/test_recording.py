"""Dagster's home as people leave it: what keeps runs from being recorded is told by its cause."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from ratings_platform.orchestration.running import recorded_in
from ratings_platform.schema.errors import PlatformError
from ratings_platform_tests.conftest import ReadOnly

pytestmark = pytest.mark.integration

CORRECT = "Correct it, or move it away: one that works is then written in its place."
WRITE = "Let it be written to, or set RATINGS_HOME or DAGSTER_HOME to a folder that you may write to."
FILES = {
    "storage without its module": (
        b"storage:\n  postgres:\n    postgres_url: postgresql://u:s3cret@localhost/db\n",
        "Couldn't import module dagster_postgres",
    ),
    "unknown key": (b"storrage:\n  x: s3cret\n", 'unexpected config entry "storrage" at the root'),
    "unknown key below": (b"telemetry:\n  enabld: s3cret\n", 'unexpected config entry "enabld" at path root:telemetry'),
    "wrong value": (b"telemetry:\n  enabled: s3cret\n", "the value of telemetry:enabled cannot be used"),
    "no such environment": (
        b"storage:\n  sqlite:\n    base_dir:\n      env: S3CRET\n",
        "the value of base_dir cannot be used",
    ),
    "broken YAML": (b"telemetry:\n  - [s3cret\n", "line 3 is no YAML"),
    "code": (b"!!python/object/apply:os.system ['s3cret']\n", "line 1 is no YAML"),
    "no settings": (b"s3cret\n", "CheckError"),
    "no UTF-8": (b"# caf\xe9\n", "UnicodeDecodeError"),
}


def of_sqlite(words: str) -> OperationalError:
    return OperationalError("insert", {"value": "s3cret"}, sqlite3.OperationalError(words))


def complaint(home: Path) -> str:
    with pytest.raises(PlatformError) as caught, recorded_in(home) as instance:
        instance.get_runs(limit=1)
    told = str(caught.value)
    assert "\n" not in told
    assert "s3cret" not in told.lower()
    return told


@pytest.mark.parametrize(("content", "told"), FILES.values(), ids=FILES)
def test_a_file_of_settings_that_dagster_cannot_use_is_named(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "dagster.yaml").write_bytes(content)
    assert complaint(tmp_path) == f"{tmp_path}/dagster.yaml: Dagster cannot use this file ({told}). {CORRECT}"


def test_a_file_in_place_of_the_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    assert complaint(tmp_path / "file" / "dagster") == (
        f"{tmp_path}/file/dagster: Dagster cannot record the run here (Not a directory). "
        "Mend what the message names, or set DAGSTER_HOME to another folder."
    )


def test_records_that_are_none_are_told(tmp_path: Path) -> None:
    with recorded_in(tmp_path):
        pass
    (tmp_path / "history" / "runs.db").write_bytes(b"no database" * 1000)
    assert complaint(tmp_path) == (
        f"{tmp_path}: Dagster cannot record the run here (file is not a database). "
        "Mend what the message names, or set DAGSTER_HOME to another folder."
    )


def test_what_others_have_locked_is_told(tmp_path: Path) -> None:
    with recorded_in(tmp_path):
        pass
    with pytest.raises(PlatformError, match=r"\(database is locked\)\. Wait until"), recorded_in(tmp_path):
        raise of_sqlite("database is locked")


@pytest.mark.parametrize("words", ["database or disk is full", "disk I/O error"])
def test_want_of_space_is_told(tmp_path: Path, words: str) -> None:
    with pytest.raises(PlatformError, match=rf"\({words}\)\. Free some space"), recorded_in(tmp_path):
        raise of_sqlite(words)


def test_a_home_that_cannot_be_written_is_told(read_only: ReadOnly, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    with read_only(tmp_path / "home") as home:
        told = complaint(home / "dagster")
        assert told.startswith(f"{home}/dagster: Dagster cannot record the run here (")
        assert told.endswith(WRITE)
