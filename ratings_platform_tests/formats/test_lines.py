"""Lines of any bytes, against a plain reading in Python."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from ratings_platform.formats.lines import counted, holds_nul, is_blank, read_lines, read_small, refused, rejects
from ratings_platform.schema.reading import Count, SourceFile

pytestmark = pytest.mark.unit

PIECES = [
    b"\n",
    b"\n",
    b"\r\n",
    b"\r",
    b"\0",
    b"\0\0",
    b"\xef\xbb\xbf",
    b"a",
    b"\xc3\xa9",
    b'"',
    b",",
    b"\t",
    b" ",
    b"\x1a",
]
OTHER_LETTERS = [b"\xff", b"\xe9"]


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., list[SourceFile]]:
    def write(*contents: bytes) -> list[SourceFile]:
        files = [SourceFile(f"{number}.txt", tmp_path / f"stored[{number}]") for number in range(len(contents))]
        for file, content in zip(files, contents, strict=True):
            file.path.write_bytes(content)
        return files

    return write


def plain(file: SourceFile) -> list[tuple[str, int, str, bool]]:
    lines = [line.removesuffix(b"\r") for line in file.path.read_bytes().removesuffix(b"\n").split(b"\n")]
    texts = [line.decode(errors="replace") for line in lines]
    return [
        (file.name, number, text, text.encode() != line)
        for number, (line, text) in enumerate(zip(lines, texts, strict=True), 1)
    ]


@pytest.mark.parametrize("seed", range(30))
def test_lines_are_those_of_a_plain_reading(write: Callable[..., list[SourceFile]], seed: int) -> None:
    """Whether all bytes are text decides how files are scanned; it must decide nothing else."""
    chance = random.Random(seed)  # noqa: S311
    pieces = PIECES + OTHER_LETTERS * (seed % 2)
    contents = [b"".join(chance.choices(pieces, k=chance.choice([3, 30, 3000]))) + b"." for _ in range(1 + seed % 3)]
    files = write(*contents)
    expected = [line for file in files for line in plain(file)]
    lines = read_lines(files)
    found = lines.frame.select(lines.file.alias("file"), lines.number.alias("number"), "line", "undecodable")
    assert found.collect(engine="streaming").rows() == expected
    blank = sum(text in ("", "\ufeff") for _, _, text, _ in expected)
    assert Count.of(counted(lines.frame, is_blank()).collect()) == Count(len(expected), blank)


@pytest.mark.parametrize("content", [b"a\0b\n\n\0\n", b"a\0b\n\xff\n\0\n"], ids=["text", "other bytes"])
def test_a_refused_line_is_stored_so_that_any_program_shows_it_whole(
    write: Callable[..., list[SourceFile]], tmp_path: Path, content: bytes
) -> None:
    lines = read_lines(write(content))
    bad = lines.frame.with_columns(number=lines.number).filter(holds_nul())
    refused(lines, bad, [("NUL", holds_nul())]).sink_parquet(tmp_path / "rejects.parquet")
    expected = [("0.txt", 1, "NUL", "a\ufffdb"), ("0.txt", 3, "NUL", "\ufffd")]
    assert duckdb.read_parquet(str(tmp_path / "rejects.parquet")).fetchall() == expected
    assert rejects([("0.txt", 1, "NUL", "a\0b"), ("0.txt", 3, "NUL", "\0")]).collect().rows() == expected


CAFE, LATIN = "Café".encode(), "Café".encode("latin-1")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"A\r\n\r\nB", [("A", True), ("", True), ("B", True)]),
        (b"\xef\xbb\xbfA\n\n", [("A", True), ("", True)]),
        (b"A\n" + LATIN, [("A", True), ("Café", True)]),
        (CAFE + b"\nA\n", [("Café", True), ("A", True)]),
        (CAFE + b"\n" + CAFE + b"\n" + LATIN, [("Café", True), ("Café", True), ("Caf\ufffd", False)]),
        (LATIN + b"\n" + CAFE + b"\n" + CAFE, [("Caf\ufffd", False), ("Café", True), ("Café", True)]),
        (LATIN + b"\n" + LATIN + b"\n" + CAFE, [("Café", True), ("Café", True), ("Café", True)]),
        (LATIN + b"\n" + CAFE, [("Café", True), ("Café", True)]),
        (b"\xef\xbb\xbf" + LATIN + b"\nA", [("Caf\ufffd", False), ("A", True)]),
        (b"A\x0bB\xc2\x85\xe2\x80\xa8C\0", [("A\x0bB\x85\u2028C\0", True)]),
    ],
    ids=[
        "line ends", "a mark", "the vendor's", "a copy", "one other line in a copy", "one other line before",
        "one line of a copy", "as many of each", "a marked copy", "no ends of lines",
    ],
)  # fmt: skip
def test_a_small_file_is_the_vendors_or_a_copy_and_no_single_line_decides(
    write: Callable[..., list[SourceFile]], content: bytes, expected: list[tuple[str, bool]]
) -> None:
    (file,) = write(content)
    assert [line[1:] for line in read_small(file, "latin-1")] == expected
    assert [line.number for line in read_small(file, "latin-1")] == list(range(1, len(expected) + 1))
