"""The vendor's files: where they lie, and what names them beyond doubt.

Belongs here: finding files in a directory, plain or inside archives, registering them by checksum, and opening them
as plain ones. Does not belong here: fetching (`kaggle`), how archives are read (`archives`), and what the files mean.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from ratings_platform.schema.errors import SourceError
from ratings_platform.sources.archives import (
    Content,
    Member,
    UnreadableArchiveError,
    content,
    contents,
    is_archive,
    members,
    unpack,
)
from ratings_platform.sources.disk import room_for

_log = logging.getLogger(__name__)

# In folders of what the platform itself has written.
_MARK = ".written_by_ratings_platform"


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
    """What a search came upon: files that were sought, faults of archives that may hold more, folders left out."""

    files: list[FoundFile]
    unreadable: list[UnreadableArchiveError]
    left_out: list[Path]

    @property
    def note(self) -> str:
        """What is to be said of folders that were left out, at the end of what was not found."""
        if not self.left_out:
            return ""
        others = f" and {len(self.left_out) - 1} more" if len(self.left_out) > 1 else ""
        return f"; not looked at, since the platform itself wrote it: {self.left_out[0]}{others}"


class _State(NamedTuple):
    container: str
    bytes: int
    modified_ns: int


def _state(file: FoundFile) -> _State:
    return _State(file.container, file.bytes, file.modified_ns)


def find_files(
    source: Path, patterns: Sequence[str], *, origin: str | None = None, ours: Collection[Path] = ()
) -> Findings:
    """The files whose base name fits a pattern, in any case, below a folder or in a single file; see `one_of_each`.

    They may be plain, .gz, or members of a .zip, .tar or .tar.gz. `origin` says where the bytes came from; without it,
    it is the container's own `file:` address. Folders that the platform has written are left out: those of `ours`, and
    those that are marked (see `mark`), unless one is the source itself. Archives that cannot be read are told of
    beside what was found; raises SourceError when nothing was.
    """
    lowered = [pattern.casefold() for pattern in patterns]

    def wanted(name: str) -> bool:
        return not name.startswith(".") and any(fnmatchcase(name.casefold(), pattern) for pattern in lowered)

    if not source.exists():
        raise SourceError(
            "there is no such directory or file", file=str(source), remedy="Set the source to where the files lie."
        )
    found = Findings([], [], [])
    for path in sorted(_tree(source, {folder.resolve() for folder in ours}, found.left_out)):
        try:
            found.files.extend(_files_at(path, wanted, origin))
        except UnreadableArchiveError as error:
            found.unreadable.append(error)
    if found.files:
        return found
    if found.unreadable:
        raise found.unreadable[0]
    raise SourceError(
        f"holds no file named {' or '.join(patterns)}, neither plain nor in an archive{found.note}",
        file=str(source),
        remedy="Put the vendor's files there, or set the source to the directory that has them.",
    )


def one_of_each(files: Sequence[FoundFile]) -> list[FoundFile]:
    """One file a name, sorted by name: a plain one rather than a packed one, then that of the shortest, first path.

    Copies are passed over. Raises SourceError when files of one name differ, since nobody can tell which of them is
    meant, and when a file is empty.
    """
    by_name: dict[str, list[FoundFile]] = defaultdict(list)
    for file in sorted(files, key=_rank):
        by_name[file.name.casefold()].append(file)
    held = _contents(list(chain.from_iterable(same for same in by_name.values() if len(same) > 1)))
    copies: list[tuple[FoundFile, FoundFile]] = []
    for first, *others in by_name.values():
        for other in others:
            if held[other] != held[first]:
                raise SourceError(
                    f"is not the same file as {other.place}, which has the same name",
                    file=first.place,
                    remedy="Take away the one that is not meant, or name the place of the other as the source.",
                )
            copies.append((first, other))
    if copies:
        kept, other = copies[0]
        _log.warning(
            "%d files are passed over, being copies of others: %s is read, %s is not",
            len(copies),
            kept.place,
            other.place,
        )
    chosen = [same[0] for same in by_name.values()]
    for file in chosen:
        if file.size == 0:
            raise SourceError("the file is empty", file=file.place, remedy="Fetch it again from its origin.")
    return sorted(chosen, key=lambda file: (file.name.casefold(), file.name))


def mark(folder: Path) -> None:
    """Have no search of a folder above take what is in this one for a vendor's delivery; makes the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    note = folder / _MARK
    if not note.exists():
        note.write_text("The platform wrote what is here; it reads no vendor's files below this folder.\n")


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


def is_unchanged(file: RawFile) -> bool:
    """Whether a file is there as it was registered, by its size and time of change."""
    return _state_at(file.container) == _state(file)


def require_unchanged(file: RawFile) -> None:
    """Raise SourceError when a file is gone or is no longer what was registered."""
    state = _state_at(file.container)
    if state == _state(file):
        return
    problem = "is gone since it was registered" if state is None else "changed since it was registered"
    raise SourceError(problem, file=file.container, remedy="Materialise the raw asset again.")


def _state_at(path: str) -> _State | None:
    try:
        found = Path(path).stat()
    except FileNotFoundError:
        return None
    return _State(path, found.st_size, found.st_mtime_ns)


def _tree(source: Path, ours: Collection[Path], left_out: list[Path]) -> Iterator[Path]:
    """The source, or the files below it. Links to folders are followed, but to each folder once, as there are loops."""
    if source.is_file():
        yield source.absolute()
        return
    seen: set[Path] = set()
    for walked, below, names in os.walk(source, followlinks=True):
        folder = Path(walked).resolve()
        if folder in seen:
            below.clear()
            continue
        if seen and (folder in ours or _MARK in names):
            left_out.append(folder)
            below.clear()
            continue
        seen.add(folder)
        yield from (path for name in names if (path := folder / name).is_file())


def _files_at(path: Path, wanted: Callable[[str], bool], origin: str | None) -> Iterator[FoundFile]:
    packed = members(path, wanted) if is_archive(path) else []
    if not packed and not wanted(path.name):
        return
    state = path.stat()
    for member in packed or [Member(None, path.name, state.st_size)]:
        yield FoundFile(
            member.name,
            str(path),
            member.path,
            member.size,
            state.st_size,
            state.st_mtime_ns,
            origin or path.as_uri(),
        )


def _rank(file: FoundFile) -> tuple[bool, int, str, str]:
    return file.member is not None, file.place.count("/"), file.container, file.member or ""


def _contents(files: Sequence[FoundFile]) -> dict[FoundFile, Content]:
    """What each file holds, unpacked; each container is read once at most."""
    members_of: dict[_State, set[str]] = defaultdict(set)
    for file in files:
        members_of[_state(file)].update([file.member] if file.member is not None else [])
    held = {state: _contents_of(state, frozenset(paths)) for state, paths in members_of.items()}
    return {file: held[_state(file)][file.member] for file in files}


# Sensors look at the same files over and over.
@lru_cache(maxsize=1 << 15)
def _contents_of(state: _State, paths: frozenset[str]) -> Mapping[Any, Content]:
    """The content of a container's members, or under None its own where none of them is asked for."""
    if paths:
        return contents(Path(state.container), paths)
    with Path(state.container).open("rb") as stream:
        return {None: content(stream)}


def _sha256(state: _State) -> str:
    with Path(state.container).open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        now = os.fstat(stream.fileno())
    if (now.st_size, now.st_mtime_ns) != (state.bytes, state.modified_ns):
        raise SourceError("changed while it was read", file=state.container, remedy="Try again once it is complete.")
    return digest
