"""Readers of the two vendors' files: plain text lines in, typed rows and refused lines out.

Belongs here: the vendors' file formats, and which lines are accepted. Does not belong here: what holds for lines of
any format (`formats`), unpacking, storing, and anything about rows once they are typed.

Both rating formats are read as whole lines and taken apart here rather than by a CSV parser: a CSV parser guesses one
date pattern for each block it reads, and cannot tell a surplus empty field from none, so that what it accepts would
depend on where its blocks begin.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from typing import NamedTuple

import polars as pl

from ratings_platform.formats.kinds import header_line, refuse_other_kinds
from ratings_platform.formats.lines import (
    BLANK,
    DecodedLine,
    Faults,
    Lines,
    counted,
    holds_nul,
    is_blank,
    read_lines,
    read_small,
    refused,
    rejects,
)
from ratings_platform.schema.reading import Count, Parsed, SourceFile
from ratings_platform.schema.tables import Table
from ratings_platform.studies.market_study.reasons import Reason
from ratings_platform.studies.market_study.tables import (
    FIRST_YEAR,
    LAST_YEAR,
    MOVIES_NETFLIX,
    RATINGS_AMAZON,
)

STARS = range(1, 6)
FIRST_DAY, LAST_DAY = date(FIRST_YEAR, 1, 1), date(LAST_YEAR, 12, 31)
RELEASE_YEARS = range(1800, 2101)
INT32_MAX = 2**31 - 1
ISO_DAY = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
# A table's column captions, as spreadsheets and careless concatenation leave them: words where numbers belong.
CAPTIONS = r'^\ufeff?"?[A-Za-z][\w ]*"?,"?[A-Za-z][\w ]*"?,"?[A-Za-z]'

# What files may be cut after. No line is decided by one above a film header that can be read.
BEFORE_FILM_HEADER = re.compile(rb"\n(?=[1-9][0-9]{0,8}:\r?\n)")

MOVIES, RATINGS, REVIEWS = "Netflix's movie_titles.csv", "a Netflix rating file", "an Amazon review file"
KINDS = {
    REVIEWS: re.compile(r"([^\t]*\t){9}"),
    RATINGS: re.compile(r"[0-9]+\s*:|[^,]*,[^,]*,[0-9]{4}-[0-9]"),
    MOVIES: re.compile(r"[^,]+,([0-9]{4}|NULL),"),
}


def _whole(text: pl.Expr, dtype: pl.DataType | type[pl.DataType]) -> pl.Expr:
    return text.cast(dtype, strict=False)


# --- Netflix: movie_titles.csv ---------------------------------------------------------------------------------------

# U+FFFD, its UTF-8 bytes read as ISO-8859-1, and control characters that letters of other encodings turn into.
GARBLED = re.compile("\ufffd|ï¿½|[\x80-\x9f]")
# A field as CSV writers quote it.
QUOTED = re.compile(r'"((?:[^"]|"")*)"')


class _Film(NamedTuple):
    product_id: int
    year_released: int | None
    title: str


def read_movies_netflix(files: Sequence[SourceFile], known: Mapping[str, pl.LazyFrame]) -> Parsed:
    """Small files, read at once. A film id counts as taken once a line with it was kept."""
    films: dict[int, _Film] = {}
    found = []
    for file in files:
        refuse_other_kinds(file, MOVIES, KINDS)
        lines = [(line, _film(line)) for line in read_small(file, "latin-1") if line.text not in BLANK]
        is_csv = _is_csv([film.title for _, film in lines if isinstance(film, _Film)])
        for line, film in lines:
            checked = _with_title(film, is_csv, films) if isinstance(film, _Film) else film
            if isinstance(checked, _Film):
                films[checked.product_id] = checked
            else:
                found.append((file.name, line.number, checked.value, line.text))
    rows = pl.DataFrame(list(films.values()), _schema(MOVIES_NETFLIX), orient="row")
    return Parsed(rows.lazy(), rejects(found), _count_bytes(files))


def _film(line: DecodedLine) -> _Film | Reason:
    """What a line says by itself, the title as it stands there."""
    fields = line.text.split(",", 2)
    film_id, year, title = fields if len(fields) == 3 else ("", "", "")
    faults = (
        (Reason.ENCODING, not line.is_text),
        (Reason.NUL, "\0" in line.text),
        (Reason.HEADER, re.match(CAPTIONS, line.text) and ",NULL," not in line.text),
        (Reason.FIELDS, len(fields) != 3),
        (Reason.TRAILING_COMMAS, title.endswith(",")),
        (Reason.FILM_ID, not (_is_whole(film_id) and 0 < int(film_id) <= INT32_MAX)),
        (Reason.RELEASE_YEAR, not (year == "NULL" or (_is_whole(year) and int(year) in RELEASE_YEARS))),
        (Reason.GARBLED_TITLE, GARBLED.search(title)),
    )
    for reason, found in faults:
        if found:
            return reason
    return _Film(int(film_id), None if year == "NULL" else int(year), title)


def _is_csv(titles: Sequence[str]) -> bool:
    """Whether quotes are a CSV writer's, who quotes each title with a comma, or the vendor's own, who quotes none."""
    telling = [title for title in titles if "," in title] or [title for title in titles if '""' in title]
    return any(map(QUOTED.fullmatch, telling)) and all(title.startswith('"') for title in telling)


def _with_title(film: _Film, is_csv: bool, films: Mapping[int, _Film]) -> _Film | Reason:
    title = film.title
    if is_csv and (quoted := QUOTED.fullmatch(title)):
        title = quoted[1].replace('""', '"')
    elif is_csv and '"' in title:
        return Reason.QUOTES
    if not title.strip():
        return Reason.NO_TITLE
    if film.product_id in films:
        return Reason.DUPLICATE_FILM
    return film._replace(title=title)


def _is_whole(text: str) -> bool:
    """Python turns texts of thousands of digits into no number."""
    return text.isascii() and text.isdigit() and len(text) < 100


def _count_bytes(files: Sequence[SourceFile]) -> pl.LazyFrame:
    lines = [line for file in files for line in file.path.read_bytes().removesuffix(b"\n").split(b"\n")]
    return pl.LazyFrame([Count(len(lines), sum(line.removeprefix(codecs.BOM_UTF8) in (b"", b"\r") for line in lines))])


# --- Netflix: combined_data_*.txt and mv_*.txt -----------------------------------------------------------------------

# What stands for a film's id where the ratings below belong to no known film.
NO_FILM, LOST_FILM, UNKNOWN_FILM = 0, -1, -2
# One field with a colon: meant as a film header, whatever else has become of it.
HEADING = r"^\ufeff?([^,]*:[^,]*,*\s*)$"
# A rating ends in `,stars,yyyy-mm-dd`.
ENDING = len(",5,2005-12-31")


@cache
def _endings() -> pl.Enum:
    """Every ending that a good rating may have, by stars, then day: looking one up is faster than parsing it."""
    days = pl.date_range(FIRST_DAY, LAST_DAY, eager=True).cast(pl.String)
    return pl.Enum([f",{stars},{day}" for stars in STARS for day in days])


def read_ratings_netflix(files: Sequence[SourceFile], known: Mapping[str, pl.LazyFrame]) -> Parsed:
    for file in files:
        refuse_other_kinds(file, RATINGS, KINDS)
    films = known[MOVIES_NETFLIX.name].select("product_id").collect().to_series()
    text = read_lines(files)
    lines = _with_parts(text, films)
    good = (pl.col("customer_id") > 0) & pl.col("ending").is_not_null() & (pl.col("product_id") > 0)
    days = (LAST_DAY - FIRST_DAY).days + 1
    star_rating = (pl.col("ending") // days + STARS[0]).cast(pl.Int8)
    review_date = ((pl.col("ending") % days).cast(pl.Int32) + (FIRST_DAY - date(1970, 1, 1)).days).cast(pl.Date)
    rows = lines.filter(good).select(
        "product_id", "customer_id", star_rating.alias("star_rating"), review_date.alias("review_date")
    )
    is_structure = is_blank() | (pl.col("film") > 0) | (pl.col("film") == UNKNOWN_FILM)
    bad = lines.with_columns(number=text.number).filter(~(good | is_structure).fill_null(False))
    # Blank lines and headers are sought among the few lines that do not end like a rating.
    odd = pl.when(pl.col("ending").is_null()).then(pl.col("line"))
    counts = counted(lines.with_columns(line=odd), is_blank() | _is_film_header())
    return Parsed(rows, refused(text, bad, _rating_faults()), counts)


def _with_parts(text: Lines, films: pl.Series) -> pl.LazyFrame:
    """Adds what each line says: `heading` and `film` where it is a film header, the parts of a rating where it is one.

    `product_id` is the film of the nearest header above. Headers are only sought in the few lines that do not end
    like a rating, since text operations on every line are what takes the time.
    """
    line = pl.col("line")
    ending = line.str.tail(ENDING).cast(_endings(), strict=False).to_physical()
    heading = pl.when(pl.col("ending").is_null()).then(line).str.extract(HEADING)
    film_id = _film_id(pl.col("heading"))
    film = (
        pl.when(film_id.is_in(films.implode()))
        .then(film_id)
        .when(film_id > 0)
        .then(pl.lit(UNKNOWN_FILM, pl.Int32))
        .when(pl.col("heading").is_not_null())
        .then(pl.lit(LOST_FILM, pl.Int32))
    )
    nearest = pl.col("film")
    if text.begins is not None:
        nearest = pl.when(nearest.is_null() & text.begins).then(pl.lit(NO_FILM, pl.Int32)).otherwise(nearest)
    return (
        text.frame.with_columns(customer_id=_whole(line.str.head(-ENDING), pl.Int32), ending=ending)
        .with_columns(heading=heading)
        .with_columns(film=film)
        .with_columns(product_id=nearest.forward_fill())
    )


def _film_id(header: pl.Expr) -> pl.Expr:
    return _whole(header.str.head(-1), pl.Int32)


def _ends_header() -> pl.Expr:
    return pl.col("line").str.ends_with(":")


def _is_film_header() -> pl.Expr:
    return _ends_header() & (_film_id(pl.col("line").str.strip_prefix("\ufeff")) > 0).fill_null(False)


def _rating_faults() -> Faults:
    """Why a line that is neither a good rating nor structure was refused."""
    line, is_heading, film = pl.col("line"), pl.col("heading").is_not_null(), pl.col("product_id")
    customer, stars, day = (line.str.split(",").list.get(i, null_on_oob=True) for i in range(3))
    return (
        (Reason.ENCODING, pl.col("undecodable")),
        (Reason.NUL, holds_nul()),
        (Reason.HEADER, line.str.contains(CAPTIONS)),
        (Reason.FIELDS, ~is_heading & (line.str.count_matches(",", literal=True) != 2)),
        (Reason.TRAILING_COMMAS, is_heading & line.str.contains(r",\s*$")),
        (Reason.FILM_HEADER, is_heading),
        (Reason.NO_FILM, film.fill_null(NO_FILM) == NO_FILM),
        (Reason.LOST_FILM, film == LOST_FILM),
        (Reason.UNKNOWN_FILM, film == UNKNOWN_FILM),
        (Reason.CUSTOMER, ~(_whole(customer, pl.Int32) > 0)),
        (Reason.RATING, ~stars.is_in([str(s) for s in STARS])),
        *_day_faults(day),
    )


def _day_faults(day: pl.Expr) -> Faults:
    parsed = _day(day)
    return (
        (Reason.DATE, ~day.str.contains(ISO_DAY) | parsed.is_null()),
        (Reason.OUTSIDE, ~parsed.is_between(FIRST_DAY, LAST_DAY)),
    )


def _day(text: pl.Expr) -> pl.Expr:
    return text.str.to_date("%Y-%m-%d", strict=False, cache=False)


# --- Amazon: amazon_reviews_us_*.tsv ---------------------------------------------------------------------------------


def read_ratings_amazon(files: Sequence[SourceFile], known: Mapping[str, pl.LazyFrame]) -> Parsed:
    """Each file by itself, since each has a header of its own."""
    names = [c.name for c in RATINGS_AMAZON.columns]
    headers = [header_line(file, REVIEWS, KINDS, names, "\t") for file in files]
    parts = [_read_reviews(file, header) for file, header in zip(files, headers, strict=True)]
    rows, rejected, counts = (
        pl.concat(frames) for frames in zip(*((p.rows, p.rejects, p.counts) for p in parts), strict=True)
    )
    return Parsed(rows, rejected, counts.sum())


def _read_reviews(file: SourceFile, header: int) -> Parsed:
    is_structure = (pl.col("index") == header) | is_blank()
    text = read_lines([file])
    columns, faults = _schema(RATINGS_AMAZON), _review_faults()
    fields = pl.col("line").str.split_exact("\t", len(columns) - 1).struct.rename_fields(list(columns))
    lines = text.frame.filter(~is_structure).with_columns(fields.alias("fields"), number=text.number).unnest("fields")
    is_refused = pl.any_horizontal(fault.fill_null(True) for _, fault in faults)
    rows = lines.filter(~is_refused).select(
        _day(pl.col(name)) if dtype == pl.Date else pl.col(name) if dtype == pl.String else _whole(pl.col(name), dtype)
        for name, dtype in columns.items()
    )
    return Parsed(rows, refused(text, lines.filter(is_refused), faults), counted(text.frame, is_structure))


def _review_faults() -> Faults:
    columns, line = _schema(RATINGS_AMAZON), pl.col("line")
    numbers = ("product_parent", "helpful_votes", "total_votes")
    wrong_number = pl.any_horizontal(
        (pl.col(name) != "") & ~(_whole(pl.col(name), columns[name]) >= 0).fill_null(False) for name in numbers
    )
    return (
        (Reason.ENCODING, pl.col("undecodable")),
        (Reason.NUL, holds_nul()),
        (Reason.HEADER, line == "\t".join(columns)),
        (Reason.FIELDS, line.str.count_matches("\t", literal=True) != len(columns) - 1),
        (Reason.REVIEW_ID, pl.col("review_id") == ""),
        (Reason.PRODUCT_ID, pl.col("product_id") == ""),
        (Reason.NUMBER, wrong_number),
        (Reason.CUSTOMER, ~(_whole(pl.col("customer_id"), columns["customer_id"]) >= 0)),
        (Reason.RATING, ~pl.col("star_rating").is_in([str(s) for s in STARS])),
        *_day_faults(pl.col("review_date")),
    )


def _schema(table: Table) -> pl.Schema:
    return table.ibis_schema.to_polars()
