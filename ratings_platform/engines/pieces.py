"""Vendor files in pieces that can be read apart from each other, and what was stored of them put together again.

Belongs here: cutting files up, reading one piece, and making one result of all. Does not belong here: where and by
whom the pieces are read, and any file format.
"""

from __future__ import annotations

import mmap
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from ratings_platform.engines.faults import storage_faults
from ratings_platform.engines.parquet import describe
from ratings_platform.engines.text import Stored, rejects_path, require_rows, store_part
from ratings_platform.schema.errors import SourceError
from ratings_platform.schema.files import DataFile
from ratings_platform.schema.reading import REJECTS, Reader, SourceFile
from ratings_platform.schema.tables import Table

# About a second's reading; the same wherever it is done, so that equal inputs give equal files.
PIECE_BYTES = 64 << 20
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Piece:
    """Whole files or, with a `size`, that many bytes of a single file from `start`."""

    files: tuple[SourceFile, ...]
    start: int = 0
    size: int | None = None


def cut_up(files: Sequence[SourceFile], cut: re.Pattern[bytes] | None, wanted: int = PIECE_BYTES) -> Iterator[Piece]:
    """The files in their order, in pieces of about `wanted` bytes: large ones cut (see `Ingest`), small ones together.

    Only the surroundings of each cut are read.
    """
    if cut is None:
        yield Piece(tuple(files))
        return
    together: list[SourceFile] = []
    room = wanted
    for file in files:
        size = _size(file)
        if size > room and together:
            yield Piece(tuple(together))
            together, room = [], wanted
        if size > wanted:
            yield from _parts(file, size, cut, wanted)
        else:
            together.append(file)
            room -= size
    if together:
        yield Piece(tuple(together))


def _size(file: SourceFile) -> int:
    try:
        return file.path.stat().st_size
    except FileNotFoundError:
        raise SourceError("file is missing", remedy="Put it back or fetch it again.", file=file.name) from None


def _parts(file: SourceFile, size: int, cut: re.Pattern[bytes], wanted: int) -> Iterator[Piece]:
    count = -(-size // wanted)
    starts = [0]
    with file.path.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for target in (size * n // count for n in range(1, count)):
            if target < starts[-1]:
                continue
            found = cut.search(content, target)
            if found is None or found.end() == size:
                break
            starts.append(found.end())
    for start, end in pairwise([*starts, size]):
        yield Piece((file,), start, end - start)


def store_piece(
    piece: Piece, reader: Reader, known: Mapping[str, pl.LazyFrame], table: Table, root: str, folder: str
) -> Stored:
    """Write a piece's rows and rejects; the latter with the numbers that lines have in the piece."""
    with _readable(piece) as files:
        return store_part(reader(files, known), table, root, folder)


@contextmanager
def _readable(piece: Piece) -> Iterator[Sequence[SourceFile]]:
    """Files for a reader: whole ones where they lie, part of one as a file of its own for the time of the block."""
    if piece.size is None:
        yield piece.files
        return
    (file,) = piece.files
    with TemporaryDirectory() as folder:
        part = Path(folder, "part")
        with storage_faults(f"a part of {file.name}", folder, ""):
            _copy(file, piece.start, piece.size, part)
        yield [SourceFile(file.name, part, from_start=piece.start == 0, piece_of=file.path)]


def _copy(file: SourceFile, start: int, size: int, target: Path) -> None:
    with file.path.open("rb") as source, target.open("wb") as copy:
        source.seek(start)
        while size:
            block = source.read(min(size, _BLOCK))
            if not block:
                raise SourceError("was cut off while it was read", file=file.name, remedy="Run again once it is whole.")
            copy.write(block)
            size -= len(block)


def put_together(pieces: Sequence[Piece], parts: Sequence[Stored], root: str, folder: str) -> Stored:
    """What was stored of a unit's pieces below `root/folder`, as if it had been read in one go; see `text.store`."""
    stored = Stored(
        tuple(chain.from_iterable(part.files for part in parts)),
        _one_file_of_rejects(pieces, parts, root, folder),
        sum(part.lines for part in parts),
        sum(part.structure for part in parts),
    )
    require_rows(stored, root, folder)
    return stored


def _one_file_of_rejects(pieces: Sequence[Piece], parts: Sequence[Stored], root: str, folder: str) -> DataFile | None:
    before = _lines_before(pieces, parts)
    found = [(part.rejects, lines) for part, lines in zip(parts, before, strict=True) if part.rejects]
    if not found:
        return None
    rejects = [
        pl.scan_parquet(Path(root, file.path), glob=False).with_columns(pl.col("line") + lines) for file, lines in found
    ]
    path = rejects_path(folder)
    with storage_faults(REJECTS.path, root, folder):
        pl.concat(rejects).sink_parquet(Path(root, path))
    shutil.rmtree(Path(root, path).with_suffix(""))
    return describe(root, path, REJECTS)


def _lines_before(pieces: Sequence[Piece], parts: Sequence[Stored]) -> Iterator[int]:
    """How many lines of its file stand before each piece."""
    lines = 0
    for piece, part in zip(pieces, parts, strict=True):
        if piece.start == 0:
            lines = 0
        yield lines
        lines += part.lines
