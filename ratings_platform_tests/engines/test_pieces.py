"""Files in pieces: how they are cut and grouped, and what is left of them. Formats are tested with their studies."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import polars as pl
import pytest

from ratings_platform.engines.pieces import Piece, cut_up, put_together, store_piece
from ratings_platform.schema.errors import SourceError
from ratings_platform.schema.reading import Count, Parsed, SourceFile
from ratings_platform_tests.lake.samples import PLAIN

pytestmark = pytest.mark.unit

LINE = re.compile(rb"\n")


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., list[SourceFile]]:
    def write(*contents: bytes) -> list[SourceFile]:
        files = [SourceFile(f"{n}.txt", tmp_path / f"file-{n}") for n in range(len(contents))]
        for file, content in zip(files, contents, strict=True):
            file.path.write_bytes(content)
        return files

    return write


def read(files: Sequence[SourceFile], known: Mapping[str, pl.LazyFrame]) -> Parsed:
    """Lines in lower case are names, others are refused; a file's first line is its title."""
    rows: list[str] = []
    rejects: list[tuple[str, int, str, str]] = []
    lines = 0
    for file in files:
        for number, line in enumerate(file.path.read_text().splitlines(), 1):
            lines += 1
            if file.from_start and number == 1:
                continue
            if line.islower():
                rows.append(line)
            else:
                rejects.append((file.name, number, "not lower", line))
    refused = {"file": pl.String, "line": pl.Int64, "reason": pl.String, "raw": pl.String}
    return Parsed(
        pl.LazyFrame({"name": rows}, {"name": pl.String}),
        pl.LazyFrame(rejects, refused, orient="row"),
        pl.LazyFrame([Count(lines, lines - len(rows) - len(rejects))]),
    )


def parts(pieces: Sequence[Piece]) -> list[tuple[str, int, int | None]]:
    return [(" ".join(file.name for file in piece.files), piece.start, piece.size) for piece in pieces]


def test_large_files_are_cut_and_small_ones_put_together(write: Callable[..., list[SourceFile]]) -> None:
    files = write(b"abc\n" * 2, b"", b"abc\n", b"abc\n" * 10, b"abc\n", b"abc\n" * 3, b"abc\n" * 2)
    assert parts(list(cut_up(files, LINE, 16))) == [
        ("0.txt 1.txt 2.txt", 0, None),
        ("3.txt", 0, 16),
        ("3.txt", 16, 12),
        ("3.txt", 28, 12),
        ("4.txt 5.txt", 0, None),
        ("6.txt", 0, None),
    ]


@pytest.mark.parametrize(
    ("content", "sizes"),
    [
        (b"a\n" * 20, [14, 14, 12]),
        (b"a\n" * 8 + b"b" * 40, [16, 40]),
        (b"b" * 40 + b"\n" + b"a\n" * 8, [41, 2, 14]),
        (b"b" * 40 + b"\n", [41]),
        (b"b" * 40, [40]),
        (b"a\n" + b"b" * 20 + b"\n" + b"c" * 20, [23, 20]),
    ],
    ids=["even", "a long end", "a long beginning", "one line", "one line without end", "two lines"],
)
def test_cuts_are_only_where_they_may_be(
    write: Callable[..., list[SourceFile]], content: bytes, sizes: list[int]
) -> None:
    pieces = list(cut_up(write(content), LINE, 16))
    assert [piece.size for piece in pieces] == sizes
    assert [piece.start for piece in pieces] == [sum(sizes[:n]) for n in range(len(sizes))]


def test_files_of_a_format_that_must_not_be_cut_are_one_piece(write: Callable[..., list[SourceFile]]) -> None:
    files = write(b"a\n" * 20, b"b\n")
    assert list(cut_up(files, None, 16)) == [Piece(tuple(files))]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"a\.txt: file is missing\. "):
        list(cut_up([SourceFile("a.txt", tmp_path / "none")], LINE))


def test_a_file_that_is_cut_off_meanwhile_is_named(write: Callable[..., list[SourceFile]], tmp_path: Path) -> None:
    files = write(b"title\n" + b"abc\n" * 20)
    pieces = list(cut_up(files, LINE, 16))
    files[0].path.write_bytes(b"title\n")
    with pytest.raises(SourceError, match=r"0\.txt: was cut off while it was read\. "):
        store_piece(pieces[-1], read, {}, PLAIN, str(tmp_path / "out"), "unit")


def test_pieces_make_one_file_of_rejects_with_the_lines_of_the_file(
    write: Callable[..., list[SourceFile]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    files = write(b"Title\nabc\nABC\n", b"Title\n" + b"abc\nABC\n" * 10, b"Title\nABC\n")
    pieces = list(cut_up(files, LINE, 20))
    root = str(tmp_path / "out [2024]*")
    done = [store_piece(piece, read, {}, PLAIN, root, f"unit/{n}") for n, piece in enumerate(pieces)]
    stored = put_together(pieces, done, root, "unit")
    assert len(pieces) == 7
    assert (stored.lines, stored.structure, stored.kept, stored.rejected) == (26, 3, 11, 12)
    assert stored.rejects is not None
    rejects = pl.read_parquet(f"{root}/{stored.rejects.path}", glob=False).select("file", "line").rows()
    assert rejects == [("0.txt", 3), *(("1.txt", 3 + 2 * n) for n in range(10)), ("2.txt", 2)]
    # Neither what each piece refused nor copies of the pieces stay behind.
    assert [path.name for path in Path(root, "_rejects").iterdir()] == ["unit.parquet"]
    assert list(scratch.iterdir()) == []
