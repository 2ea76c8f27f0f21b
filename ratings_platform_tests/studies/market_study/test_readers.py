"""The readers of vendor files: each trap of the formats, each reason, and random files against a plain reading."""

from __future__ import annotations

import random
import re
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from ratings_platform.schema.errors import SourceError
from ratings_platform.schema.reading import Count, Parsed, SourceFile
from ratings_platform.schema.tables import Table
from ratings_platform.studies.market_study.readers import (
    read_movies_netflix,
    read_ratings_amazon,
    read_ratings_netflix,
)
from ratings_platform.studies.market_study.reasons import Reason
from ratings_platform.studies.market_study.tables import (
    FIRST_YEAR,
    LAST_YEAR,
    MOVIES_NETFLIX,
    RATINGS_AMAZON,
    RATINGS_NETFLIX,
)

pytestmark = pytest.mark.unit

COLUMNS = [c.name for c in RATINGS_AMAZON.columns]
HEADER = "\t".join(COLUMNS)
GOOD_REVIEW = {
    "marketplace": "US",
    "customer_id": "53096384",
    "review_id": "R1",
    "product_id": "000780001X",
    "product_parent": "7",
    "product_title": "A Film",
    "product_category": "Video DVD",
    "star_rating": "5",
    "helpful_votes": "1",
    "total_votes": "2",
    "vine": "N",
    "verified_purchase": "Y",
    "review_headline": "Fine",
    "review_body": "Very fine",
    "review_date": "2015-08-31",
}


def review(**changes: str) -> str:
    return "\t".join((GOOD_REVIEW | changes).values())


@pytest.fixture
def write(tmp_path):
    """Writes a file under a path that differs from the vendor's name for it."""

    def write(content: str | bytes, name: str = "file.txt") -> SourceFile:
        path = tmp_path / f"stored[{name}]"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return SourceFile(name, path)

    return write


def films(*ids: int) -> dict[str, pl.LazyFrame]:
    return {"movies_netflix": pl.LazyFrame({"product_id": ids}, schema={"product_id": pl.Int32})}


def netflix(*files: SourceFile, known=(1, 2, 3)) -> Parsed:
    return read_ratings_netflix(files, films(*known))


def kept(parsed: Parsed) -> list[tuple]:
    return parsed.rows.collect(engine="streaming").rows()


def refused(parsed: Parsed) -> list[tuple]:
    return parsed.rejects.collect(engine="streaming").rows()


def reasons(parsed: Parsed) -> list[tuple[int, str]]:
    """Line and reason of every reject, once it is shown that no line is unaccounted for."""
    assert parsed.count().rows == len(kept(parsed)) + len(refused(parsed))
    return [(line, reason) for _, line, reason, _ in refused(parsed)]


DAY = date(2005, 1, 2)


