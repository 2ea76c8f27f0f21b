"""Makes the vendors' files: any size, clean or with planted faults, the same bytes for the same arguments.

Belongs here: what the made films, products, customers and ratings look like, the vendors' exact file formats, and
the faults that a vendor file can have. Does not belong here: reading such files (`readers`).
"""

from __future__ import annotations

import unicodedata
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import polars as pl

from ratings_platform.schema.errors import PlatformError
from ratings_platform.studies.market_study.reasons import Reason

# Sizes of the real Netflix data. A smaller sample has fewer films and customers, a larger one only more ratings.
NETFLIX_RATINGS, NETFLIX_FILMS, NETFLIX_CUSTOMERS, NETFLIX_LAST_CUSTOMER = 100_480_507, 17_770, 480_189, 2_649_429
NETFLIX_DAYS = ("1999-11-11", "2005-12-31")
MOVIE_TITLES = "movie_titles.csv"
COMBINED_FILES = {  # first and last film id of each
    "combined_data_1.txt": (1, 4_499),
    "combined_data_2.txt": (4_500, 9_210),
    "combined_data_3.txt": (9_211, 13_367),
    "combined_data_4.txt": (13_368, 17_770),
}
CRLF_FILE = "combined_data_2.txt"  # when dirty
BLANK_LINES = "\n\n"


class AmazonFile(NamedTuple):
    name: str
    category: str
    share: float
    days: tuple[str, str]
    suffixes: tuple[str, ...]


AMAZON_FILES = (
    AmazonFile(
        "amazon_reviews_us_Video_v1_00.tsv",
        "Video",
        0.04,
        ("1995-07-25", "2015-08-31"),
        (" [VHS]", "", " [VHS]", " (1999)", " (Full Screen Edition) [VHS]"),
    ),
    AmazonFile(
        "amazon_reviews_us_Video_DVD_v1_00.tsv",
        "Video DVD",
        0.53,
        ("1998-03-01", "2015-08-31"),
        ("", " (Widescreen Edition)", " [Blu-ray]", " [DVD]", " (1999)", " (Special Edition) [Blu-ray]"),
    ),
    AmazonFile(
        "amazon_reviews_us_Digital_Video_Download_v1_00.tsv",
        "Digital_Video_Download",
        0.43,
        ("2006-09-07", "2015-08-31"),
        ("", "", " [HD]", " (2004)"),
    ),
)
AMAZON_HEADER = (
    "marketplace\tcustomer_id\treview_id\tproduct_id\tproduct_parent\tproduct_title\tproduct_category\tstar_rating\t"
    "helpful_votes\ttotal_votes\tvine\tverified_purchase\treview_headline\treview_body\treview_date\n"
)

_CHUNK = 250_000  # rows made at a time: what bounds the memory

# A line as it is written, and why a reader must refuse it (None: it must not).
Line = tuple[Reason | None, bytes]
Block = pl.DataFrame | list[Line]


class Planted(NamedTuple):
    """How many lines of a file are to be refused for a reason."""

    file: str
    reason: Reason
    rows: int


class _Splice(NamedTuple):
    """Lines that stand after so many rows of a file; at one place, those of lower rank come first."""

    row: int
    rank: int
    lines: list[Line]


