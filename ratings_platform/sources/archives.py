"""Archives: what is in them, and their members as plain files.

Belongs here: listing and unpacking .zip, .tar, .tar.gz and .gz, in one another too, and refusing those that are broken
or reach outside their folder. Does not belong here: which files are wanted, and where they go (`files`).
"""

from __future__ import annotations

import errno
import gzip
import io
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path, PureWindowsPath
from typing import IO, Any, NamedTuple, cast

from ratings_platform.schema.errors import SourceError

_TAR = (".tar", ".tar.gz", ".tgz")
_GZIP_MAGIC = b"\x1f\x8b"
_CHUNK = 1 << 20
# How deep archives are looked for in archives: some hold themselves.
_DEPTH = 4
_DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    gzip.BadGzipFile,
    zlib.error,
    EOFError,
    UnicodeDecodeError,  # a member's name
    RuntimeError,  # of zipfile: an encrypted member, or a method that it does not know
)


class UnreadableArchiveError(SourceError):
    """An archive of which nobody can tell what it holds or held."""


class Member(NamedTuple):
    """A file inside an archive: its path there, its base name, and the size that the archive declares for it.

    A file of an archive that itself lies in an archive has the path `inner.tar!path`. Without a path it is the archive
    itself: a .gz that is packed no longer, as some browsers unpack it on the way and keep its name.
    """

    path: str | None
    name: str
    size: int


class Content(NamedTuple):
    """What tells one file's bytes from another's as well as chance needs; a .zip has it without being unpacked."""

    size: int
    crc32: int


class _Entry(NamedTuple):
    path: str
    name: str
    size: int
    safe: bool
    open: Callable[[], IO[bytes] | gzip.GzipFile]
    content: Content | None = None


def is_archive(path: Path) -> bool:
    """Names that begin with a dot are none: macOS puts `._name` files beside those that it copies or packs."""
    return _names_archive(path.name)


def members(archive: Path, wanted: Callable[[str], bool]) -> list[Member]:
    """The members whose base name is wanted; nothing is unpacked.

    An archive that holds wanted members is refused as a whole if any member's path leads outside or is a link. Raises
    UnreadableArchiveError when the archive is broken.
    """
    if _is_gzip(archive.name) and not wanted(archive.stem):
        return []
    state = archive.stat()
    if _is_gzip(archive.name) and not _is_packed(archive):
        return [Member(None, archive.stem, state.st_size)]
    listing = _listing(archive, state.st_size, state.st_mtime_ns)
    chosen = [member for member, _ in listing if wanted(member.name)]
    outside = next((member.path for member, safe in listing if not safe), None)
    if chosen and outside is not None:
        raise SourceError(
            f"member {outside!r} is a link or leads outside the archive",
            file=str(archive),
            remedy="Get the archive again from its vendor, or pack it anew without that member.",
        )
    return chosen


def unpack(archive: Path, targets: Mapping[str, Path]) -> None:
    """Each member, by its path in the archive, to its target."""
    left = dict(targets)
    with _readable(archive):
        # Goes on to the end, since the checksum of a .tar.gz stands there.
        for entry in _entries(archive):
            target = left.pop(entry.path, None)
            if target is not None:
                with entry.open() as source, target.open("wb") as out:
                    shutil.copyfileobj(source, out, _CHUNK)
    if left:
        raise SourceError(
            f"holds no member {next(iter(left))!r}", file=str(archive), remedy="Materialise the raw asset again."
        )


def contents(archive: Path, paths: Collection[str]) -> dict[str, Content]:
    """What the members at these paths hold, in one pass at most."""
    found: dict[str, Content] = {}
    with _readable(archive):
        for entry in _entries(archive):
            if entry.path in paths:
                found[entry.path] = entry.content or _content_of(entry)
            if len(found) == len(paths):
                break
    return found


def content(stream: IO[bytes] | gzip.GzipFile) -> Content:
    """What is left of a stream."""
    size, crc32 = 0, 0
    while chunk := stream.read(_CHUNK):
        size, crc32 = size + len(chunk), zlib.crc32(chunk, crc32)
    return Content(size, crc32)


def _content_of(entry: _Entry) -> Content:
    with entry.open() as stream:
        return content(stream)


# Sensors list the same archives over and over, and a .tar.gz is read in full to be listed.
@lru_cache(maxsize=64)
def _listing(archive: Path, _size: int, _modified_ns: int) -> tuple[tuple[Member, bool], ...]:
    with _readable(archive):
        return tuple((Member(entry.path, entry.name, entry.size), entry.safe) for entry in _entries(archive))