class TestAnyReader:
    @pytest.mark.parametrize(
        ("table", "read", "content"),
        [
            (MOVIES_NETFLIX, read_movies_netflix, "1,NULL,A Film\n2,2003,B\n"),
            (RATINGS_NETFLIX, read_ratings_netflix, "1:\n12,3,2005-01-02\n"),
            (RATINGS_AMAZON, read_ratings_amazon, f"{HEADER}\n{review()}\n"),
        ],
    )
    def test_gives_the_declared_columns(self, write, table: Table, read, content):
        parsed = read([write(content)], films(1))
        assert parsed.rows.collect_schema() == table.ibis_schema.to_polars()
        assert kept(parsed)
        assert dict(parsed.rejects.collect_schema()) == {
            "file": pl.String,
            "line": pl.Int64,
            "reason": pl.String,
            "raw": pl.String,
        }

    READERS = (read_movies_netflix, read_ratings_netflix, read_ratings_amazon)

    @pytest.mark.parametrize("read", READERS)
    @pytest.mark.parametrize(
        ("content", "problem"),
        [
            (b"", "empty"),
            (b"\n\r\n\n", "empty"),
            (b"\xef\xbb\xbf", "empty"),
            ("1:\n12,3,2005-01-02\n".encode("utf-16"), "UTF-16"),
            ("1:\n12,3,2005-01-02\n".encode("utf-16-be"), "NUL"),
            (b"PK\x03\x04rest", "packed"),
            (b"\x1f\x8b\x08rest", "packed"),
            (b"\n <!DOCTYPE html><html>Sign in</html>", "web page"),
            (b"nothing of the kind\nat all\n", "does not look like"),
        ],
    )
    def test_refuses_what_is_no_vendor_file(self, write, read, content, problem):
        with pytest.raises(SourceError, match=problem) as caught:
            read([write(content, "vendor.txt")], films(1))
        assert (caught.value.file, caught.value.line) == ("vendor.txt", 1)
        assert caught.value.remedy

    @pytest.mark.parametrize("read", READERS)
    def test_refuses_a_missing_file(self, tmp_path, read):
        with pytest.raises(SourceError, match="missing"):
            read([SourceFile("vendor.txt", tmp_path / "none")], films(1))

    MOVIES, RATINGS, REVIEWS = "1,2003,Dinosaur Planet\n", "1:\n12,3,2005-01-02\n", f"{HEADER}\n{review()}\n"

    @pytest.mark.parametrize(
        ("read", "content", "found"),
        [
            (read_movies_netflix, RATINGS, "a Netflix rating file"),
            (read_movies_netflix, REVIEWS, "an Amazon review file"),
            (read_ratings_netflix, MOVIES, "movie_titles.csv"),
            (read_ratings_netflix, REVIEWS, "an Amazon review file"),
            (read_ratings_amazon, MOVIES, "movie_titles.csv"),
            (read_ratings_amazon, RATINGS, "a Netflix rating file"),
        ],
    )
    def test_refuses_another_kind_of_file(self, write, read, content, found):
        with pytest.raises(SourceError, match=f"looks like .*{found}, not like"):
            read([write(content)], films(1))

    READ_LINES = (
        pytest.param(read_movies_netflix, ("1,2003,A", "2,2003,B"), id="movies"),
        pytest.param(read_ratings_netflix, ("1:", "12,3,2005-01-02", "2:", "13,3,2005-01-02"), id="ratings"),
        pytest.param(read_ratings_amazon, (HEADER, review(), review()), id="reviews"),
    )

    @pytest.mark.parametrize(("read", "lines"), READ_LINES)
    @pytest.mark.parametrize(
        ("bad", "reason", "raw"),
        [
            (b"\0", Reason.NUL, "\ufffd"),
            (b"9,2003,\0", Reason.NUL, "9,2003,\ufffd"),
            (b"\0" * 100_000, Reason.NUL, "\ufffd" * 100_000),
            (b"<html>", Reason.FIELDS, "<html>"),
            (b"PK", Reason.FIELDS, "PK"),
            (b"x" * 100_000, Reason.FIELDS, "x" * 100_000),
        ],
        ids=["NUL", "NUL in a field", "many NUL", "a tag", "letters of an archive", "long"],
    )
    @pytest.mark.parametrize("place", ["first", "second", "last", "far"])
    def test_one_bad_line_is_one_reject_wherever_it_stands(self, write, read, lines, bad, reason, raw, place):
        far = [b""] * 70_000 if place == "far" else []
        content = [*(line.encode() for line in lines), *far]
        index = {"first": 0, "second": 1, "last": len(content), "far": len(content)}[place]
        content.insert(index, bad)
        parsed = read([write(b"\n".join(content), "vendor.txt")], films(1, 2))
        assert refused(parsed) == [("vendor.txt", index + 1, reason.value, raw)]
        assert len(kept(parsed)) == 2
        assert parsed.count().rows == 3

    @pytest.mark.parametrize(("read", "lines"), READ_LINES)
    def test_a_line_of_other_bytes_changes_no_other_line(self, write, read, lines):
        content = [line.encode() for line in lines]
        plain = kept(read([write(b"\n".join(content), "plain.txt")], films(1, 2)))
        parsed = read([write(b"\n".join([b"\xef\xbb\xbf" + content[0], b"\xff\0", *content[1:]]))], films(1, 2))
        assert kept(parsed) == plain
        assert [line for line, _ in reasons(parsed)] == [2]

    @pytest.mark.parametrize(("read", "lines"), READ_LINES)
    def test_blank_lines_and_marks_are_structure_wherever_they_stand(self, write, read, lines):
        content = "\n\ufeff\n" + "\n\n\ufeff\n".join(lines) + "\n\ufeff\n\n"
        parsed = read([write(content)], films(1, 2))
        assert refused(parsed) == []
        assert len(kept(parsed)) == parsed.count().rows == 2

    def test_looks_at_every_file_of_a_unit(self, write):
        with pytest.raises(SourceError, match=r"mv_2.txt, line 1: file is empty"):
            netflix(write("1:\n", "mv_1.txt"), write("", "mv_2.txt"))


