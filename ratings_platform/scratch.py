"""Folders for files that no one needs after a run.

Belongs here: a folder of its own for each process, and removing those that killed processes left. Does not belong
here: what is put there.
"""

from __future__ import annotations

import atexit
import errno
import fcntl
import os
import shutil
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from tempfile import mkdtemp


@cache
def own_folder(root: Path) -> Path:
    """This process's folder below `root`, there until the process ends; what killed processes left is removed first.

    A lock on the folder says that its process is alive: the system releases it when the process dies, however it dies.
    """
    root.mkdir(parents=True, exist_ok=True)
    sweep(root)
    while True:
        folder = Path(mkdtemp(prefix="process-", dir=root))
        # Another process may sweep the folder away before it is locked. The lock lasts as long as the handle is open.
        if _locked(folder) is not None and folder.is_dir():
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
            return folder


@cache
def folder_of_process(root: Path) -> Callable[[], Path]:
    """What gives this process's folder below `root`, made when it is first asked for; the same for the same root."""
    return partial(own_folder, root)


@cache
def _own_or_temporary(root: Path) -> Path:
    try:
        return own_folder(root)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
    folder = Path(mkdtemp(prefix="ratings-platform-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@cache
def folder_for_reading(root: Path) -> Callable[[], Path]:
    """The same for who only reads: where nothing can be written below `root`, a folder of the system's."""
    return partial(_own_or_temporary, root)


def sweep(root: Path) -> None:
    """Remove the folders of processes that are no more; those that stay are of living ones."""
    for folder in root.glob("*"):
        handle = _locked(folder)
        if handle is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(handle)


def _locked(folder: Path) -> int | None:
    """A lock on the folder, as an open handle; None when another process has it, or the folder is gone."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle
