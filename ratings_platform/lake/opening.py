"""Which storage a lake's address means.

Belongs here: choosing among the storages. Does not belong here: how any of them works.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

from ratings_platform.lake.storage import DiskStorage, Storage


@cache
def open_storage(root: str, scratch: Callable[[], Path], region: Callable[[], str | None]) -> Storage:
    """The storage at a folder or at `s3://bucket/prefix`; connects only when used.

    One for all of a process, since it knows what the process has sent and fetched.

    Copies of what lies elsewhere go into `scratch()`, a folder of this process's own. `region` is asked for the AWS
    region that the settings name, if they do.
    """
    if not root.startswith("s3://"):
        return DiskStorage(root)
    from ratings_platform.lake.s3 import S3Storage

    return S3Storage(root, scratch, region)
