"""The vendor's files: where they lie, and what names them beyond doubt.

Belongs here: finding files in a directory, plain or inside archives, registering them by checksum, and opening them
as plain ones. Does not belong here: fetching (`kaggle`), how archives are read (`archives`), and what the files mean.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from ratings_platform.schema.errors import SourceError
from ratings_platform.sources.archives import UnreadableArchiveError, is_archive, members, unpack
from ratings_platform.sources.disk import room_for

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FoundFile:
    """A vendor's file, found but not yet read.

    `name` is the vendor's base name. `container` is the absolute path of the plain file, or of the archive that holds
    it as `member`. `bytes` and `modified_ns` are the container's; `size` is the file's own as far as it is declared.
    """

    name: str
    container: str
    member: str | None
    size: int
    bytes: int
    modified_ns: int
    origin: str

    @property
    def place(self) -> str:
        return self.container if self.member is None else f"{self.container}, member {self.member}"


@dataclass(frozen=True)
class RawFile(FoundFile):
    """A vendor's file as it was registered: `sha256` is of the container's bytes."""

    sha256: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> RawFile:
        return cls(**values)


class Findings(NamedTuple):
    """The files that were sought, and the faults of archives that may hold more of them."""

    files: list[FoundFile]
    unreadable: list[UnreadableArchiveError]


class _State(NamedTuple):
    container: str
    bytes: int
    modified_ns: int


def _state(file: FoundFile) -> _State:
    return _State(file.container, file.bytes, file.modified_ns)


def find_files(directory: Path, patterns: Sequence[str], *, origin: str | None = None) -> Findings:
    """The files in the directory tree whose base name fits a pattern, in any case, sorted by name.

    They may be plain, .gz, or members of a .zip, .tar or .tar.gz. Of several with one name only one is taken.
    `origin` says where the bytes came from; without it, it is the container's own `file:` address. Archives that
    cannot be read are told of beside what was found; raises SourceError when nothing was.
    """
    lowered = [pattern.casefold() for pattern in patterns]

    def wanted(name: str) -> bool:
        return not name.startswith(".") and any(fnmatchcase(name.casefold(), pattern) for pattern in lowered)

    if not directory.is_dir():
        raise SourceError(
            "there is no such directory", file=str(directory), remedy="Set the source to the vendor files' directory."
        )
    found: list[FoundFile] = []
    unreadable: list[UnreadableArchiveError] = []
    for path in sorted(_tree(directory)):
        try:
            found += _files_at(path, wanted, origin)
        except UnreadableArchiveError as error:
            unreadable.append(error)
    files = _once_each(found)
    if not files:
        if unreadable:
            raise unreadable[0]
        raise SourceError(
            f"holds no file named {' or '.join(patterns)}, neither plain nor in an archive",
            file=str(directory),
            remedy="Put the vendor's files there, or set the source to the directory that has them.",
        )
    for file in files:
        if file.size == 0:
            raise SourceError("the file is empty", file=file.place, remedy="Fetch it again from its origin.")
    return Findings(files, unreadable)


def register(
    found: Sequence[FoundFile],
    previous: Sequence[RawFile] = (),
    progress: Callable[[int], None] | None = None,
) -> list[RawFile]:
    """The files with the checksums of their containers; `progress` is told the bytes of each container done.

    A container whose path, size and time of change are those of a previous registration is not read again.
    """
    known = {_state(file): file.sha256 for file in previous}
    unread = sorted({_state(file) for file in found} - known.keys())
    with ThreadPoolExecutor() as pool:
        for state, digest in zip(unread, pool.map(_sha256, unread), strict=True):
            known[state] = digest
            if progress:
                progress(state.bytes)
    return [RawFile(**asdict(file), sha256=known[_state(file)]) for file in found]


@contextmanager
def open_plain(files: Sequence[RawFile], workdir: Path) -> Iterator[list[tuple[RawFile, Path]]]:
    """The files as plain ones: those that are plain where they lie, the others unpacked for the time of the block."""
    for file in files:
        require_unchanged(file)
    if all(file.member is None for file in files):
        yield [(file, Path(file.container)) for file in files]
        return

    workdir.mkdir(parents=True, exist_ok=True)
    needed = sum(file.size for file in files if file.member is not None)
    with TemporaryDirectory(prefix="unpacked-", dir=workdir) as folder:
        plain: list[tuple[RawFile, Path]] = []
        targets: dict[Path, dict[str, Path]] = defaultdict(dict)
        for number, file in enumerate(files):
            path = Path(file.container)
            if file.member is not None:
                # The number keeps apart members of one name that come from different archives.
                path = Path(folder) / f"{number}-{file.name}"
                targets[Path(file.container)][file.member] = path
            plain.append((file, path))
        with room_for(needed, workdir), ThreadPoolExecutor() as pool:
            list(pool.map(unpack, targets, targets.values()))
        yield plain


def require_unchanged(file: RawFile) -> None:
    """Raise SourceError when a file is gone or is no longer what was registered."""
    try:
        state = Path(file.container).stat()
    except FileNotFoundError:
        problem = "is gone since it was registered"
    else:
        if (state.st_size, state.st_mtime_ns) == (file.bytes, file.modified_ns):
            return
        problem = "changed since it was registered"
    raise SourceError(problem, file=file.container, remedy="Materialise the raw asset again.")


def _tree(directory: Path) -> Iterator[Path]:
    """The files below the directory. Links to folders are followed; a folder reached again, as by a loop, is not."""
    seen: set[Path] = set()
    for walked, below, names in os.walk(directory, followlinks=True):
        folder = Path(walked).resolve()
        if folder in seen:
            below.clear()
            continue
        seen.add(folder)
        yield from (path for name in names if (path := folder / name).is_file())


def _files_at(path: Path, wanted: Callable[[str], bool], origin: str | None) -> Iterator[FoundFile]:
    packed = members(path, wanted) if is_archive(path) else []
    if not packed and not wanted(path.name):
        return
    state = path.stat()

    def found(name: str, member: str | None, size: int) -> FoundFile:
        return FoundFile(name, str(path), member, size, state.st_size, state.st_mtime_ns, origin or path.as_uri())

    if packed:
        yield from (found(file.name, file.path, file.size) for file in packed)
    else:
        yield found(path.name, None, state.st_size)


def _once_each(files: Iterable[FoundFile]) -> list[FoundFile]:
    """One file a name: a plain one rather than a packed one, then that of the shortest and first path."""

    def rank(file: FoundFile) -> tuple[bool, int, str, str]:
        path = file.place
        return file.member is not None, path.count("/"), file.container, file.member or ""

    chosen: dict[str, FoundFile] = {}
    passed_over = [
        file for file in sorted(files, key=rank) if chosen.setdefault(file.name.casefold(), file) is not file
    ]
    if passed_over:
        first = passed_over[0]
        kept = chosen[first.name.casefold()]
        _log.warning(
            "%d files are passed over, their names being present already: %s is read, %s is not",
            len(passed_over),
            kept.place,
            first.place,
        )
    return sorted(chosen.values(), key=lambda file: (file.name.casefold(), file.name))


def _sha256(state: _State) -> str:
    with Path(state.container).open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        now = os.fstat(stream.fileno())
    if (now.st_size, now.st_mtime_ns) != (state.bytes, state.modified_ns):
        raise SourceError("changed while it was read", file=state.container, remedy="Try again once it is complete.")
    return digest
