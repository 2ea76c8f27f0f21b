"""The vendors' files read in pieces: whatever they hold and wherever they are cut, the same as read whole.

Belongs here: cuts through the study's formats. Does not belong here: what the formats mean (`test_readers`).
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

from ratings_platform.engines.pieces import cut_up, put_together, store_piece
from ratings_platform.engines.text import Stored, store
from ratings_platform.formats.lines import BEFORE_LINE
from ratings_platform.schema.errors import SourceError
from ratings_platform.schema.reading import SourceFile
from ratings_platform.schema.study import Ingest
from ratings_platform.studies.market_study.study import STUDY
from ratings_platform_tests.studies.market_study.test_readers import HEADER, dirty_amazon, dirty_netflix, review

pytestmark = pytest.mark.unit

MOVIES, NETFLIX, AMAZON = STUDY.ingests
KNOWN = {"movies_netflix": pl.LazyFrame({"product_id": [1, 2, 3, 4]}, schema={"product_id": pl.Int32})}
RATING = "12,3,2005-01-02"
MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Unit:
    """Files of one unit, and ways to store it."""

    folder: Path
    ingest: Ingest
    files: Sequence[SourceFile]

    def whole(self) -> Stored:
        return store(self.ingest.reader(self.files, KNOWN), self.ingest.table, str(self.folder), "whole")

    def in_pieces(self, wanted: int, cut: re.Pattern[bytes] | None = None) -> tuple[int, Stored]:
        """How many pieces there were, and what was stored of them."""
        root, folder = str(self.folder), f"pieces-{wanted}"
        pieces = list(cut_up(self.files, cut or self.ingest.cut, wanted))
        parts = [
            store_piece(piece, self.ingest.reader, KNOWN, self.ingest.table, root, f"{folder}/{number:05}")
            for number, piece in enumerate(pieces)
        ]
        return len(pieces), put_together(pieces, parts, root, folder)

    def content(self, stored: Stored) -> dict[str, object]:
        """Rows of each year in their order, rejects in theirs, and the counts."""
        rows: dict[int, list[tuple]] = {}
        for file in stored.files:
            assert file.first_day is not None
            rows.setdefault(file.first_day.year, []).extend(pl.read_parquet(self.folder / file.path).rows())
        rejects = pl.read_parquet(self.folder / stored.rejects.path).rows() if stored.rejects else []
        return {
            "rows": rows,
            "rejects": rejects,
            "counts": (stored.lines, stored.structure, stored.kept, stored.rejected),
        }


@pytest.fixture
def unit(tmp_path: Path) -> Callable[..., Unit]:
    def make(ingest: Ingest, *contents: bytes) -> Unit:
        files = []
        for number, content in enumerate(contents, 1):
            path = tmp_path / f"stored-{number}"
            path.write_bytes(content)
            files.append(SourceFile(f"file-{number}", path))
        return Unit(tmp_path, ingest, files)

    return make


def assert_same_in_pieces(unit: Unit, *wanted: int, least: int = 2) -> None:
    whole = unit.content(unit.whole())
    for size in wanted:
        count, stored = unit.in_pieces(size)
        assert count >= least
        assert unit.content(stored) == whole


def ratings(*headers: str, each: int = 3) -> list[str]:
    return [line for header in headers for line in (header, *[RATING] * each)]


NETFLIX_FILES = {
    "no final newline": "\n".join(ratings("1:", "2:", "3:")).encode(),
    "a header last": "\n".join([*ratings("1:", "2:", "3:", each=5), "4:"]).encode(),
    "blank lines": "\n\n".join([*ratings("1:", "2:", "3:"), "", "", ""]).encode(),
    "carriage returns": "\r\n".join([*ratings("1:", "2:", "3:"), "", ""]).encode(),
    "a mark, and carriage returns": MARK + "\r\n".join([*ratings("1:", "2:", "3:"), ""]).encode(),
    "marks everywhere": b"\n".join(MARK + line.encode() for line in ratings("1:", "2:", "3:"))
    + b"\n1:\n"
    + f"{RATING}\n".encode() * 9,
    "a huge film": "\n".join([*ratings("1:"), *ratings("2:", each=200), *ratings("3:", "4:", "1:")]).encode(),
    "lost films": "\n".join(ratings("1:", "x:", "2:", "0:", "3:,,", "1:", "2: ", "3:", "2:x", "0002:", "4:")).encode(),
    "unknown films": "\n".join(ratings("1:", "9:", "8:", "2:", "2147483648:", "7:", "999999999:", "3:")).encode(),
    "no film at first": "\n".join([RATING, "", RATING, *ratings("1:", "2:", "3:")]).encode(),
    "what looks like a header": "\n".join(
        [*ratings("1:"), "1:,3,2005-01-02", "2:3,4", "4,5,2005-01-02:", "12", ":", "1:2:", *ratings("3:", "4:", "1:")]
    ).encode(),
    "other letters in one film": "\n".join([*ratings("1:"), "é,3,2005-01-02", *ratings("2:", "3:")]).encode("latin-1"),
    "other letters before a header": b"1:\n" + RATING.encode() * 3 + b"\xff\n2:\n" + f"{RATING}\n".encode() * 3,
    "zero bytes": "\n".join(["\0", *ratings("1:"), "\0", *ratings("2:\0", "3:"), "12,3\0,2005-01-02", "2:"]).encode(),
    "zero bytes and other letters": "\n".join(["\0é", *ratings("1:", "\0:", "3:", "4:"), "\0"]).encode("latin-1"),
    "a mark and other letters": MARK + "\n".join(ratings("x:", "1:", "2:", "3:")).encode() + b"\n\xff,1\n",
}


@pytest.mark.parametrize("content", NETFLIX_FILES.values(), ids=NETFLIX_FILES)
def test_ratings_cut_at_film_headers(unit: Callable[..., Unit], content: bytes) -> None:
    assert_same_in_pieces(unit(NETFLIX, content), 1, 40)


@pytest.mark.parametrize("seed", range(10))
def test_random_ratings(unit: Callable[..., Unit], seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    films = (dirty_netflix(chance, text_only=seed % 3 != 0) for _ in range(chance.choice([3, 10])))
    content = b"\n".join([b"1:\n12,3,2005-01-02", *films])
    assert_same_in_pieces(unit(NETFLIX, content), len(content) // 7, len(content) // 2)


def test_every_piece_but_the_first_begins_with_a_film(unit: Callable[..., Unit]) -> None:
    content = b"\n".join(NETFLIX_FILES.values())
    pieces = list(cut_up(unit(NETFLIX, content).files, NETFLIX.cut, 1))
    parts = [content[piece.start :][: piece.size] for piece in pieces]
    assert b"".join(parts) == content
    assert len(parts) > 20
    assert all(re.match(rb"[0-9]+:\r?\n", part) for part in parts[1:])


def test_cuts_elsewhere_would_lose_ratings(unit: Callable[..., Unit]) -> None:
    """So that the tests above could fail."""
    ratings_of_films = unit(NETFLIX, NETFLIX_FILES["a huge film"])
    whole = ratings_of_films.content(ratings_of_films.whole())
    _, stored = ratings_of_films.in_pieces(1000, BEFORE_LINE)
    assert ratings_of_films.content(stored) != whole


def test_many_small_files_are_pieces_together(unit: Callable[..., Unit]) -> None:
    """Files without a header must not take the film of the file before, and line numbers are those of each file."""
    plain = [f"{n % 4 + 1}:\n{RATING}\n\n{RATING[1:]},x\n".encode() for n in range(12)]
    headless, large = f"{RATING}\n5,9,2005-01-02\n".encode(), NETFLIX_FILES["a huge film"]
    ratings_of_films = unit(NETFLIX, *plain[:5], headless, large, *plain[5:], headless)
    assert_same_in_pieces(ratings_of_films, 100, 700, least=4)


AMAZON_LINES = [
    review(review_id="R1"),
    review(review_id="R2", review_body='an unbalanced " quote'),
    "",
    HEADER,
    review(review_id="R3", star_rating="9"),
    "\ufeff" + review(review_id="R4"),
    "\ufeff",
    review(review_id="R5") + "\t",
    review(review_id="R6", review_body="é \u2028 a\rb"),
    review(review_id=""),
    review(review_id="R7", review_date="2001-05-06"),
]
AMAZON_FILES = {
    "no final newline": "\n".join([HEADER, *AMAZON_LINES]).encode(),
    "blank lines": "\n".join(["", HEADER, *AMAZON_LINES, "", "", ""]).replace("\n\n", "\n").encode(),
    "carriage returns": "\r\n".join([HEADER, *AMAZON_LINES, "", ""]).encode(),
    "a mark": MARK + "\n".join([HEADER, *AMAZON_LINES, ""]).encode(),
    "other letters": "\n".join([HEADER, *AMAZON_LINES, ""]).encode("utf-8").replace("é".encode(), b"\xe9"),
    "zero bytes": "\n".join([HEADER, "\0", *AMAZON_LINES, "a\0b", review(review_body="a\0b"), ""]).encode(),
    "bad lines above the header": "\n".join(["", "\0", "?", HEADER, *AMAZON_LINES, HEADER, ""]).encode(),
}


@pytest.mark.parametrize("content", AMAZON_FILES.values(), ids=AMAZON_FILES)
def test_reviews_cut_at_line_ends(unit: Callable[..., Unit], content: bytes) -> None:
    assert_same_in_pieces(unit(AMAZON, content), 300, 700)


@pytest.mark.parametrize("seed", range(6))
def test_random_reviews(unit: Callable[..., Unit], seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    content = dirty_amazon(chance, text_only=seed % 3 != 0) + f"\n{review()}\n".encode() * 20
    assert_same_in_pieces(unit(AMAZON, content), len(content) // 9, len(content) // 2)


@pytest.mark.parametrize(
    ("ingest", "content"),
    [
        (NETFLIX, "\n".join(ratings("x:", "9:", "8:", "7:")).encode()),
        (AMAZON, "\n".join([HEADER, *[review(star_rating="9")] * 9]).encode()),
        (AMAZON, review().encode() * 9),
        (NETFLIX, b"1,2003,Dinosaur Planet\n" * 1040 + b"2:\n" * 9),
        (AMAZON, b"PK\x03\x04" + b"\n" * 900),
    ],
    ids=["no known film", "no good stars", "no header", "another kind of file", "still packed"],
)
def test_files_are_refused_for_the_same_reason(unit: Callable[..., Unit], ingest: Ingest, content: bytes) -> None:
    refused = unit(ingest, content)
    with pytest.raises(SourceError) as whole:
        refused.whole()
    with pytest.raises(SourceError) as pieces:
        refused.in_pieces(len(content) // 4)
    assert str(pieces.value) == str(whole.value)
    assert not [path for path in refused.folder.rglob("*.parquet") if "whole" not in path.parts]


def test_a_piece_without_any_good_row_is_no_reason_to_refuse(unit: Callable[..., Unit]) -> None:
    content = "\n".join([*ratings("9:", each=20), *ratings("1:"), *ratings("8:", each=20)]).encode()
    assert_same_in_pieces(unit(NETFLIX, content), 100)


@pytest.mark.parametrize("title", [b"A, B", b'"A, B"', b"A"], ids=["bare", "quoted", "without comma"])
def test_titles_that_all_end_in_surplus_commas_are_refused(unit: Callable[..., Unit], title: bytes) -> None:
    titles = unit(MOVIES, b"".join(b"%d,2003,%b,,\n" % (number, title) for number in range(1, 10)))
    with pytest.raises(SourceError, match="none of its 9 rows can be used; the first: trailing commas"):
        titles.whole()


def test_titles_are_read_whole_since_an_id_counts_once(unit: Callable[..., Unit]) -> None:
    titles = unit(MOVIES, b"1,2003,A\n" * 3, b"1,2004,B\n2,2004,B\n")
    count, stored = titles.in_pieces(1)
    assert (count, stored.kept, stored.rejected) == (1, 2, 3)
