"""Lines of text, of one file or of many that are read together.

Belongs here: scanning files line by line whatever their bytes are, numbering lines, counting them, refusing them with
a reason. Does not belong here: what a line means, and what splits it into fields.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

import polars as pl

from ratings_platform.schema.reading import SourceFile

# What files of lines may be cut after, where no line depends on another.
BEFORE_LINE = re.compile(rb"\n")

# Lines without anything, or with a byte order mark alone.
BLANK = ("", "\ufeff")

# Reasons in the order in which they are tried, each with what is true (or null) of a line that it applies to.
Faults = Sequence[tuple[str, pl.Expr]]


@dataclass(frozen=True)
class Lines:
    """The lines of one unit of files.

    `frame` has line, index (in the unit, from 1), path and undecodable; `begins` marks the first line of a file
    (None in a unit of one file), `number` is the line's number in its file, `file` the vendor's name of that file.
    """

    frame: pl.LazyFrame
    begins: pl.Expr | None
    number: pl.Expr
    file: pl.Expr


def read_lines(files: Sequence[SourceFile]) -> Lines:
    """The lines of files, whose bytes are looked at first: UTF-8, as they nearly always are, is read faster."""
    frame = _scan(files) if all(map(_is_text, files)) else _scan_lossy(files)
    index, path = pl.col("index"), pl.col("path")
    if len(files) == 1:
        return Lines(frame, None, index, pl.lit(files[0].name))
    begins = path.ne_missing(path.shift())
    number = index - pl.when(begins).then(index).forward_fill() + 1
    return Lines(frame, begins, number, path.replace_strict({str(f.path): f.name for f in files}))


def counted(lines: pl.LazyFrame, structure: pl.Expr) -> pl.LazyFrame:
    """How many lines there are, and how many of them are structure."""
    return lines.select(lines=pl.len(), structure=structure.sum())


def is_blank() -> pl.Expr:
    return pl.any_horizontal(pl.col("line") == text for text in BLANK)


def holds_nul() -> pl.Expr:
    return pl.col("line").str.contains("\0", literal=True)


def refused(lines: Lines, frame: pl.LazyFrame, faults: Faults) -> pl.LazyFrame:
    """The lines of the frame, which has `number`, as rejects: each with the first fault that applies."""
    reason = pl.coalesce(pl.when(fault.fill_null(True)).then(pl.lit(str(reason))) for reason, fault in faults)
    return frame.select(
        lines.file.alias("file"),
        pl.col("number").cast(pl.Int64).alias("line"),
        reason.alias("reason"),
        _shown(pl.col("line")).alias("raw"),
    )


def _shown(line: pl.Expr) -> pl.Expr:
    """Without NUL, which many a program takes for the end of a text."""
    return line.str.replace_all("\0", "\ufffd", literal=True)


class DecodedLine(NamedTuple):
    """A line of a small file; where its bytes are no text, they appear as U+FFFD."""

    number: int
    text: str
    is_text: bool


def read_small(file: SourceFile, encoding: str) -> Iterator[DecodedLine]:
    """The lines of a file that is read at once, without byte order mark, in the vendor's encoding or in UTF-8.

    Copies saved anew are in UTF-8. Each line is taken for what it is: UTF-8 if it can be, and if not, in the vendor's
    encoding, unless the other lines show that the file is such a copy.
    """
    content = file.path.read_bytes()
    lines = content.removeprefix(codecs.BOM_UTF8).removesuffix(b"\n").split(b"\n")
    other = sum(not is_utf8(line) for line in lines)
    is_copy = content.startswith(codecs.BOM_UTF8) or sum(not line.isascii() for line in lines) > 2 * other
    for number, line in enumerate(lines, 1):
        used = "utf-8" if is_copy or is_utf8(line) else encoding
        text = line.removesuffix(b"\r").decode(used, errors="replace")
        yield DecodedLine(number, text, is_utf8(line) or not is_copy)


def rejects(found: Iterable[tuple[str, int, str, str]]) -> pl.LazyFrame:
    """Rejects from rows of file, line, reason and raw."""
    schema = {"file": pl.String, "line": pl.Int64, "reason": pl.String, "raw": pl.String}
    return pl.DataFrame(list(found), schema, orient="row").lazy().with_columns(_shown(pl.col("raw")))


def _scan(files: Sequence[SourceFile]) -> pl.LazyFrame:
    lines = pl.scan_lines(
        [f.path for f in files], row_index_name="index", row_index_offset=1, include_file_paths="path", glob=False
    )
    return lines.with_columns(undecodable=pl.lit(False))


def _scan_lossy(files: Sequence[SourceFile]) -> pl.LazyFrame:
    """The same lines with U+FFFD for bad bytes: no line holds the separator, so each is one field."""
    lines = pl.scan_csv(
        [f.path for f in files],
        has_header=False,
        schema={"line": pl.String},
        separator="\n",
        quote_char=None,
        encoding="utf8-lossy",
        row_index_name="index",
        row_index_offset=1,
        include_file_paths="path",
        glob=False,
    )
    bad = pl.Series(_undecodable(files), dtype=pl.UInt32)
    # A CSV parser drops the byte order mark that opens a file.
    path, marked = pl.col("path"), [str(f.path) for f in files if _is_marked(f)]
    mark = pl.when(path.is_in(marked) & path.ne_missing(path.shift())).then(pl.lit("\ufeff")).otherwise(pl.lit(""))
    line = mark + pl.col("line").fill_null("")
    return lines.with_columns(line=line, undecodable=pl.col("index").is_in(bad.implode()))


def _is_marked(file: SourceFile) -> bool:
    with file.path.open("rb") as opened:
        return opened.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8


def _is_text(file: SourceFile) -> bool:
    return all(map(is_utf8, _blocks(file)))


def _undecodable(files: Sequence[SourceFile]) -> Iterator[int]:
    """Numbers, in the unit, of the lines that are not UTF-8; only blocks that fail are looked at line by line."""
    before = 0
    for block in chain.from_iterable(map(_blocks, files)):
        if not is_utf8(block):
            yield from (n for n, line in enumerate(block.split(b"\n"), before + 1) if not is_utf8(line))
        before += block.count(b"\n") + (not block.endswith(b"\n"))


def _blocks(file: SourceFile) -> Iterator[bytes]:
    """A file's bytes in blocks of whole lines."""
    with file.path.open("rb") as opened:
        while block := opened.read(1 << 20) + opened.readline():
            yield block


def is_utf8(text: bytes) -> bool:
    if text.isascii():
        return True
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