class TestMoviesNetflix:
    def read(self, write, content: str | bytes) -> Parsed:
        return read_movies_netflix([write(content, "movie_titles.csv")], {})

    def test_splits_at_the_first_two_commas_and_knows_no_quotes(self, write):
        parsed = self.read(write, '1,2003,Lights, Camera, "Action\n2,NULL,"Quoted"\n3,1999,Last')
        assert kept(parsed) == [(1, 2003, 'Lights, Camera, "Action'), (2, None, '"Quoted"'), (3, 1999, "Last")]
        assert parsed.count() == Count(3, 0)

    @pytest.mark.parametrize("encoding", ["latin-1", "utf-8", "utf-8-sig"])
    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    def test_either_encoding_and_line_end(self, write, encoding, end):
        parsed = self.read(write, end.join(["1,2003,Café", "", "2,2004,B", "", ""]).encode(encoding))
        assert kept(parsed) == [(1, 2003, "Café"), (2, 2004, "B")]
        assert parsed.count() == Count(4, 2)

    def test_separators_of_unicode_end_no_line(self, write):
        assert kept(self.read(write, "1,2003,A\u2028B\x0bC\n")) == [(1, 2003, "A\u2028B\x0bC")]

    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            ("MovieID,Year,Title", Reason.HEADER),
            ("id,year,title,,", Reason.HEADER),
            ("5,2003", Reason.FIELDS),
            ("5", Reason.FIELDS),
            ("5,2003,Film,,", Reason.TRAILING_COMMAS),
            ("5,2003,,", Reason.TRAILING_COMMAS),
            ("x5,2003,Film", Reason.FILM_ID),
            ("0,2003,Film", Reason.FILM_ID),
            ("-5,2003,Film", Reason.FILM_ID),
            ("5.0,2003,Film", Reason.FILM_ID),
            ("2147483648,2003,Film", Reason.FILM_ID),
            (",2003,Film", Reason.FILM_ID),
            ("abc,NULL,Film", Reason.FILM_ID),
            pytest.param(f"{'1' * 5000},2003,Film", Reason.FILM_ID, id="an id of 5,000 digits"),
            pytest.param(f"5,{'1' * 5000},Film", Reason.RELEASE_YEAR, id="a year of 5,000 digits"),
            ("5,,Film", Reason.RELEASE_YEAR),
            ("5,null,Film", Reason.RELEASE_YEAR),
            ("5,2003.0,Film", Reason.RELEASE_YEAR),
            ("5,20003,Film", Reason.RELEASE_YEAR),
            ("5,1799,Film", Reason.RELEASE_YEAR),
            ("5,2003,", Reason.NO_TITLE),
            ("5,2003,  ", Reason.NO_TITLE),
            ("5,2003,Caf\ufffd", Reason.GARBLED_TITLE),
            ("5,2003,Caf\x8e", Reason.GARBLED_TITLE),
            ("5,2003,Cafï¿½", Reason.GARBLED_TITLE),
            ("1,2003,Film", Reason.DUPLICATE_FILM),
        ],
    )
    def test_reasons(self, write, line, reason):
        parsed = self.read(write, f"1,2003,First\n{line}\n7,2004,Last\n")
        assert refused(parsed) == [("movie_titles.csv", 2, reason.value, line)]
        assert [row[0] for row in kept(parsed)] == [1, 7]
        assert parsed.count() == Count(3, 0)

    def test_bytes_of_another_encoding_in_a_latin_file(self, write):
        content = "1,2003,Café\n".encode("latin-1") + "2,2003,Café\n".encode("mac-roman") + b"3,2003,Caf\xef\xbf\xbd\n"
        assert reasons(self.read(write, content)) == [(2, Reason.GARBLED_TITLE), (3, Reason.GARBLED_TITLE)]

    @pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
    def test_quotes_of_a_csv_writer_are_taken_off(self, write, end):
        lines = [
            'id,year,title',
            '1,1974,"At Home, Far Away"',
            '264,1999,"The ""Treldune"" Wedding"',
            '3,2000,Plain',
            '4,2001,"Quoted for nothing"',
            '5,NULL,"""Hello, World"""',
            "",
            '6,2003,"Café, Bar"',
        ]  # fmt: skip
        parsed = self.read(write, end.join(lines).encode("latin-1"))
        assert kept(parsed) == [
            (1, 1974, "At Home, Far Away"),
            (264, 1999, 'The "Treldune" Wedding'),
            (3, 2000, "Plain"),
            (4, 2001, "Quoted for nothing"),
            (5, None, '"Hello, World"'),
            (6, 2003, "Café, Bar"),
        ]
        assert reasons(parsed) == [(1, Reason.HEADER)]

    VENDORS = (
        ['"Quoted"', "Lights, Camera", 'The "Real" Thing'],
        ['"Hello, World"', "Lights, Camera", '"And, ""More"""'],
        ['"Quoted"', "Plain"],
        ['"Quoted"'],
        ['12" Record', 'The "Real" Thing'],
        ['"One," She Said, "Two"', "Plain"],
        ['"Lights, Camera', "Plain"],
        ['Lights, "Camera"', '"Quoted"'],
    )

    @pytest.mark.parametrize("titles", VENDORS)
    def test_quotes_of_the_vendors_titles_stay(self, write, titles):
        parsed = self.read(write, "\n".join(f"{number},2003,{title}" for number, title in enumerate(titles, 1)))
        assert kept(parsed) == [(number, 2003, title) for number, title in enumerate(titles, 1)]

    def test_doubled_quotes_tell_a_csv_writer_where_no_title_has_a_comma(self, write):
        parsed = self.read(write, '1,1999,"The ""Treldune"" Wedding"\n2,2003,Plain\n3,2003,"Quoted"\n')
        assert [title for *_, title in kept(parsed)] == ['The "Treldune" Wedding', "Plain", "Quoted"]

    BROKEN = (
        '"Far, Away',
        '"The "Real" Thing"',
        'The "Real" Thing',
        '"A" B',
        '"A, B" C',
        'The ""Real"" Thing',
        '"A""',
        '"',
    )

    @pytest.mark.parametrize("title", BROKEN)
    @pytest.mark.parametrize("place", [0, 1, 2])
    def test_broken_quoting_in_a_quoted_file_is_a_reject(self, write, title, place):
        lines = ['1,1974,"At Home, Far Away"', '2,1999,"A, B"']
        lines.insert(place, f"3,2003,{title}")
        parsed = self.read(write, "\n".join(lines))
        assert refused(parsed) == [("movie_titles.csv", place + 1, Reason.QUOTES, f"3,2003,{title}")]
        assert [title for *_, title in kept(parsed)] == ["At Home, Far Away", "A, B"]

    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            ("x,2003,Lights, Camera", Reason.FILM_ID),
            ("3,20003,Lights, Camera", Reason.RELEASE_YEAR),
            ("3,2003,Lights, Camera,,", Reason.TRAILING_COMMAS),
            ('3,2003,"Lights, Camera",,', Reason.TRAILING_COMMAS),
            ("id,year,title, of the film", Reason.HEADER),
            ("3,2003,Lights\0, Camera", Reason.NUL),
            ('3,2003,""', Reason.NO_TITLE),
            ('3,2003," "', Reason.NO_TITLE),
            ('3,2003,"Caf\x8e, Bar"', Reason.GARBLED_TITLE),
            ('1,2003,"Again, Again"', Reason.DUPLICATE_FILM),
        ],
    )
    def test_a_bad_line_does_not_tell_whether_titles_are_quoted(self, write, line, reason):
        parsed = self.read(write, f'1,1974,"At Home, Far Away"\n{line}\n2,1999,"A"\n')
        assert reasons(parsed) == [(2, reason)]
        assert kept(parsed) == [(1, 1974, "At Home, Far Away"), (2, 1999, "A")]

    def test_each_file_has_its_own_quoting(self, write):
        files = [write('1,1974,"At Home, Far Away"\n', "a.csv"), write('2,1999,Lights, Camera\n3,1999,"A"\n', "b.csv")]
        assert [title for *_, title in kept(read_movies_netflix(files, {}))] == [
            "At Home, Far Away",
            "Lights, Camera",
            '"A"',
        ]

    def test_an_id_is_free_while_its_line_was_refused(self, write):
        parsed = self.read(write, "1,2003,\n1,2003,Film\n1,2003,Again\n")
        assert kept(parsed) == [(1, 2003, "Film")]
        assert reasons(parsed) == [(1, Reason.NO_TITLE), (3, Reason.DUPLICATE_FILM)]


