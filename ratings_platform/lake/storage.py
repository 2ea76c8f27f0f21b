"""Where a lake lies: in a folder on this machine, or under a prefix of an S3 bucket.

Belongs here: what this room asks of either of them, and the folder. Does not belong here: S3 (`s3`), choosing between
them (`opening`), and what the files mean.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Hashable, Iterable
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import NamedTuple, Protocol

from deltalake import DeltaTable

from ratings_platform.schema.files import Scan

# After so long nobody is at work any more on a file that is not whole.
_ABANDONED_SECONDS = 2 * 24 * 3600

# Called with a file's name, its bytes so far, and its bytes in all.
Progress = Callable[[str, int, int], None]


class Storage(Hashable, Protocol):
    """Files by their paths below `root`. Engines read and write them in a folder on this machine.

    A data file never changes once it is written, and its name is never used again: so a copy of it is never stale.
    """

    root: str
    """The lake's address, without a slash at the end and without secrets."""

    remote: bool
    """Whether what is in the folder on this machine are copies."""

    def folder(self, path: str) -> str:
        """The folder on this machine that stands for `path`: what is written there can be sent."""

    def local(self, scan: Scan) -> Scan:
        """The same scan with its files on this machine."""

    def fetch(self, paths: Iterable[str]) -> None:
        """Have these files in their folders on this machine."""

    def send(self, paths: Iterable[str]) -> list[str]:
        """Make files that were written in their folders part of the lake. Those that already are stay as they are.

        Returns those that are not in their folders.
        """

    def has(self, path: str) -> bool:
        """Whether the lake has this file."""

    def read(self, path: str) -> bytes | None:
        """A small file's content; None when there is no such file."""

    def replace(self, path: str, content: bytes) -> None:
        """Write a small file in one step: readers find the old content or the new."""

    def keep(self, file: Path, path: str, sha256: str, check: Callable[[], None], progress: Progress) -> None:
        """Keep a copy of a file that a user holds, where the lake does not lie on the same machine.

        `check` is asked just before the copy counts, and raises when the file is no longer what `sha256` says.
        """

    def ages(self, folder: str) -> dict[str, float]:
        """The files below a folder, by path, with the seconds since 1970 at which they were written."""

    def remove(self, paths: Iterable[str]) -> None:
        """Remove files; those that are gone already are no fault."""

    def drop_unfinished(self) -> None:
        """Drop what sendings that were killed days ago have left half-done."""

    def open_log(self, path: str) -> DeltaTable:
        """The log of the table at a path as it is now. Raises TableNotFoundError when there is none."""

    def delta_options(self) -> dict[str, str] | None:
        """What the Delta library needs to find a table here."""

    def faults(self) -> AbstractContextManager[None]:
        """Turns the storage's faults into the platform's errors."""


class _Log(NamedTuple):
    """A table's log as it was opened, and the mark of its last commit then."""

    delta: DeltaTable
    mark: tuple[int, int] | None


class DiskStorage:
    """A folder on this machine: files are read and written in place."""

    remote = False

    def __init__(self, root: str):
        self.root = root.rstrip("/")
        self._logs: dict[str, _Log] = {}

    def __reduce__(self) -> tuple[type[DiskStorage], tuple[str]]:
        """Other processes open logs of their own."""
        return DiskStorage, (self.root,)

    def folder(self, path: str) -> str:
        return f"{self.root}/{path}"

    def local(self, scan: Scan) -> Scan:
        return scan

    def fetch(self, paths: Iterable[str]) -> None:
        pass

    def send(self, paths: Iterable[str]) -> list[str]:
        return [path for path in paths if not self.has(path)]

    def has(self, path: str) -> bool:
        return Path(self.root, path).exists()

    def read(self, path: str) -> bytes | None:
        file = Path(self.root, path)
        return file.read_bytes() if file.exists() else None

    def replace(self, path: str, content: bytes) -> None:
        file = Path(self.root, path)
        file.parent.mkdir(parents=True, exist_ok=True)
        # A name of its own for each writer: else one would take away, or write into, what another is about to publish.
        fresh = file.with_name(f"{file.name}.{uuid.uuid4().hex}.part")
        try:
            fresh.write_bytes(content)
            fresh.replace(file)
        finally:
            fresh.unlink(missing_ok=True)

    def keep(self, file: Path, path: str, sha256: str, check: Callable[[], None], progress: Progress) -> None:
        """Files on this machine are used where they lie."""

    def ages(self, folder: str) -> dict[str, float]:
        found = {}
        for place, _, names in os.walk(Path(self.root, folder)):
            for file in (Path(place, name) for name in names):
                with suppress(FileNotFoundError):  # another process may remove it just now
                    found[str(file.relative_to(self.root))] = file.stat().st_mtime
        return found

    def remove(self, paths: Iterable[str]) -> None:
        for path in paths:
            Path(self.root, path).unlink(missing_ok=True)

    def drop_unfinished(self) -> None:
        for left in Path(self.root).glob("*/*.part"):
            with suppress(FileNotFoundError):  # its writer may be at work after all
                if time.time() - left.stat().st_mtime > _ABANDONED_SECONDS:
                    left.unlink()

    def open_log(self, path: str) -> DeltaTable:
        known = self._logs.get(path)
        if known and known.mark is not None and known.mark == self._last_commit(path, known.delta.version()):
            return known.delta
        delta = DeltaTable(f"{self.root}/{path}")
        self._logs[path] = _Log(delta, self._last_commit(path, delta.version()))
        return delta

    def _last_commit(self, path: str, version: int) -> tuple[int, int] | None:
        """What tells a commit from others of its number; None when it is not the last one, or is no more."""
        log = Path(self.root, path, "_delta_log")
        if (log / f"{version + 1:020}.json").exists():
            return None
        try:
            found = (log / f"{version:020}.json").stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns

    def delta_options(self) -> None:
        return None

    def faults(self) -> AbstractContextManager[None]:
        return nullcontext()
