"""The first look at files: what is of the wrong kind is refused, and no single bad line decides that."""

from __future__ import annotations

import gzip
import io
import re
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ratings_platform.formats.kinds import header_line, refuse_other_kinds
from ratings_platform.schema.errors import SourceError
from ratings_platform.schema.reading import SourceFile

pytestmark = pytest.mark.unit

PRICES, STOCKS = "a price list", "a stock list"
KINDS = {PRICES: re.compile(r"[a-z]+;[0-9]"), STOCKS: re.compile(r"[a-z]+=[0-9]")}
COLUMNS = ["name", "price"]
GOOD = b"pear;5\nplum;7\n"

# Each is one line, or one with blank ones, of which nothing can be read.
BAD_LINES = {
    "NUL": b"\0",
    "NUL within a line": b"pe\0ar;",
    "long": b"x" * 200_000,
    "long and of NUL": b"\0" * 200_000,
    "other bytes": b"\xe9\xff",
    "the mark of UTF-16": b"\xff\xfe",
    "of another kind": b"pear=5",
    "a tag": b"<html>",
    "a packed file's first bytes, behind others": b" PK\x03\x04",
    "blank lines": b"\n" * 100_000 + b"?",
    "many": b"?\n" * 900 + b"?",
}


def tar(content: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        member = tarfile.TarInfo("prices.txt")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def stored_zip(content: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("prices.txt", content)
    return packed.getvalue()


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., SourceFile]:
    def write(content: bytes, *, from_start: bool = True) -> SourceFile:
        path = tmp_path / "stored[1]"
        path.write_bytes(content)
        return SourceFile("prices.txt", path, from_start)

    return write


def refusal(file: SourceFile) -> str:
    """What is said of the file, the same whether its lines or its columns are looked at."""
    with pytest.raises(SourceError) as lines:
        refuse_other_kinds(file, PRICES, KINDS)
    with pytest.raises(SourceError) as columns:
        header_line(file, PRICES, KINDS, COLUMNS, ";")
    assert str(lines.value) == str(columns.value)
    assert (lines.value.file, lines.value.line) == ("prices.txt", 1)
    return lines.value.problem


@pytest.mark.parametrize("bad", BAD_LINES.values(), ids=BAD_LINES)
@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("place", [0, 1, 2], ids=["first", "between", "last"])
def test_no_bad_line_decides_for_the_file(write: Callable[..., SourceFile], bad: bytes, end: bytes, place: int) -> None:
    lines = [b"pear;5", b"plum;7"]
    lines.insert(place, bad)
    refuse_other_kinds(write(end.join([*lines, b""])), PRICES, KINDS)


@pytest.mark.parametrize("bad", BAD_LINES.values(), ids=BAD_LINES)
def test_bad_lines_above_the_header_are_passed_over(write: Callable[..., SourceFile], bad: bytes) -> None:
    content = bad + b"\nname;price\r\n" + GOOD
    assert header_line(write(content), PRICES, KINDS, COLUMNS, ";") == bad.count(b"\n") + 2


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["no mark", "mark"])
def test_the_header_is_where_it_stands(write: Callable[..., SourceFile], mark: bytes) -> None:
    assert header_line(write(mark + b"name;price\n" + GOOD), PRICES, KINDS, COLUMNS, ";") == 1
    assert header_line(write(mark + b"\n\r\nname;price"), PRICES, KINDS, COLUMNS, ";") == 3


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "file is empty"),
        (b"\n\r\n\n", "file is empty"),
        (b"\xef\xbb\xbf", "file is empty"),
        (b"\n" * 100_000, "file is empty"),
        (GOOD.decode().encode("utf-16"), "is encoded in UTF-16"),
        (GOOD.decode().encode("utf-16-be"), "holds NUL bytes, so it is no plain text"),
        (GOOD.decode().encode("utf-16-le"), "holds NUL bytes, so it is no plain text"),
        (b"\0" * 100_000, "holds NUL bytes, so it is no plain text"),
        (stored_zip(GOOD), "is still packed"),
        (gzip.compress(GOOD, compresslevel=0), "is still packed"),
        (tar(GOOD), "is still packed"),
        (b"\n <!DOCTYPE html><html>\nSign in</html>", "is a web page, not data"),
        (b"pear=5\n?\n", "looks like a stock list, not like a price list"),
        (b"of no kind\nat all\n", "does not look like a price list"),
        (b"one NUL\0\nand no line of any kind\n", "does not look like a price list"),
    ],
    ids=[
        "no byte", "blank lines", "a mark", "very many blank lines", "UTF-16", "UTF-16, no mark, big",
        "UTF-16, no mark, little", "NUL throughout", "zip", "gz", "tar", "a web page", "another kind", "no kind",
        "no kind and a NUL",
    ],
)  # fmt: skip
def test_files_without_one_good_line_are_refused(
    write: Callable[..., SourceFile], content: bytes, problem: str
) -> None:
    assert refusal(write(content)) == problem


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert refusal(SourceFile("prices.txt", tmp_path / "none")) == "file is missing"


def test_the_kind_that_most_lines_have_is_named(write: Callable[..., SourceFile]) -> None:
    kinds = {**KINDS, "a note": re.compile("note")}
    with pytest.raises(SourceError, match="looks like a note, not like a price list"):
        refuse_other_kinds(write(b"pear=5\nnote\n?\n?\n?\nnote\n"), PRICES, kinds)


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (b"name", "(missing: price)"),
        (b"name;price;unit", "(unknown: unit)"),
        (b"Name;price", "(missing: name; unknown: Name)"),
        (b"name;price;price", "(repeated: price)"),
        (b"price;name", "(another order)"),
    ],
)
def test_other_columns_are_told(write: Callable[..., SourceFile], header: bytes, told: str) -> None:
    with pytest.raises(SourceError) as caught:
        header_line(write(b"\n" + header + b"\n" + GOOD), PRICES, KINDS, COLUMNS, ";")
    assert caught.value.problem == f"its columns are not those of {PRICES} {told}"
    assert caught.value.line == 2


def test_a_missing_header_is_told(write: Callable[..., SourceFile]) -> None:
    with pytest.raises(SourceError, match="the header line is missing"):
        header_line(write(b"?\n" + GOOD), PRICES, KINDS, COLUMNS, ";")


def test_later_pieces_of_a_file_are_not_looked_at(write: Callable[..., SourceFile]) -> None:
    piece = write(b"", from_start=False)
    refuse_other_kinds(piece, PRICES, KINDS)
    assert header_line(piece, PRICES, KINDS, COLUMNS, ";") == 0