class TestRatingsNetflix:
    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    @pytest.mark.parametrize("mark", ["", "\ufeff"])
    def test_a_rating_belongs_to_the_header_above(self, write, end, mark):
        lines = ["1:", "12,3,2005-01-02", "13,5,1999-12-31", "3:", "", "2:", "2147483647,1,2004-02-29", ""]
        parsed = netflix(write(mark + end.join(lines) + end))
        assert kept(parsed) == [
            (1, 12, 3, DAY),
            (1, 13, 5, date(1999, 12, 31)),
            (2, 2147483647, 1, date(2004, 2, 29)),
        ]
        assert parsed.count() == Count(8, 5)
        assert refused(parsed) == []

    @pytest.mark.parametrize("end", ["", "\r"])
    def test_last_line_without_its_end(self, write, end):
        parsed = netflix(write(f"1:\n12,3,2005-01-02{end}"))
        assert kept(parsed) == [(1, 12, 3, DAY)]
        assert parsed.count() == Count(2, 1)

    def test_first_and_last_day_of_the_study(self, write):
        parsed = netflix(write(f"1:\n1,1,{FIRST_YEAR}-01-01\n2,5,{LAST_YEAR}-12-31\n"))
        assert kept(parsed) == [(1, 1, 1, date(FIRST_YEAR, 1, 1)), (1, 2, 5, date(LAST_YEAR, 12, 31))]

    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            ("customer_id,rating,date", Reason.HEADER),
            ("12,3", Reason.FIELDS),
            ("12", Reason.FIELDS),
            ("   ", Reason.FIELDS),
            ("12,3,2005-01-02,x", Reason.FIELDS),
            ("12,3,2005-01-02,", Reason.FIELDS),
            ("12,3,,3,2005-01-02", Reason.FIELDS),
            ("abc,3,2005-01-02", Reason.CUSTOMER),
            (",3,2005-01-02", Reason.CUSTOMER),
            ("0,3,2005-01-02", Reason.CUSTOMER),
            ("-12,3,2005-01-02", Reason.CUSTOMER),
            ("1.5,3,2005-01-02", Reason.CUSTOMER),
            ("2147483648,3,2005-01-02", Reason.CUSTOMER),
            ('"12",3,2005-01-02', Reason.CUSTOMER),
            ("12:,3,2005-01-02", Reason.CUSTOMER),
            ("12,0,2005-01-02", Reason.RATING),
            ("12,6,2005-01-02", Reason.RATING),
            ("12,-1,2005-01-02", Reason.RATING),
            ("12,,2005-01-02", Reason.RATING),
            ("12,3.0,2005-01-02", Reason.RATING),
            ("12,259,2005-01-02", Reason.RATING),
            ("12,3,2005-02-30", Reason.DATE),
            ("12,3,", Reason.DATE),
            ("12,3,02-01-2005", Reason.DATE),
            ("12,3,2005/01/02", Reason.DATE),
            ("12,3,2005-01-02 00:00:00", Reason.DATE),
            ("12,3,2005-13-02", Reason.DATE),
            (f"12,3,{FIRST_YEAR - 1}-12-31", Reason.OUTSIDE),
            (f"12,3,{LAST_YEAR + 1}-01-01", Reason.OUTSIDE),
            ("abc,6,2005-02-30", Reason.CUSTOMER),
        ],
    )
    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    def test_reasons(self, write, line, reason, end):
        parsed = netflix(write(end.join(["1:", line, "13,4,2005-01-02", ""]), "combined_data_1.txt"))
        assert refused(parsed) == [("combined_data_1.txt", 2, reason.value, line)]
        assert kept(parsed) == [(1, 13, 4, DAY)]
        assert parsed.count() == Count(3, 1)

    def test_dates_of_another_order_spoil_no_other_line(self, write):
        parsed = netflix(write("1:\n12,3,02-01-2005\n" + "13,3,2005-01-02\n" * 1000))
        assert reasons(parsed) == [(2, Reason.DATE)]
        assert len(kept(parsed)) == 1000

    def test_ratings_before_any_header(self, write):
        parsed = netflix(write("12,3,2005-01-02\n\n13,9,2005-01-02\n1:\n14,3,2005-01-02\n"))
        assert reasons(parsed) == [(1, Reason.NO_FILM), (3, Reason.NO_FILM)]
        assert kept(parsed) == [(1, 14, 3, DAY)]

    @pytest.mark.parametrize(
        ("header", "reason"),
        [
            ("12x:", Reason.FILM_HEADER),
            ("0:", Reason.FILM_HEADER),
            ("-2:", Reason.FILM_HEADER),
            (":", Reason.FILM_HEADER),
            ("2147483648:", Reason.FILM_HEADER),
            ("2: ", Reason.FILM_HEADER),
            ("2:3", Reason.FILM_HEADER),
            ("2.0:", Reason.FILM_HEADER),
            ("2:,,", Reason.TRAILING_COMMAS),
        ],
    )
    def test_an_unreadable_header_never_lends_its_ratings_to_the_film_before(self, write, header, reason):
        content = f"1:\n12,3,2005-01-02\n{header}\n13,3,2005-01-02\n\n14,9,2005-01-02\n3:\n15,3,2005-01-02\n"
        parsed = netflix(write(content))
        assert kept(parsed) == [(1, 12, 3, DAY), (3, 15, 3, DAY)]
        assert reasons(parsed) == [(3, reason), (4, Reason.LOST_FILM), (6, Reason.LOST_FILM)]
        assert refused(parsed)[0][3] == header

    def test_an_unreadable_byte_in_a_header_loses_the_film_too(self, write):
        parsed = netflix(write(b"1:\n12,3,2005-01-02\n2\xe9:\n13,3,2005-01-02\n"))
        assert kept(parsed) == [(1, 12, 3, DAY)]
        assert reasons(parsed) == [(3, Reason.ENCODING), (4, Reason.LOST_FILM)]

    def test_unknown_films(self, write):
        parsed = netflix(write("9:\n12,3,2005-01-02\nabc,3,2005-01-02\n1:\n13,3,2005-01-02\n"))
        assert kept(parsed) == [(1, 13, 3, DAY)]
        assert reasons(parsed) == [(2, Reason.UNKNOWN_FILM), (3, Reason.UNKNOWN_FILM)]
        assert parsed.count() == Count(5, 2)

    def test_undecodable_bytes(self, write):
        content = b"1:\r\n\r\n12,3,2005-01-02\r\n1\xe93,3,2005-01-02\r\n14,3,2005-01-02\xff\r\n15,3,2005-01-02"
        parsed = netflix(write(content))
        assert kept(parsed) == [(1, 12, 3, DAY), (1, 15, 3, DAY)]
        assert [r[1:] for r in refused(parsed)] == [
            (4, Reason.ENCODING, "1\ufffd3,3,2005-01-02"),
            (5, Reason.ENCODING, "14,3,2005-01-02\ufffd"),
        ]
        assert parsed.count() == Count(6, 2)

    def test_a_mark_in_place_of_a_lost_letter_is_text(self, write):
        parsed = netflix(write(b"1:\n1\xef\xbf\xbd3,3,2005-01-02\n\xe9,3,2005-01-02\n"))
        assert reasons(parsed) == [(2, Reason.CUSTOMER), (3, Reason.ENCODING)]

    def test_few_bad_lines_at_the_start_are_rejects(self, write):
        parsed = netflix(write("???\ncustomer,rating,date\n" + "1:\n12,3,2005-01-02\n"))
        assert reasons(parsed) == [(1, Reason.FIELDS), (2, Reason.HEADER)]

    def test_rows_can_be_written_by_year_as_they_are_read(self, write, tmp_path):
        rows = netflix(write("1:\n12,3,2005-01-02\n12,6,2005-01-02\n13,4,2004-01-02\n")).rows
        target = pl.PartitionBy(tmp_path / "out", key="year", include_key=False)
        rows.with_columns(year=pl.col("review_date").dt.year()).sink_parquet(target, mkdir=True)
        assert [pl.read_parquet(tmp_path / "out" / f"year={y}").height for y in (2004, 2005)] == [1, 1]


