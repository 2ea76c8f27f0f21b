from __future__ import annotations

import ibis
import pyarrow as pa
import pytest

from ratings_platform.studies.market_study.title_keys import title_key

pytestmark = pytest.mark.unit

KEYS = {
    # as it is
    "The Matrix": "the matrix",
    "  The   Matrix ": "the matrix",
    "": "",
    # commas, quotes, ampersands
    "Lights, Camera, Action": "lights camera action",
    'The "Real" Thing': "the real thing",
    "Tom AND Jerry": "tom and jerry",
    "Tom & Jerry": "tom and jerry",
    "Tom &amp; Jerry": "tom and jerry",
    "Tom &amp;amp; Jerry": "tom and jerry",
    "Say &#34;Hi&#34;": "say hi",
    "Rosemary&#39;s Baby": "rosemarys baby",
    "Rosemary’s Baby": "rosemarys baby",
    "AT&T": "at and t",
    "Spider-Man": "spider man",
    "M*A*S*H": "m a s h",
    "a\\b": "a b",
    r"\1 and $1": "1 and 1",
    # letters
    "Amélie": "amelie",
    "AME\u0301LIE": "amelie",
    "Straße": "strasse",
    "Œuvre ﬁlm Æon": "oeuvre film aeon",
    "Łódź Øst": "lodz ost",
    "İstanbul ısı": "istanbul isi",
    "ＦＵＬＬ　Ｗｉｄｔｈ": "full width",
    "Alien³": "alien3",
    "8½": "8 1 2",
    "8 1/2": "8 1 2",
    "ΟΔΟΣ": "οδοσ",
    "οδός": "οδοσ",
    "Ёлки [DVD]": "елки",
    "千と千尋の神隠し (DVD)": "千と千尋の神隠し",
    "हिन्दी": "हिन्दी",
    "New\u00a0York": "new york",
    "Zero\u200bWidth": "zerowidth",
    "V for Vendetta": "v for vendetta",  # v and f at the ends are letters, not blanks
    "vivid stuff of f": "vivid stuff of f",
    # formats and editions
    "The Matrix [VHS]": "the matrix",
    "The Matrix [Blu-ray]": "the matrix",
    "The Matrix (1999)": "the matrix",
    "The Matrix (1999) [DVD]": "the matrix",
    "The Matrix (Widescreen Edition) [VHS]": "the matrix",
    "The Matrix (Two-Disc Special Edition)": "the matrix",
    "The Matrix (2-Disc Set)": "the matrix",
    "The Matrix (Full Screen)": "the matrix",
    "The Matrix (Unrated)": "the matrix",
    "The Matrix (Director's Cut)": "the matrix",
    "The Matrix (Director&#39;s Cut)": "the matrix",
    "The Matrix (25th Anniversary Edition)": "the matrix",
    "The Matrix [Region 2]": "the matrix",
    "The Matrix [HD]": "the matrix",
    "The Matrix {Dubbed}": "the matrix",
    "The Matrix (Blu-ray/DVD Combo + Digital Copy)": "the matrix",
    "The Matrix (Widescreen) Reloaded": "the matrix reloaded",
    # a bracket that says something else
    "The Matrix (Reloaded)": "the matrix reloaded",
    "The Matrix (Special)": "the matrix special",
    "(500) Days of Summer": "500 days of summer",
    "2010 (1984)": "2010",
    "Foo (Season 1 Special Edition)": "foo season 1 special edition",
    "Foo [DVD 2]": "foo dvd 2",
    "Foo (Disc 2)": "foo disc 2",
    # numbers
    "Foo (Part Two)": "foo part 2",
    "Foo Part II": "foo part 2",
    "Foo [Volume 2]": "foo vol 2",
    "Foo Vol. II": "foo vol 2",
    "Foo, Vol.2": "foo vol 2",
    "Friends: Season One": "friends season 1",
    "Friends (Season 1) [DVD]": "friends season 1",
    "Friends: The Complete First Season": "friends season 1",
    "Friends: Season Twelve": "friends season 12",
    "Friends: Season Ten, Vol. XIX": "friends season 10 vol 19",
    "Star Wars: Episode IV - A New Hope": "star wars episode 4 a new hope",
    "Friends: Season 01": "friends season 1",
    "Friends: Season 007, Vol. 08": "friends season 7 vol 8",
    "Friends: Season 0": "friends season 0",
    "Friends: Season 00": "friends season 0",
    "Friends: Season 10": "friends season 10",
    "Friends: Season Twenty": "friends season 20",
    "Friends: Season Twenty-One": "friends season 21",
    "Friends: Season Ninety Nine, Disc Forty": "friends season 99 disc 40",
    "Foo, Volume Thirty-Five, Part Sixty": "foo vol 35 part 60",
    "Season Twenty Onerous": "season 20 onerous",
    "Season Twentyfold": "season twentyfold",
    "Twenty-One": "twenty one",
    "Agent 007": "agent 007",
    "Vol. 0.5": "vol 0 5",
    "Part": "part",
    "Season Onerous": "season onerous",
    "One Two Three": "one two three",
    # nothing would be left
    "???": "???",
    "!": "!",
    "[VHS]": "[vhs]",
    "(1999)": "(1999)",
}
DIFFERENT = [
    ("Rocky", "Rocky II", "Rocky 2", "Rocky III"),
    ("Friends", "Friends Season 1", "Friends Season 2", "Friends Season 12", "Friends Season 1 Vol 2"),
    ("Friends Season", "Friends Season 0", "Friends Season 1", "Friends Season 10", "Friends Season 100"),
    ("Friends Season Twenty", "Friends Season Two", "Friends Season Twenty-Two", "Friends Season Twelve"),
    ("Foo 007", "Foo 07", "Foo 7", "Foo Part 7", "Foo Part 70"),
    ("Foo Twenty One", "Foo 21", "Foo Part 21"),
    ("Foo [DVD 1]", "Foo [DVD 2]", "Foo [DVD]"),
    ("Foo (Part One) [DVD]", "Foo (Part Two) [DVD]", "Foo"),
    ("Foo Vol. 1-3", "Foo Vol. 13"),
    ("Jackass 2.5", "Jackass 25"),
    ("???", "!!!", "[VHS]", "[DVD]", "..."),
    ("千", "神", "हिन्दी", "हिन्द"),
]


