"""Faults of the storage: which a person must mend, and which may pass."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import duckdb
import polars as pl
import pytest

from ratings_platform.engines.faults import storage_faults
from ratings_platform.schema.errors import PlatformError, TransientError

pytestmark = pytest.mark.unit

FULL = "No space left on device"


@pytest.mark.parametrize(
    ("fault", "becomes"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), PlatformError),
        (OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)), PlatformError),
        (duckdb.IOException(f"Could not write file: {FULL}"), PlatformError),
        (duckdb.OutOfMemoryException("… adjust 'max_temp_directory_size' …"), PlatformError),
        (pl.exceptions.ComputeError(f"parquet: {FULL} (os error 28)"), PlatformError),
        (OSError(errno.EIO, os.strerror(errno.EIO)), TransientError),
        (duckdb.IOException("Could not write file: Input/output error"), TransientError),
        (pl.exceptions.ComputeError("conversion failed"), pl.exceptions.ComputeError),
        (duckdb.OutOfMemoryException("memory"), duckdb.OutOfMemoryException),
        (duckdb.BinderException("no such column"), duckdb.BinderException),
    ],
)
def test_faults_become_what_they_are(tmp_path: Path, fault: Exception, becomes: type[Exception]) -> None:
    with pytest.raises(becomes), storage_faults("layer/table", str(tmp_path), "new"):
        raise fault


def test_the_half_written_folder_goes_and_others_stay(tmp_path: Path) -> None:
    for name in ("new", "old"):
        (tmp_path / name / "year=2001").mkdir(parents=True)
    with pytest.raises(PlatformError), storage_faults("layer/table", str(tmp_path), "new"):
        raise OSError(errno.ENOSPC, FULL)
    assert [p.name for p in tmp_path.iterdir()] == ["old"]