class TestRatingsNetflixOneFilePerFilm:
    def test_numbers_lines_and_films_per_file(self, write):
        parsed = netflix(
            write("1:\n12,3,2005-01-02", "mv_0000001.txt"),
            write("13,3,2005-01-02\n\n2:\r\n14,4,2005-01-02\r\n", "mv_0000002.txt"),
            write("x:\n15,3,2005-01-02\n", "mv_0000003.txt"),
            write("\n16,3,2005-01-02\n3:\n17,5,2005-01-02\n18,0,2005-01-02", "mv_0000004.txt"),
        )
        assert kept(parsed) == [(1, 12, 3, DAY), (2, 14, 4, DAY), (3, 17, 5, DAY)]
        assert refused(parsed) == [
            ("mv_0000002.txt", 1, Reason.NO_FILM, "13,3,2005-01-02"),
            ("mv_0000003.txt", 1, Reason.FILM_HEADER, "x:"),
            ("mv_0000003.txt", 2, Reason.LOST_FILM, "15,3,2005-01-02"),
            ("mv_0000004.txt", 2, Reason.NO_FILM, "16,3,2005-01-02"),
            ("mv_0000004.txt", 5, Reason.RATING, "18,0,2005-01-02"),
        ]
        assert parsed.count() == Count(13, 5)

    def test_undecodable_bytes_in_one_file_of_many(self, write):
        parsed = netflix(
            write("1:\n12,3,2005-01-02", "mv_0000001.txt"),
            write(b"2:\n\n13,3,2005-01-02\n\xff,4,2005-01-02\n", "mv_0000002.txt"),
            write("14,3,2005-01-02\n3:\n", "mv_0000003.txt"),
        )
        assert kept(parsed) == [(1, 12, 3, DAY), (2, 13, 3, DAY)]
        assert [r[:3] for r in refused(parsed)] == [
            ("mv_0000002.txt", 4, Reason.ENCODING),
            ("mv_0000003.txt", 1, Reason.NO_FILM),
        ]
        assert parsed.count() == Count(8, 4)


