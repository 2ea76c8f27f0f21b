"""Faults of the storage that engines write to.

Belongs here: telling a full disk from a passing fault, in one place for all engines. Does not belong here: faults of
the data.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import polars as pl

from ratings_platform.schema.errors import PlatformError, TransientError, is_disk_full

# What DuckDB says when its spilt rows, and Polars when a file's footer, find no room.
_NO_ROOM = ("max_temp_directory_size", "Invalid thrift: transport error")
# Faults of the system that may be gone at the next try.
_PASSING = (errno.EAGAIN, errno.EBUSY, errno.EIO, errno.ESTALE, errno.ETIMEDOUT)


@contextmanager
def storage_faults(what: str, root: str, folder: str) -> Iterator[None]:
    """Turn faults of writing `what` below `root/folder` into the platform's errors; remove the half-written folder."""
    try:
        yield
    except (OSError, duckdb.IOException, duckdb.OutOfMemoryException, pl.exceptions.ComputeError) as error:
        shutil.rmtree(Path(root, folder), ignore_errors=True)
        if is_disk_full(error) or any(words in str(error) for words in _NO_ROOM):
            raise PlatformError(
                f"the disk is full: {what} could not be written",
                file=root,
                remedy="Free some space and run again; readers still see the last version.",
            ) from error
        if isinstance(error, OSError) and error.errno not in _PASSING:
            raise
        if isinstance(error, OSError | duckdb.IOException):
            raise TransientError(f"{what} could not be written below {root}: {error}") from error
        raise
