"""Room on the disk for the bytes about to be written.

Belongs here: the check before writing, and the error when the disk fills up all the same. Does not belong here:
what is written.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ratings_platform.schema.errors import PlatformError, is_disk_full


@contextmanager
def room_for(needed: int, folder: Path) -> Iterator[None]:
    """Run the block only if `needed` bytes fit on the folder's disk; say so too if it fills up meanwhile."""
    free = shutil.disk_usage(folder).free
    remedy = "Free some space there, or set another folder."
    if needed > free:
        raise PlatformError(f"{needed:,} bytes are needed, {free:,} are free", file=str(folder), remedy=remedy)
    try:
        yield
    except OSError as error:
        if not is_disk_full(error):
            raise
        raise PlatformError(
            f"the disk is full; {needed:,} bytes are needed", file=str(folder), remedy=remedy
        ) from error
