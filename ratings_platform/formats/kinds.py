"""A first look at a file of text: whether it is one at all, and of which kind.

Belongs here: telling from the first lines what a file is, and refusing the wrong kind as a whole. Does not belong
here: how the lines of any kind look (studies know), and faults of single lines, which are rejects.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Mapping, Sequence

from ratings_platform.schema.errors import SourceError
from ratings_platform.schema.reading import SourceFile

LOOK_BYTES, LOOK_LINES = 1 << 16, 20
FETCH_AGAIN = "Fetch the file from its origin again."
# How the bytes (in lower case) of a file begin that is no plain text, what it is, and what to do about it.
NO_TEXT = (
    ((b"pk\x03\x04", b"pk\x05\x06", b"\x1f\x8b"), "is still packed", "Unpack it, or name it .zip or .gz."),
    ((b"\xff\xfe", b"\xfe\xff"), "is encoded in UTF-16", "Save it as UTF-8, or fetch the original again."),
    ((b"<!doctype", b"<html", b"<?xml"), "is a web page, not data", FETCH_AGAIN),
)

# How a line of each kind of file looks, well formed or not; the first that fits counts. Names are as people read them.
Kinds = Mapping[str, re.Pattern[str]]


def refuse_other_kinds(file: SourceFile, wanted: str, kinds: Kinds) -> None:
    """One good line among the first is enough: single bad lines are rejects, not a reason to refuse the file."""
    if not file.from_start:
        return
    seen = Counter(_kind_of(line, kinds) for line in _opening(file))
    if wanted not in seen:
        raise _other_kind(file, wanted, next((kind for kind, _ in seen.most_common() if kind), None))


def refuse_other_columns(
    file: SourceFile, wanted: str, kinds: Kinds, columns: Sequence[str], separator: str = "\t"
) -> None:
    """Refuses a file whose first line does not name just these columns in this order."""
    if not file.from_start:
        return
    first = _opening(file)[0]
    found = first.split(separator)
    if found == list(columns):
        return
    if not set(found) & set(columns):
        if _kind_of(first, kinds) != wanted:
            raise _other_kind(file, wanted, _kind_of(first, kinds))
        raise SourceError("the header line is missing", remedy=FETCH_AGAIN, file=file.name, line=1)
    differences = {
        "missing": [c for c in columns if c not in found],
        "unknown": [c for c in found if c not in columns],
        "repeated": [c for c, n in Counter(found).items() if n > 1],
    }
    told = "; ".join(f"{what}: {', '.join(names)}" for what, names in differences.items() if names)
    raise SourceError(
        f"its columns are not those of {wanted} ({told or 'another order'})",
        remedy="Fetch the vendor's file again; if the vendor changed it, this study's tables must change first.",
        file=file.name,
        line=1,
    )


def _opening(file: SourceFile) -> list[str]:
    """The first lines that are not blank; refuses a file that is empty or no plain text."""
    try:
        with file.path.open("rb") as opened:
            head = opened.read(LOOK_BYTES)
    except FileNotFoundError:
        raise SourceError("file is missing", remedy="Put it back or fetch it again.", file=file.name) from None
    start = head.removeprefix(codecs.BOM_UTF8).lstrip().lower()
    for magic, problem, remedy in NO_TEXT:
        if start.startswith(magic):
            raise SourceError(problem, remedy=remedy, file=file.name, line=1)
    if b"\0" in head:
        raise SourceError("holds NUL bytes, so it is no plain text", remedy=FETCH_AGAIN, file=file.name, line=1)
    text = head.decode("utf-8", errors="replace").removeprefix("\ufeff")
    lines = [line.removesuffix("\r") for line in text.split("\n") if line.strip()]
    if not lines:
        raise SourceError("file is empty", remedy=FETCH_AGAIN, file=file.name, line=1)
    return lines[:LOOK_LINES]


def _kind_of(line: str, kinds: Kinds) -> str | None:
    return next((kind for kind, look in kinds.items() if look.match(line)), None)


def _other_kind(file: SourceFile, wanted: str, found: str | None) -> SourceError:
    problem = f"looks like {found}, not like {wanted}" if found else f"does not look like {wanted}"
    return SourceError(problem, remedy="Put the vendor's own file in its place.", file=file.name, line=1)