def write_sample(
    directory: Path,
    *,
    ratings: int = 200_000,
    seed: int = 1,
    dirty: bool = False,
    netflix: int | None = None,
    amazon: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> list[Planted]:
    """Write all files of both vendors into `directory` and say what faults were planted (none unless `dirty`).

    `ratings` is the sum over both vendors; `netflix` and `amazon` set the one or the other exactly. The clean lines
    of a dirty sample are those of the clean sample with the same numbers and seed. `progress` is told of rows written.
    """
    default_amazon = round(ratings * _amazon_share(ratings))
    netflix = ratings - default_amazon if netflix is None else netflix
    amazon = default_amazon if amazon is None else amazon
    if netflix < 0 or amazon < 0:
        raise PlatformError("the number of ratings is negative", remedy="Ask for a number from 0.")
    directory.mkdir(parents=True, exist_ok=True)
    writer = _Writer(directory, dirty, progress or (lambda rows: None))
    films = _make_films(netflix, seed)
    _write_titles(writer, films)
    _write_netflix(writer, films, netflix, seed)
    _write_amazon(writer, films, amazon, seed)
    return writer.planted


def _amazon_share(ratings: int) -> float:
    """A fifth of a small sample, so that Amazon has something to tell; near the real share of a large one."""
    return min(0.2, max(0.04, 0.2 * (200_000 / max(ratings, 1)) ** 0.25))


def _rng(seed: int, *purpose: int) -> np.random.Generator:
    """Each file draws from its own stream: no file depends on how many rows another has."""
    return np.random.default_rng([seed, *purpose])


class _Writer:
    """Writes files block by block, with faults spliced in if dirty, and keeps count of these."""

    def __init__(self, directory: Path, dirty: bool, progress: Callable[[int], None]):
        self.directory, self.dirty, self.progress = directory, dirty, progress
        self.planted: list[Planted] = []

    def write(
        self,
        name: str,
        blocks: Iterable[Block],
        faults: Iterable[_Splice],
        *,
        separator: str = ",",
        end: str = "\n",
        head: str = "",
        tail: str = "",
    ) -> None:
        found: Counter[Reason | None] = Counter()
        with (self.directory / name).open("wb") as file:
            file.write(head.encode())
            for block in _splice(blocks, faults if self.dirty else ()):
                if isinstance(block, list):
                    found.update(reason for reason, _ in block)
                    file.writelines(line + end.encode() for _, line in block)
                else:
                    block.write_csv(
                        file, include_header=False, separator=separator, quote_style="never", line_terminator=end
                    )
                    self.progress(len(block))
            file.write(tail.encode())
        self.planted += [Planted(name, reason, found[reason]) for reason in Reason if found[reason]]


def _splice(blocks: Iterable[Block], splices: Iterable[_Splice]) -> Iterator[Block]:
    queue = deque(sorted(splices, key=lambda splice: (splice.row, splice.rank)))
    before = 0
    for block in blocks:
        start = 0
        while queue and queue[0].row < before + len(block):
            cut = queue[0].row - before
            yield block[start:cut]
            yield queue.popleft().lines
            start = cut
        yield block[start:]
        before += len(block)
    yield from (splice.lines for splice in queue)


# Films and their titles


@dataclass(frozen=True)
class _Films:
    """Netflix's films in the order of their ids."""

    ids: np.ndarray
    titles: list[str]
    years: list[str]
    ratings: np.ndarray  # how many each film gets


_WORDS = {
    kind: words.split()
    for kind, words in {
        "onset": "B Br C Cr D Dr F G Gr H J K L M N P Qu R S Sh T Th Tr V W Z",
        "middle": "an ar el en il or un av eld ind ost urn all ess im ov",
        "ending": "a o ia eth wyn ock ard is une ora ell in ow ist",
        "adjective": "Last Silent Golden Broken Secret Long Crooked Second Burning Hollow Quiet Distant Paper Winter",
        "noun": "River Empire Summer Station Garden Highway Voyage Kingdom Letter Harbor Orchard Witness Circus "
        "Lantern Island Promise Detective Mountain Wedding Bridge Comet Library",
        "review": "great movie the a bad plot actor loved it dvd quality series season watch again not very good scene "
        "music café acting was and my kids would recommend slow ending story of to this is I&#39;d "
        '| "wow" \\ 5" &#34;classic&#34;',
    }.items()
}
_PATTERNS = (
    "{name}",
    "{name}'s {noun}",
    "The {adjective} {noun} of {name}",
    "{noun} of {name}",
    "{name} and the {adjective} {noun}",
    "{name} & {other}",
    "Return to {name}",
    "The {name} {noun}",
    "{name} and {other}",
    "{adjective} {name}",
    "{name}: The {adjective} {noun}",
    "A {noun} for {name}",
)
_COMMA_PATTERNS = ("{name}, {other} and the {noun}", "Farewell, {name}", "{noun}, {noun}, {name}", "{name}, Jr.")
_ACCENT_PATTERNS = ("Café {name}", "Señor {name}", "Die Brücke von {name}", "Les Élèves de {name}", "Façade: {name}")
_QUOTE_PATTERNS = ('The "{name}" {noun}', '{name}: 12" {noun}')
_SERIES = ((" 2", " 3"), (": Season 1", ": Season 2"), (": Vol. 2", ": Vol. 3"), (" II", " III"))


def _word(kind: str, draw: int) -> str:
    return _WORDS[kind][draw % len(_WORDS[kind])]


def _name(draw: int) -> str:
    """A pronounceable made-up word."""
    second = _word("middle", draw >> 15) if draw >> 19 & 3 == 0 else ""
    return _word("onset", draw) + _word("middle", draw >> 5) + second + _word("ending", draw >> 10)


def _title(patterns: Sequence[str], draws: Sequence[int]) -> str:
    pattern, name, other, adjective, noun = draws[:5]
    return patterns[pattern % len(patterns)].format(
        name=_name(name), other=_name(other), adjective=_word("adjective", adjective), noun=_word("noun", noun)
    )


def _draws(rng: np.random.Generator, rows: int) -> Iterator[list[int]]:
    for start in range(0, rows, 10_000):
        yield from rng.integers(0, 2**31, (min(10_000, rows - start), 6)).tolist()


def _netflix_titles(count: int, rng: np.random.Generator) -> list[str]:
    """About 2 % with commas, 2 % repeated, a sixth in series, few with bare quotes; the smallest sample has each."""
    titles: list[str] = []
    for i, draws in enumerate(_draws(rng, count)):
        if i % 50 == 30:
            titles.append(titles[i - 20])
        elif i % 12 in (8, 9):
            titles.append(titles[i - i % 12 + 7] + _SERIES[i // 12 % len(_SERIES)][i % 12 - 8])
        elif i % 47 == 5:
            titles.append(_title(_COMMA_PATTERNS, draws))
        elif i % 89 == 13:
            titles.append(_title(_ACCENT_PATTERNS, draws))
        elif i % 2_500 == 12:
            titles.append(_title(_QUOTE_PATTERNS, draws))
        else:
            titles.append(_title(_PATTERNS, draws))
    return titles


def _netflix_years(count: int, rng: np.random.Generator) -> list[str]:
    years = (2005 - 90 * rng.random(count) * rng.random(count) ** 2).astype(int).astype(str).tolist()
    for i in range(30, count, 100):  # every other repeated title is of the same year
        years[i] = years[i - 20]
    for i in range(17, count, 2_500):
        years[i] = "NULL"
    return years


def _make_films(ratings: int, seed: int) -> _Films:
    rng, scale = _rng(seed, 0), min(1.0, ratings / NETFLIX_RATINGS)
    count = max(40, round(NETFLIX_FILMS * scale**0.4))
    most = _customer_count(ratings) // 2
    if ratings > count * most:
        raise PlatformError(
            f"{ratings} ratings are more than {most} for each of {count} films",
            remedy=f"Ask for at most {count * most} Netflix ratings.",
        )
    popularity = rng.permutation(1 / (np.linspace(0, 1, count) + 0.025) ** 2)
    return _Films(
        ids=np.sort(rng.choice(NETFLIX_FILMS, count, replace=False)) + 1,
        titles=_netflix_titles(count, rng),
        years=_netflix_years(count, rng),
        ratings=_apportion(ratings, popularity, most),
    )


def _customer_count(ratings: int) -> int:
    return max(50, round(NETFLIX_CUSTOMERS * min(1.0, ratings / NETFLIX_RATINGS) ** 0.6))


def _apportion(total: int, weights: np.ndarray, most: int) -> np.ndarray:
    """Whole numbers in proportion to the weights that sum to the total; those above `most` pass the excess on."""
    shares = weights * (total / weights.sum())
    while (excess := np.maximum(shares - most, 0).sum()) > 0.5:
        shares = np.minimum(shares, most)
        room = np.where(shares < most, weights, 0)
        shares += room * (excess / room.sum())
    bounds = np.rint(np.cumsum(shares)).astype(np.int64)
    bounds[-1] = total
    return np.diff(bounds, prepend=0)


def _write_titles(writer: _Writer, films: _Films) -> None:
    rows = zip(films.ids.tolist(), films.years, films.titles, strict=True)
    lines: list[Line] = [(None, f"{film},{year},{title}".encode("latin-1")) for film, year, title in rows]
    faults = _title_faults(int(films.ids[0]))
    spread = [_Splice(1 + i * len(lines) // len(faults), 0, [fault]) for i, fault in enumerate(faults)]
    writer.write(MOVIE_TITLES, [lines], [_Splice(0, 0, [(Reason.HEADER, b"id,year,title")]), *spread])


def _title_faults(known_film: int) -> list[Line]:
    """The ids are above those of the films, but for the duplicates."""
    return [
        (Reason.FIELDS, b"20001,1999"),
        (Reason.FIELDS, b"20002"),
        (Reason.NUL, b"20012,1999,Broken\0 Off"),
        (Reason.TRAILING_COMMAS, b"20003,1999,The Padded Bralia,,,"),
        (Reason.TRAILING_COMMAS, b"20004,NULL,Padded Bralia 2,,"),
        (Reason.FILM_ID, b"x20005,1999,Broven's Number"),
        (Reason.FILM_ID, b"0,1999,Zero of Broven"),
        (Reason.FILM_ID, b",1999,Broven Unnumbered"),
        (Reason.RELEASE_YEAR, b"20006,19x9,Year of Crilora"),
        (Reason.RELEASE_YEAR, b"20007,,Crilora Undated"),
        (Reason.NO_TITLE, b"20008,1999,"),
        (Reason.NO_TITLE, b"20009,NULL,"),
        (Reason.GARBLED_TITLE, b"20010,1999,Caf\xef\xbf\xbd Drelia"),  # U+FFFD, saved as UTF-8
        (Reason.GARBLED_TITLE, b"20011,1999,Caf\x8e Drelia"),  # MacRoman
        (Reason.DUPLICATE_FILM, b"%d,2001,Second Thovia" % known_film),
        (Reason.DUPLICATE_FILM, b"%d,NULL,Third Thovia" % known_film),
    ]


# Netflix's ratings


def _write_netflix(writer: _Writer, films: _Films, ratings: int, seed: int) -> None:
    rng = _rng(seed, 1)
    count = _customer_count(ratings)
    customers = pl.Series((rng.choice(NETFLIX_LAST_CUSTOMER, count, replace=False) + 1).astype(str))
    for number, (name, (first, last)) in enumerate(COMBINED_FILES.items()):
        chosen = (films.ids >= first) & (films.ids <= last) & (films.ratings > 0)
        ids, ratings_of = films.ids[chosen], films.ratings[chosen]
        end = "\r\n" if writer.dirty and name == CRLF_FILE else "\n"
        writer.write(
            name,
            _netflix_blocks(ids, ratings_of, customers, end, _rng(seed, 2, number)),
            _netflix_faults(ratings_of),
            end=end,
            tail=BLANK_LINES if number == len(COMBINED_FILES) - 1 else "",
        )


def _netflix_blocks(
    ids: np.ndarray, ratings: np.ndarray, customers: pl.Series, end: str, rng: np.random.Generator
) -> Iterator[pl.DataFrame]:
    """Whole films, about a chunk of ratings at a time: customer, and stars with day."""
    days = np.arange(NETFLIX_DAYS[0], np.datetime64(NETFLIX_DAYS[1]) + 1, dtype="datetime64[D]")
    stars_and_day = pl.Series([f"{stars},{day}" for stars in range(1, 6) for day in days.astype(str)])
    quality = rng.normal(3.5, 0.45, len(ids)).astype(np.float32)
    first_day = (rng.random(len(ids)) ** 2 * 0.6 * len(days)).astype(np.int32)
    before = np.cumsum(ratings) - ratings
    for group in np.split(np.arange(len(ids)), np.flatnonzero(np.diff(before // _CHUNK)) + 1):
        if not len(group):
            continue
        film = np.repeat(group, ratings[group])
        firsts = before[group] - before[group[0]]
        customer = _distinct_customers(ratings[group], len(customers), rng)
        # The header line of a film stands in front of its first customer.
        heads = [f"{ids[f]}:{end}{customers[c]}" for f, c in zip(group, customer[firsts].tolist(), strict=True)]
        customer[firsts] = len(customers) + np.arange(len(group))
        day = _days(first_day[film], len(days), rng, steep=True)
        yield pl.DataFrame(
            {
                "customer": pl.concat([customers, pl.Series(heads)], rechunk=True).gather(customer),
                "stars_and_day": stars_and_day.gather((_stars(quality[film], rng) - 1) * len(days) + day),
            }
        )


def _distinct_customers(ratings: np.ndarray, customers: int, rng: np.random.Generator) -> np.ndarray:
    """For each film as many different customers as it has ratings; those of low number far more often."""
    film = np.repeat(np.arange(len(ratings)), ratings)
    of_film = ratings[film]
    row = np.arange(len(film))
    first = (np.cumsum(ratings) - ratings)[film]
    place = row - first
    # One draw from each of as many equal slices of (0, 1) is in order already; a customer drawn twice becomes the next.
    # Single precision keeps every draw below 1 when it is added to a place, so that each number is below `customers`.
    draw = (place + rng.random(len(film), dtype=np.float32)) / of_film
    number = (draw * draw * draw * customers).astype(np.int64)
    gap = 2 * (customers + len(film))  # keeps the films apart
    number = np.maximum.accumulate(number + film * gap - row) + row - film * gap
    # A prime step goes round all places of a film, so that the busiest customers do not always come first.
    return number[first + place * 7_368_787 % of_film]


def _days(first: np.ndarray, count: int, rng: np.random.Generator, *, steep: bool = False) -> np.ndarray:
    """Day numbers from `first` to below `count`, ever more towards the end; one at least is the last day."""
    share = np.sqrt(rng.random(first.size, dtype=np.float32))
    if steep:
        share = np.sqrt(share)
    day = np.minimum(first + (share * (count - first)).astype(np.int32), count - 1)
    day[0] = count - 1
    return day


_NORMAL = np.array([NormalDist().inv_cdf((i + 0.5) / 256) for i in range(256)], dtype=np.float32)


def _stars(quality: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    noise = _NORMAL[rng.integers(0, 256, quality.size, dtype=np.uint8)]
    return np.clip(np.rint(quality + np.float32(1.1) * noise), 1, 5).astype(np.int32)


def _netflix_faults(ratings: np.ndarray) -> list[_Splice]:
    """Bad rows after the first rating of a film, bad headers at the end of its block: they spoil no clean row."""
    splices = [_Splice(0, 0, [(Reason.NO_FILM, b"1488844,3,2005-09-06"), (Reason.NO_FILM, b"822109,5,2005-05-13")])]
    ends = np.cumsum(ratings).tolist()
    # The last block is left out: a good header follows every bad one.
    for number, film in enumerate(_spread(len(ends) - 1, _rounds(ratings.sum()))):
        first = ends[film] - int(ratings[film]) + 1
        splices += [_Splice(first, 1, _NETFLIX_ROW_FAULTS), _Splice(ends[film], 2, _film_faults(number))]
    return splices


def _rounds(rows: int) -> int:
    """How often each fault is planted in a file; most reasons have two faults or more."""
    return 1 + int(rows) // 200_000


def _spread(places: int, rounds: int) -> list[int]:
    return [i * places // rounds for i in range(rounds)] if places > 0 else []


_NETFLIX_ROW_FAULTS: list[Line] = [
    (Reason.NUL, b"885013,4,2005-\0\0-19"),
    (Reason.FIELDS, b"885013,4"),
    (Reason.FIELDS, b"885013"),
    (Reason.FIELDS, b"885013,4,2005-10-19,1"),
    (Reason.CUSTOMER, b"x30878,4,2005-12-26"),
    (Reason.CUSTOMER, b",4,2005-12-26"),
    (Reason.RATING, b"823519,0,2004-05-03"),
    (Reason.RATING, b"823519,6,2004-05-03"),
    (Reason.RATING, b"823519,x,2004-05-03"),
    (Reason.RATING, b"823519,,2004-05-03"),
    (Reason.DATE, b"893988,3,2005-02-30"),
    (Reason.DATE, b"893988,3,2005-13-01"),
    (Reason.DATE, b"893988,3,"),
    (Reason.OUTSIDE, b"124105,4,1994-12-31"),
    (Reason.OUTSIDE, b"124105,4,2016-01-01"),
]


def _film_faults(number: int) -> list[Line]:
    return [
        (Reason.FILM_HEADER, b"12x:"),
        (Reason.LOST_FILM, b"1248029,3,2004-04-22"),
        (Reason.LOST_FILM, b"1842128,4,2004-05-09"),
        (Reason.FILM_HEADER, b"0:"),
        (Reason.LOST_FILM, b"2238063,3,2005-05-11"),
        (None, b"%d:" % (30_001 + number)),
        (Reason.UNKNOWN_FILM, b"1503895,4,2005-05-19"),
        (Reason.UNKNOWN_FILM, b"2207774,5,2005-06-06"),
    ]


# Amazon's reviews

_AMAZON_CUSTOMERS = 53_000_001  # the customer ids lie in a range of this size
_ID_CHARS = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"[:32]
_BODIES, _HEADLINES = 5_000, 2_000


@dataclass(frozen=True)
class _Products:
    """The products of one Amazon file, the most popular first."""

    ids: pl.Series
    titles: pl.Series  # the usual title of each product, then the other ones
    other_title: np.ndarray  # of each product: a row of `titles`


def _write_amazon(writer: _Writer, films: _Films, reviews: int, seed: int) -> None:
    rng = _rng(seed, 3)
    bodies, headlines = _texts(_BODIES, 5, 50, rng), _texts(_HEADLINES, 1, 6, rng)
    bounds = np.rint(np.cumsum([0, *(file.share for file in AMAZON_FILES)]) * reviews).astype(int).tolist()
    for number, (file, start, stop) in enumerate(zip(AMAZON_FILES, bounds, bounds[1:], strict=False)):
        rows, rng = stop - start, _rng(seed, 4, number)
        products = _make_products(number, min(150_000, max(10, rows // 15)), films, rng)
        chunks = (
            _reviews(file, products, range(first, min(first + _CHUNK, stop)), reviews, headlines, bodies, rng)
            for first in range(start, stop, _CHUNK)
        )
        writer.write(
            file.name,
            chunks,
            _amazon_faults(file, number, rows),
            separator="\t",
            head=AMAZON_HEADER,
            tail=BLANK_LINES,
        )


def _texts(count: int, shortest: int, longest: int, rng: np.random.Generator) -> pl.Series:
    lengths = rng.integers(shortest, longest, count)
    words = cycle(_word("review", draw) for draw in rng.integers(0, 2**31, 50_021).tolist())
    return pl.Series([" ".join(islice(words, int(n))).replace("|", "<br />") for n in lengths[1:]] + [""])


def _make_products(number: int, count: int, films: _Films, rng: np.random.Generator) -> _Products:
    suffixes = AMAZON_FILES[number].suffixes
    titles: list[str] = []
    other_titles: list[str] = []
    others = np.arange(count)
    for i, draws in enumerate(_draws(rng, count)):
        shared = i % 3 == 0
        title = _respelt(films.titles[draws[0] % len(films.titles)], draws[1]) if shared else _title(_PATTERNS, draws)
        titles.append(title + suffixes[draws[5] % len(suffixes)])
        if i % 20 == 3:
            others[i] = count + len(other_titles)
            other_titles.append(title + suffixes[(draws[5] + 1) % len(suffixes)])
    ids = [_product_id(number, i) for i in range(count)]
    if number == 1:  # ids that Netflix uses too
        ids[1], ids[2] = str(films.ids[0]), str(films.ids[-1])
    return _Products(pl.Series(ids), pl.Series(titles + other_titles), others)


def _respelt(title: str, draw: int) -> str:
    """A Netflix title as Amazon might spell it."""
    match draw % 6:
        case 0:
            return title.replace(" & ", " and ") if " & " in title else title.replace(" and ", " & ")
        case 1:
            return "".join(c for c in unicodedata.normalize("NFKD", title) if not unicodedata.combining(c))
        case 2:
            return title.replace(": Season ", " - Season ").replace(": Vol. ", ", Volume ")
        case _:
            return title


def _product_id(number: int, product: int) -> str:
    match product % 4:
        case 0:
            return f"0{number}{product:07d}X"
        case 1:
            return f"0{number}{product:08d}"
        case _:
            return f"B00{number}{product:06d}"


def _reviews(
    file: AmazonFile,
    products: _Products,
    numbers: range,
    reviews: int,
    headlines: pl.Series,
    bodies: pl.Series,
    rng: np.random.Generator,
) -> pl.DataFrame:
    """The reviews of these numbers; a number is of one review only, over all files."""
    rows = len(numbers)
    days = np.arange(file.days[0], np.datetime64(file.days[1]) + 1, dtype="datetime64[D]")
    product = _skewed(len(products.ids), rows, rng)
    customer = _skewed(max(10, reviews // 3), rows, rng)
    quality = 4.2 + 0.8 * _NORMAL[product * 97 % 256]
    title = np.where(rng.random(rows) < 0.3, products.other_title[product], product)
    votes = (20 * rng.random(rows) ** 2 * rng.random(rows)).astype(np.int32)
    return pl.DataFrame(
        {
            "marketplace": pl.repeat("US", rows, eager=True),
            "customer_id": 10_001 + customer * 1_000_003 % _AMAZON_CUSTOMERS,
            "review_id": _review_ids(np.arange(numbers.start, numbers.stop)),
            "product_id": products.ids.gather(product),
            "product_parent": 1 + product * 7_368_787 % 999_999_937,
            "product_title": products.titles.gather(title),
            "product_category": pl.repeat(file.category, rows, eager=True),
            "star_rating": _stars(quality, rng),
            "helpful_votes": (votes * rng.random(rows)).astype(np.int32),
            "total_votes": votes,
            "vine": pl.Series(["N", "Y"]).gather((rng.random(rows) < 0.01).astype(np.uint32)),
            "verified_purchase": pl.Series(["N", "Y"]).gather((rng.random(rows) < 0.7).astype(np.uint32)),
            "review_headline": headlines.gather(rng.integers(0, len(headlines), rows)),
            "review_body": bodies.gather(rng.integers(0, len(bodies), rows)),
            "review_date": pl.Series(days.astype(str)).gather(_days(np.zeros(rows, np.int32), len(days), rng)),
        }
    )


def _skewed(count: int, rows: int, rng: np.random.Generator) -> np.ndarray:
    """Numbers below `count`, the low ones far more often."""
    return (rng.random(rows) ** 2 * count).astype(np.int64)


def _review_ids(numbers: np.ndarray) -> pl.Series:
    """Eight characters of 5 bits each; multiplying by an odd number shuffles the ids and keeps them different."""
    codes = numbers * 0x5DEECE66D & (2**40 - 1)
    chars = np.frombuffer(_ID_CHARS.encode(), np.uint8)
    text = chars[codes[:, None] >> np.arange(0, 40, 5) & 31]
    return pl.Series("R1" + pl.Series(text.view("S8").ravel().astype(str)))


def _amazon_faults(file: AmazonFile, number: int, rows: int) -> list[_Splice]:
    places = _spread(rows, _rounds(rows))
    splices = [_Splice(place + 1, 0, _review_faults(file, f"{number}{i:06d}")) for i, place in enumerate(places)]
    encoding: list[Line] = [(Reason.ENCODING, _review(file, f"{number}ENCODING").replace(b"Planted", b"Plant\xe9"))]
    return [*splices, _Splice(1, 1, encoding)] if splices else []


def _review(file: AmazonFile, number: str, **changes: str) -> bytes:
    fields = {
        "marketplace": "US",
        "customer_id": "53096384",
        "review_id": f"RF{number}",
        "product_id": "B00PLANTED",
        "product_parent": "20109974",
        "product_title": "Planted",
        "product_category": file.category,
        "star_rating": "5",
        "helpful_votes": "0",
        "total_votes": "0",
        "vine": "N",
        "verified_purchase": "Y",
        "review_headline": 'An "unbalanced',
        "review_body": "quote<br />",
        "review_date": "2014-08-31",
    }
    return "\t".join((fields | changes).values()).encode()


def _review_faults(file: AmazonFile, place: str) -> list[Line]:
    changes: list[tuple[Reason, dict[str, str]]] = [
        (Reason.NUL, {"review_body": "a \0 inside"}),
        (Reason.FIELDS, {"review_body": "a tab\tinside"}),
        (Reason.FIELDS, {"a_16th": "2014-08-31"}),
        (Reason.REVIEW_ID, {"review_id": ""}),
        (Reason.REVIEW_ID, {"review_id": "", "vine": "Y"}),
        (Reason.PRODUCT_ID, {"product_id": ""}),
        (Reason.PRODUCT_ID, {"product_id": "", "vine": "Y"}),
        (Reason.NUMBER, {"product_parent": "2010997x"}),
        (Reason.NUMBER, {"helpful_votes": "many"}),
        (Reason.NUMBER, {"total_votes": "1.5"}),
        (Reason.CUSTOMER, {"customer_id": "x53096384"}),
        (Reason.CUSTOMER, {"customer_id": ""}),
        *((Reason.RATING, {"star_rating": stars}) for stars in ("0", "6", "x", "")),
        *((Reason.DATE, {"review_date": day}) for day in ("2015-02-30", "2015-13-01", "")),
        *((Reason.OUTSIDE, {"review_date": day}) for day in ("1994-12-31", "2016-01-01")),
    ]
    faults: list[Line] = [(r, _review(file, f"{place}{i:02d}", **change)) for i, (r, change) in enumerate(changes)]
    fourteen = _review(file, f"{place}14").rpartition(b"\t")[0]
    return [(Reason.FIELDS, fourteen), *faults]
