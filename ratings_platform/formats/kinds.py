"""A first look at a file of text: whether it is one at all, and of which kind.

Belongs here: telling from the first lines what a file is, and refusing the wrong kind as a whole. Does not belong
here: how the lines of any kind look (studies know), and faults of single lines, which are rejects.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import BinaryIO, NamedTuple

from ratings_platform.schema.errors import SourceError
from ratings_platform.schema.reading import SourceFile

# How much of a line, and how many lines, are looked at before a file without one good line is refused.
LOOK_BYTES, LOOK_LINES = 1 << 16, 1000
FETCH_AGAIN = "Fetch the file from its origin again."
# What archives begin with, and where. Lines in them may look good, but where each file ends they hold other bytes.
PACKED = ((0, (b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b")), (257, (b"ustar",)))
# How files (in lower case) begin of which no line is good, what they are, and what to do about it.
NO_TEXT = (
    ((b"\xff\xfe", b"\xfe\xff"), "is encoded in UTF-16", "Save it as UTF-8, or fetch the original again."),
    ((b"<!doctype", b"<html", b"<?xml"), "is a web page, not data", FETCH_AGAIN),
)

# How a line of each kind of file looks, well formed or not; the first that fits counts. Names are as people read them.
Kinds = Mapping[str, re.Pattern[str]]


class _Line(NamedTuple):
    number: int
    raw: bytes

    @property
    def text(self) -> str:
        return self.raw.decode("utf-8", errors="replace")


def refuse_other_kinds(file: SourceFile, wanted: str, kinds: Kinds) -> None:
    """One good line among the first is enough: single bad lines are rejects, not a reason to refuse the file."""
    if not file.from_start:
        return
    seen = []
    for line in _opening(file):
        if _kind_of(line, kinds) == wanted:
            return
        seen.append(line)
    raise _other_kind(file, wanted, kinds, seen)


def header_line(file: SourceFile, wanted: str, kinds: Kinds, columns: Sequence[str], separator: str) -> int:
    """The number of the line that names the columns, 0 in a later piece of a file.

    That is the first line that names one of them or looks like one of the wanted kind. Refuses a file in which it does
    not name just these columns in this order.
    """
    if not file.from_start:
        return 0
    seen = []
    for line in _opening(file):
        found = line.text.split(separator)
        if found == list(columns):
            return line.number
        if set(found) & set(columns):
            raise _other_columns(file, wanted, columns, found, line.number)
        if _kind_of(line, kinds) == wanted:
            raise SourceError("the header line is missing", remedy=FETCH_AGAIN, file=file.name, line=line.number)
        seen.append(line)
    raise _other_kind(file, wanted, kinds, seen)


def _opening(file: SourceFile) -> Iterator[_Line]:
    """The beginnings of the first lines that are not blank; refuses a file that is missing or packed."""
    try:
        with file.whole.open("rb") as opened:
            head = opened.read(512)
            if any(head.startswith(magic, at) for at, magic in PACKED):
                raise SourceError(
                    "is still packed", remedy="Unpack it, or name it .zip, .tar or .gz.", file=file.name, line=1
                )
            opened.seek(0)
            yield from islice((line for line in _beginnings(opened) if line.raw.strip()), LOOK_LINES)
    except FileNotFoundError:
        raise SourceError("file is missing", remedy="Put it back or fetch it again.", file=file.name, line=1) from None


def _beginnings(opened: BinaryIO) -> Iterator[_Line]:
    """All lines, however long, without byte order mark and line end."""
    number, is_new = 0, True
    while piece := opened.readline(LOOK_BYTES):
        if is_new:
            number += 1
            yield _Line(number, piece.removeprefix(codecs.BOM_UTF8).removesuffix(b"\n").removesuffix(b"\r"))
        is_new = piece.endswith(b"\n")


def _kind_of(line: _Line, kinds: Kinds) -> str | None:
    text = line.text
    return next((kind for kind, look in kinds.items() if look.match(text)), None)


def _other_kind(file: SourceFile, wanted: str, kinds: Kinds, seen: Sequence[_Line]) -> SourceError:
    """What a file is of which these are the first lines, none of them good."""
    problem, remedy = f"does not look like {wanted}", "Put the vendor's own file in its place."
    found = Counter(kind for line in seen if (kind := _kind_of(line, kinds)))
    start = seen[0].raw.lstrip().lower() if seen else b""
    if not seen:
        problem, remedy = "file is empty", FETCH_AGAIN
    elif found:
        problem = f"looks like {found.most_common(1)[0][0]}, not like {wanted}"
    elif told := next((told for magic, *told in NO_TEXT if start.startswith(magic)), None):
        problem, remedy = told
    elif all(b"\0" in line.raw for line in seen):
        problem, remedy = "holds NUL bytes, so it is no plain text", FETCH_AGAIN
    return SourceError(problem, remedy=remedy, file=file.name, line=1)


def _other_columns(
    file: SourceFile, wanted: str, columns: Sequence[str], found: Sequence[str], number: int
) -> SourceError:
    differences = {
        "missing": [c for c in columns if c not in found],
        "unknown": [c for c in found if c not in columns],
        "repeated": [c for c, n in Counter(found).items() if n > 1],
    }
    told = "; ".join(f"{what}: {', '.join(names)}" for what, names in differences.items() if names)
    return SourceError(
        f"its columns are not those of {wanted} ({told or 'another order'})",
        remedy="Fetch the vendor's file again; if the vendor changed it, this study's tables must change first.",
        file=file.name,
        line=number,
    )