@pytest.fixture(scope="module")
def keys_of():
    con = ibis.duckdb.connect()

    def compute(titles: list[str]) -> list[str]:
        table = con.create_table("titles", pa.table({"title": titles}), overwrite=True)
        return con.to_pyarrow(table.select(title=table.title, key=title_key(table.title))).to_pylist()

    return lambda titles: {row["title"]: row["key"] for row in compute(titles)}


def test_each_title_has_its_key(keys_of) -> None:
    assert keys_of(list(KEYS)) == KEYS


@pytest.mark.parametrize("titles", DIFFERENT, ids=lambda titles: titles[0])
def test_other_films_have_other_keys(keys_of, titles: tuple[str, ...]) -> None:
    assert len(set(keys_of(list(titles)).values())) == len(titles)


def test_a_key_is_its_own_key(keys_of) -> None:
    keys = sorted({key for title, key in KEYS.items() if key[:1] not in ("[", "(")})
    assert keys_of(keys) == {key: key for key in keys}


@pytest.mark.parametrize("dialect", ["duckdb", "pyspark"])
def test_keys_compile_where_models_run(dialect: str) -> None:
    titles = ibis.table({"title": "string"}, name="titles")
    sql = str(ibis.to_sql(titles.select(key=title_key(titles.title)), dialect=dialect))
    # What Spark reads otherwise: group references, and the blanks of `strip`.
    assert r"\1" not in sql
    assert "TRIM(" not in sql