@contextmanager
def _readable(archive: Path) -> Iterator[None]:
    try:
        yield
    except (*_DAMAGE, OSError) as error:
        # EINVAL: a damaged directory points before the start of the file.
        if not isinstance(error, _DAMAGE) and error.errno != errno.EINVAL:
            raise
        # tarfile's messages run over several lines.
        reason = str(error).partition("\n")[0].rstrip(":.")
        raise UnreadableArchiveError(
            f"cannot be unpacked, it is truncated or damaged ({reason})",
            file=str(archive),
            remedy="Fetch it again from its origin.",
        ) from error


def _names_archive(name: str) -> bool:
    return not name.startswith(".") and name.lower().endswith((".zip", ".gz", *_TAR))


def _is_gzip(name: str) -> bool:
    return name.lower().endswith(".gz") and not _is_tar(name)


def _is_tar(name: str) -> bool:
    return name.lower().endswith(_TAR)


def _is_packed(archive: Path) -> bool:
    """Whether a .gz begins like one; an empty file is none of anything."""
    with archive.open("rb") as opened:
        return opened.read(len(_GZIP_MAGIC)) in (b"", _GZIP_MAGIC)


def _rest(stream: Any) -> None:
    """Read a stream to its end, where checksums are compared."""
    while stream.read(_CHUNK):
        pass


def _entries(archive: Path) -> Iterator[_Entry]:
    """The files in an archive, in its order; each can be opened until the next is asked for."""
    if _is_gzip(archive.name):
        yield _Entry(archive.stem, archive.stem, _gzip_size(archive), True, partial(gzip.open, archive))
    elif archive.suffix.lower() == ".zip":
        with zipfile.ZipFile(archive) as unzipped:
            yield from _zip_entries(unzipped)
    else:
        with tarfile.open(archive) as tar:
            yield from _tar_entries(tar)
            if tar.fileobj is not None:
                _rest(tar.fileobj)


def _zip_entries(unzipped: zipfile.ZipFile, within: str = "", depth: int = 1) -> Iterator[_Entry]:
    for info in unzipped.infolist():
        safe = _inside(info.filename) and not stat.S_ISLNK(info.external_attr >> 16)
        if safe and info.is_dir():
            continue
        held, size = Content(info.file_size, info.CRC), info.file_size
        entry = _Entry(within + info.filename, _base(info.filename), size, safe, partial(unzipped.open, info), held)
        yield entry
        yield from _nested(entry, depth)


def _tar_entries(tar: tarfile.TarFile, within: str = "", depth: int = 1) -> Iterator[_Entry]:
    for info in tar:
        safe = _inside(info.name) and (info.isreg() or info.isdir())
        if safe and info.isdir():
            continue
        entry = _Entry(within + info.name, _base(info.name), info.size, safe, partial(_tar_member, tar, info))
        yield entry
        yield from _nested(entry, depth)


def _nested(entry: _Entry, depth: int) -> Iterator[_Entry]:
    """The files in a member that is an archive itself; a .zip, which is read from its end, only of an outermost one."""
    within, name = f"{entry.path}!", entry.name
    if not entry.safe or not _names_archive(name) or depth == _DEPTH:
        return
    if _is_gzip(name):
        # How large it will be is not known before it is unpacked.
        yield _Entry(within + name[:-3], name[:-3], entry.size, True, partial(_unpacked, entry))
    elif _is_tar(name):
        with entry.open() as inner:
            with tarfile.open(fileobj=inner, mode="r|*") as tar:
                yield from _tar_entries(tar, within, depth + 1)
            _rest(inner)
    elif depth == 1:
        with entry.open() as inner, zipfile.ZipFile(inner) as unzipped:
            yield from _zip_entries(unzipped, within, depth + 1)


def _unpacked(entry: _Entry) -> IO[bytes] | gzip.GzipFile:
    stream = io.BufferedReader(cast(Any, entry.open()))
    is_packed = stream.peek(len(_GZIP_MAGIC))[: len(_GZIP_MAGIC)] in (b"", _GZIP_MAGIC)
    return gzip.GzipFile(fileobj=stream) if is_packed else stream


def _tar_member(tar: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    opened = tar.extractfile(info)
    if opened is None:
        raise tarfile.ExtractError(f"{info.name!r} is not a file")
    return opened


def _base(path: str) -> str:
    """Reads both kinds of slash, as archives made on Windows need."""
    return PureWindowsPath(path).name


def _inside(path: str) -> bool:
    """Whether the path stays inside the folder it is unpacked to, as POSIX and as Windows read it."""
    windows = PureWindowsPath(path)
    return not (path.startswith("/") or windows.drive or windows.root or ".." in windows.parts)


def _gzip_size(archive: Path) -> int:
    """The unpacked size as gzip's last four bytes tell it: modulo 4 GiB, and of the last part where it has several."""
    with gzip.open(archive) as unpacked:
        if not unpacked.read(1):
            return 0
    with archive.open("rb") as packed:
        packed.seek(-4, 2)
        return max(1, int.from_bytes(packed.read(4), "little"))
