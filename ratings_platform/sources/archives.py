"""Archives: what is in them, and their members as plain files.

Belongs here: listing and unpacking .zip, .tar, .tar.gz and .gz, and refusing those that are broken or reach outside
their folder. Does not belong here: which files are wanted, and where they go (`files`).
"""

from __future__ import annotations

import errno
import gzip
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path, PureWindowsPath
from typing import IO, NamedTuple

from ratings_platform.schema.errors import SourceError

_TAR = (".tar", ".tar.gz", ".tgz")
_CHUNK = 1 << 20
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
    """A file inside an archive: its path there, and the size that the archive declares for it.

    A file of a .tar that itself lies in an archive has the path `inner.tar!path`.
    """

    path: str
    size: int

    @property
    def name(self) -> str:
        # Reads both kinds of slash, as archives made on Windows need.
        return PureWindowsPath(self.path).name


class _Entry(NamedTuple):
    path: str
    size: int
    safe: bool
    open: Callable[[], IO[bytes] | gzip.GzipFile]


def is_archive(path: Path) -> bool:
    return path.name.lower().endswith((".zip", ".gz", *_TAR))


def members(archive: Path, wanted: Callable[[str], bool]) -> list[Member]:
    """The members whose base name is wanted; nothing is unpacked.

    An archive that holds wanted members is refused as a whole if any member's path leads outside or is a link. Raises
    UnreadableArchiveError when the archive is broken.
    """
    if _is_gzip(archive) and not wanted(archive.stem):
        return []
    state = archive.stat()
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


# Sensors list the same archives over and over, and a .tar.gz is read in full to be listed.
@lru_cache(maxsize=64)
def _listing(archive: Path, _size: int, _modified_ns: int) -> tuple[tuple[Member, bool], ...]:
    with _readable(archive):
        return tuple((Member(entry.path, entry.size), entry.safe) for entry in _entries(archive))


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


def _is_gzip(archive: Path) -> bool:
    name = archive.name.lower()
    return name.endswith(".gz") and not name.endswith(_TAR)


def _entries(archive: Path) -> Iterator[_Entry]:
    """The files in an archive, in its order; each can be opened until the next is asked for."""
    if _is_gzip(archive):
        yield _Entry(archive.stem, _gzip_size(archive), True, partial(gzip.open, archive))
    elif archive.suffix.lower() == ".zip":
        yield from _zip_entries(archive)
    else:
        with tarfile.open(archive) as tar:
            yield from _tar_entries(tar)
            while tar.fileobj is not None and tar.fileobj.read(_CHUNK):
                """Reads what is left, since gzip's checksum is compared at the end."""


def _zip_entries(archive: Path) -> Iterator[_Entry]:
    with zipfile.ZipFile(archive) as unzipped:
        for info in unzipped.infolist():
            safe = _inside(info.filename) and not stat.S_ISLNK(info.external_attr >> 16)
            if safe and info.is_dir():
                continue
            yield _Entry(info.filename, info.file_size, safe, partial(unzipped.open, info))
            if info.filename.lower().endswith(".tar"):
                with unzipped.open(info) as inner, tarfile.open(fileobj=inner, mode="r|") as tar:
                    yield from _tar_entries(tar, f"{info.filename}!")


def _tar_entries(tar: tarfile.TarFile, within: str = "") -> Iterator[_Entry]:
    for info in tar:
        safe = _inside(info.name) and (info.isreg() or info.isdir())
        if safe and info.isdir():
            continue
        yield _Entry(within + info.name, info.size, safe, partial(_tar_member, tar, info))
        if not within and info.isreg() and info.name.lower().endswith(".tar"):
            with _tar_member(tar, info) as inner, tarfile.open(fileobj=inner, mode="r|") as inner_tar:
                yield from _tar_entries(inner_tar, f"{info.name}!")


def _tar_member(tar: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    opened = tar.extractfile(info)
    if opened is None:
        raise tarfile.ExtractError(f"{info.name!r} is not a file")
    return opened


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