class TestRatingsAmazon:
    def read(self, write, *lines: str, end: str = "\n") -> Parsed:
        return read_ratings_amazon([write(end.join([HEADER, *lines, ""]), "reviews.tsv")], {})

    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    def test_one_line_is_one_review_whatever_it_holds(self, write, end):
        texts = [
            'an unbalanced " quote',
            "a back\\slash\\",
            '"starts quoted',
            "<br />&#34;x&#34;",
            "",
            "é \u2028 \ufffd",
        ]
        parsed = self.read(write, *(review(review_id=f"R{i}", review_body=t) for i, t in enumerate(texts)), "", end=end)
        frame = parsed.rows.collect()
        assert frame["review_body"].to_list() == texts
        assert set(frame["product_id"]) == {"000780001X"}
        assert parsed.count() == Count(len(texts) + 2, 2)
        assert refused(parsed) == []

    def test_types_and_empty_fields(self, write):
        empty = dict.fromkeys(("product_parent", "helpful_votes", "total_votes", "vine", "review_headline"), "")
        row = dict(zip(COLUMNS, kept(self.read(write, review(**empty)))[0], strict=True))
        assert row == GOOD_REVIEW | {
            "customer_id": 53096384,
            "product_parent": None,
            "star_rating": 5,
            "helpful_votes": None,
            "total_votes": None,
            "vine": "",
            "review_headline": "",
            "review_date": date(2015, 8, 31),
        }

    def test_byte_order_mark_and_missing_last_line_end(self, write):
        parsed = read_ratings_amazon([write(f"\ufeff{HEADER}\n{review()}")], {})
        assert len(kept(parsed)) == 1
        assert parsed.count() == Count(2, 1)

    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            (HEADER, Reason.HEADER),
            (review().rsplit("\t", 1)[0], Reason.FIELDS),
            (review() + "\t", Reason.FIELDS),
            (review() + "\t\tx", Reason.FIELDS),
            (review(review_body="a tab\tinside"), Reason.FIELDS),
            ("   ", Reason.FIELDS),
            (review(review_id=""), Reason.REVIEW_ID),
            (review(product_id=""), Reason.PRODUCT_ID),
            (review(product_parent="x"), Reason.NUMBER),
            (review(helpful_votes="1.5"), Reason.NUMBER),
            (review(total_votes="-1"), Reason.NUMBER),
            (review(total_votes="2147483648"), Reason.NUMBER),
            (review(customer_id=""), Reason.CUSTOMER),
            (review(customer_id="A1"), Reason.CUSTOMER),
            (review(star_rating=""), Reason.RATING),
            (review(star_rating="0"), Reason.RATING),
            (review(star_rating="6"), Reason.RATING),
            (review(star_rating="5.0"), Reason.RATING),
            (review(review_date=""), Reason.DATE),
            (review(review_date="2015-02-30"), Reason.DATE),
            (review(review_date="31-08-2015"), Reason.DATE),
            (review(review_date=f"{LAST_YEAR + 1}-01-01"), Reason.OUTSIDE),
            (review(review_id="", star_rating="9"), Reason.REVIEW_ID),
        ],
    )
    def test_reasons(self, write, line, reason):
        parsed = self.read(write, review(), line, review(review_id="R2"))
        assert refused(parsed) == [("reviews.tsv", 3, reason.value, line)]
        assert [row[2] for row in kept(parsed)] == ["R1", "R2"]
        assert parsed.count() == Count(4, 1)

    def test_undecodable_lines_are_refused_and_marks_that_are_text_are_kept(self, write):
        lines = [HEADER.encode(), review(review_body="\ufffd").encode(), review(review_body="é").encode("latin-1")]
        parsed = read_ratings_amazon([write(b"\n".join([*lines, b"", b""]))], {})
        assert [row[13] for row in kept(parsed)] == ["\ufffd"]
        assert [r[1:] for r in refused(parsed)] == [(3, Reason.ENCODING, review(review_body="\ufffd"))]
        assert parsed.count() == Count(4, 2)

    def test_each_file_of_a_unit_has_its_header(self, write):
        files = [write(f"{HEADER}\n{review(star_rating=s)}\n", f"{s}.tsv") for s in "569"]
        parsed = read_ratings_amazon(files, {})
        assert len(kept(parsed)) == 1
        assert [r[:3] for r in refused(parsed)] == [("6.tsv", 2, Reason.RATING), ("9.tsv", 2, Reason.RATING)]
        assert parsed.count() == Count(6, 3)

    @pytest.mark.parametrize(
        ("columns", "told"),
        [
            (COLUMNS[:-1], "missing: review_date"),
            ([*COLUMNS, "sentiment"], "unknown: sentiment"),
            (["customer", *COLUMNS[2:], "marketplace"], "missing: customer_id; unknown: customer"),
            ([*COLUMNS, "vine"], "repeated: vine"),
            (COLUMNS[::-1], "another order"),
        ],
    )
    def test_other_columns_stop_the_run(self, write, columns, told):
        with pytest.raises(SourceError, match=told) as caught:
            read_ratings_amazon([write("\t".join(columns) + "\n", "reviews.tsv")], {})
        assert (caught.value.file, caught.value.line) == ("reviews.tsv", 1)

    def test_a_missing_header_stops_the_run(self, write):
        with pytest.raises(SourceError, match="header line is missing"):
            read_ratings_amazon([write(review() + "\n")], {})


class TestEveryReason:
    def test_is_tested_above(self):
        tests = Path(__file__).read_text(encoding="utf-8")
        assert [r.name for r in Reason if f"Reason.{r.name}" not in tests] == []


# --- Random dirty files against a plain reading -----------------------------------------------------------------------


def whole(text: str, low: int, high: int) -> bool:
    return bool(re.fullmatch(r"[+-]?[0-9]+", text)) and low <= int(text) <= high


def day_fault(text: str) -> str | None:
    try:
        day = date(*map(int, re.fullmatch(r"([0-9]{4})-([0-9]{2})-([0-9]{2})", text).groups()))
    except (AttributeError, ValueError):
        return Reason.DATE
    return None if FIRST_YEAR <= day.year <= LAST_YEAR else Reason.OUTSIDE


def decoded(raw: bytes) -> tuple[str, bool]:
    try:
        return raw.decode(), True
    except UnicodeDecodeError:
        return raw.decode(errors="replace"), False


def physical_lines(content: bytes) -> list[bytes]:
    lines = content.split(b"\n")
    return [line.removesuffix(b"\r") for line in (lines[:-1] if lines[-1] == b"" else lines)]


def plain_netflix(content: bytes, known: set[int]) -> tuple[list, list, int]:
    rows, rejects, structure, film = [], [], 0, Reason.NO_FILM
    for number, raw in enumerate(physical_lines(content), 1):
        line, is_text = decoded(raw)
        fields = line.split(",")
        is_heading = ":" in fields[0] and not "".join(fields[1:]).strip()
        if not line:
            structure += 1
            continue
        if is_heading:
            is_readable = len(fields) == 1 and line.endswith(":") and whole(line[:-1], 1, 2**31 - 1)
            film = (
                (int(line[:-1]) if int(line[:-1]) in known else Reason.UNKNOWN_FILM)
                if is_readable
                else Reason.LOST_FILM
            )
            if is_readable:
                structure += 1
                continue
        fault = (
            (not is_text and Reason.ENCODING)
            or ("\0" in line and Reason.NUL)
            or (is_heading and (Reason.TRAILING_COMMAS if len(fields) > 1 else Reason.FILM_HEADER))
            or (re.match("[A-Za-z]+,[A-Za-z]+,[A-Za-z]", line.replace("_", "")) and Reason.HEADER)
            or (len(fields) != 3 and Reason.FIELDS)
            or (isinstance(film, Reason) and film)
            or (not whole(fields[0], 1, 2**31 - 1) and Reason.CUSTOMER)
            or (fields[1] not in {"1", "2", "3", "4", "5"} and Reason.RATING)
            or day_fault(fields[2])
        )
        if fault:
            rejects.append(("dirty.txt", number, str(fault), line.replace("\0", "\ufffd")))
        else:
            rows.append((film, int(fields[0]), int(fields[1]), date.fromisoformat(fields[2])))
    return rows, rejects, structure


def dirty_netflix(rng: random.Random, text_only: bool) -> bytes:
    customers = [
        "12",
        "2147483647",
        "2147483648",
        "0",
        "-4",
        "+7",
        "007",
        "",
        " 5",
        "5 ",
        "abc",
        "1.0",
        "é",
        "9:",
        '"3"',
        "1\0",
    ]
    stars = ["1", "2", "3", "4", "5", "0", "6", "", "3.0", " 3", "03", "x", "+3", "-3", "259"]
    days = ["2005-01-02", "1995-01-01", "2015-12-31", "1994-12-31", "2016-01-01", "2005-02-30", "2005-1-2", "", "x"]
    days += [" 2005-01-02", "2005-01-02 ", "02-01-2005", "2005/01/02", "2005-01-02T00:00", "+2005-1-02", "2005- 1-02"]
    odd = [
        "",
        "",
        "   ",
        "a",
        "1,2",
        "customer,rating,date",
        "\ufeff",
        "x:y",
        "12x:",
        "0:",
        "3:,,",
        " 3:",
        "3: ",
        "3:,x",
        "\0",
        "2\0:",
    ]

    def mostly(values: list[str], good: int) -> str:
        return rng.choice(values[:good]) if rng.random() < 0.9 else rng.choice(values)

    def line() -> bytes:
        draw = rng.random()
        if draw < 0.05:
            return rng.choice(odd[2:6] + odd[7:]).encode()
        if draw < 0.2:
            return f"{rng.randint(0, 6)}:".encode()
        if draw < 0.23:
            return b""
        text = ",".join([mostly(customers, 2), mostly(stars, 5), mostly(days, 3)])
        text += rng.choice(["", "", "", "", "", "", "", ",", ",x", ",,"])
        if not text_only and draw > 0.98:
            at = rng.randint(0, len(text))
            return text[:at].encode() + b"\xe9" + text[at:].encode()
        return text.encode()

    lines = [b"1:", *(line() + rng.choice([b"", b"\r"]) for _ in range(rng.choice([5, 50, 400])))]
    return b"\n".join(lines) + rng.choice([b"", b"\n", b"\r\n\r\n"])


@pytest.mark.parametrize("seed", range(40))
def test_random_netflix_files_read_as_plainly(write, seed):
    content = dirty_netflix(random.Random(seed), text_only=seed % 2 == 0)  # noqa: S311
    rows, rejects, structure = plain_netflix(content, known={1, 2, 3, 4})
    parsed = netflix(write(content, "dirty.txt"), known=(1, 2, 3, 4))
    assert refused(parsed) == rejects
    assert kept(parsed) == rows
    assert parsed.count() == Count(len(rows) + len(rejects) + structure, structure)


def plain_amazon(content: bytes) -> tuple[list, list, int]:
    rows, rejects, structure = [], [], 0
    for number, raw in enumerate(physical_lines(content), 1):
        line, is_text = decoded(raw)
        if number == 1 or not line:
            structure += 1
            continue
        fields = line.split("\t")
        row = dict(zip(COLUMNS, fields, strict=False))
        fault = (
            (not is_text and Reason.ENCODING)
            or ("\0" in line and Reason.NUL)
            or (line == HEADER and Reason.HEADER)
            or (len(fields) != 15 and Reason.FIELDS)
            or (not row["review_id"] and Reason.REVIEW_ID)
            or (not row["product_id"] and Reason.PRODUCT_ID)
            or (row["product_parent"] and not whole(row["product_parent"], 0, 2**63 - 1) and Reason.NUMBER)
            or (row["helpful_votes"] and not whole(row["helpful_votes"], 0, 2**31 - 1) and Reason.NUMBER)
            or (row["total_votes"] and not whole(row["total_votes"], 0, 2**31 - 1) and Reason.NUMBER)
            or (not whole(row["customer_id"], 0, 2**63 - 1) and Reason.CUSTOMER)
            or (row["star_rating"] not in {"1", "2", "3", "4", "5"} and Reason.RATING)
            or day_fault(row["review_date"])
        )
        if fault:
            rejects.append(("dirty.txt", number, str(fault), line.replace("\0", "\ufffd")))
        else:
            numbers = {c: int(row[c]) if row[c] else None for c in ("product_parent", "helpful_votes", "total_votes")}
            numbers |= {c: int(row[c]) for c in ("customer_id", "star_rating")}
            typed = row | numbers | {"review_date": date.fromisoformat(row["review_date"])}
            rows.append(tuple(typed.values()))
    return rows, rejects, structure


def dirty_amazon(rng: random.Random, text_only: bool) -> bytes:
    odd = [
        "",
        "0",
        "-1",
        "6",
        "5.0",
        " 5",
        "+5",
        "x",
        "2005-02-30",
        "1994-12-31",
        '"',
        "\\",
        "é",
        "\ufffd",
        "a\rb",
        "\t",
        "\0",
    ]

    def line() -> bytes:
        changes = {c: rng.choice(odd) for c in rng.sample(COLUMNS, rng.choice([0, 0, 1, 1, 2]))}
        text = rng.choice([review(**changes)] * 12 + ["", " ", HEADER, review() + "\t", review()[:30]])
        return text.encode("utf-8" if text_only or rng.random() < 0.9 else "latin-1", errors="replace")

    lines = [HEADER.encode(), *(line() + rng.choice([b"", b"\r"]) for _ in range(rng.choice([1, 30, 300])))]
    return b"\n".join(lines) + rng.choice([b"", b"\n", b"\r\n\r\n"])


@pytest.mark.parametrize("seed", range(40))
def test_random_amazon_files_read_as_plainly(write, seed):
    content = dirty_amazon(random.Random(seed), text_only=seed % 2 == 0)  # noqa: S311
    rows, rejects, structure = plain_amazon(content)
    parsed = read_ratings_amazon([write(content, "dirty.txt")], {})
    assert refused(parsed) == rejects
    assert kept(parsed) == rows
    assert parsed.count() == Count(len(rows) + len(rejects) + structure, structure)


def test_random_netflix_files_as_one_unit(write):
    contents = [dirty_netflix(random.Random(seed), text_only=True) for seed in range(100, 130)]  # noqa: S311
    plain = [plain_netflix(content, known={1, 2, 3, 4}) for content in contents]
    parsed = netflix(*(write(c, f"mv_{i:07}.txt") for i, c in enumerate(contents)), known=(1, 2, 3, 4))
    assert kept(parsed) == [row for rows, _, _ in plain for row in rows]
    assert refused(parsed) == [
        (f"mv_{i:07}.txt", *rest) for i, (_, rejects, _) in enumerate(plain) for _, *rest in rejects
    ]
    assert parsed.count().structure == sum(structure for _, _, structure in plain)


def test_blocks_of_a_large_file_change_nothing(write):
    """Several times the block in which text is read, so that headers, faults and their ratings fall apart."""
    rng = random.Random(7)  # noqa: S311
    content = b"\n".join(dirty_netflix(rng, text_only=seed % 50 != 0) for seed in range(4000))
    rows, rejects, structure = plain_netflix(content, known={1, 2, 3, 4})
    parsed = netflix(write(content, "dirty.txt"), known=(1, 2, 3, 4))
    assert len(content) > 8_000_000
    assert parsed.count() == Count(len(rows) + len(rejects) + structure, structure)
    assert kept(parsed) == rows
    assert refused(parsed) == rejects
