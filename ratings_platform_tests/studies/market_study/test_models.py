from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import ibis
import pyarrow as pa
import pytest

from ratings_platform.schema.models import Model
from ratings_platform.schema.scans import stored_sql
from ratings_platform.schema.tables import Table
from ratings_platform.studies.market_study import tables as t
from ratings_platform.studies.market_study.models import GOLD, SILVER
from ratings_platform_tests.studies.market_study import oracle

pytestmark = pytest.mark.unit

TABLES = {table.name: table for table in (*t.BRONZE, *t.SILVER, *t.GOLD)}
MODELS = {model.table.name: model for model in (*SILVER, *GOLD)}
DUCKDB_TYPES = {"string": "VARCHAR", "int64": "BIGINT", "int32": "INTEGER", "int8": "TINYINT", "date": "DATE"} | {
    "boolean": "BOOLEAN"
}
Rows = Sequence[Mapping[str, Any]]

FILMS: Rows = [
    {"product_id": 1, "year": 1999, "title": "Lights, Camera, Action"},
    {"product_id": 2, "year": None, "title": "Tom AND Jerry"},
    {"product_id": 3, "year": 1976, "title": "Rocky"},
    {"product_id": 30, "year": 1979, "title": "Rocky II"},
    {"product_id": 12, "year": 2004, "title": "Friends: Season 1"},
]
STARS: Rows = [
    {"product_id": 1, "customer_id": 7, "star_rating": 5, "review_date": date(2005, 12, 31)},
    {"product_id": 1, "customer_id": 7, "star_rating": 5, "review_date": date(2005, 12, 31)},
    {"product_id": 3, "customer_id": 2_649_429, "star_rating": 1, "review_date": date(2004, 2, 29)},
    {"product_id": 30, "customer_id": 8, "star_rating": 3, "review_date": date(1999, 1, 1)},
]


def review(product: str, title: str, stars: int = 4, day: date = date(2010, 1, 2), customer: int = 7) -> dict[str, Any]:
    return {
        "marketplace": "US",
        "customer_id": customer,
        "review_id": "R1",
        "product_id": product,
        "product_title": title,
        "product_category": "Video DVD",
        "star_rating": stars,
        "review_date": day,
    }


REVIEWS: Rows = [
    review("1", "Tom & Jerry [VHS]"),  # Netflix has another film under this id
    review("003", "rocky [DVD]"),
    review("003", "Rocky [DVD]", 1, date(2015, 8, 31)),
    review("003", "Éclair"),
    review("3X", "Common", customer=50_000_000_000),
    review("3X", "Common"),
    review("3X", "Annotated"),
    review("9", "beta"),
    review("9", "Zeta"),
]


def compute(model: str, **rows: Rows) -> list[dict[str, Any]]:
    """The model's rows, computed by DuckDB from these rows of its inputs."""
    con = ibis.duckdb.connect()
    for name in MODELS[model].inputs:
        con.create_table(name, pa.Table.from_pylist(list(rows.get(name, [])), schema=TABLES[name].arrow_schema))
    return con.to_pyarrow(MODELS[model].expression(TABLES, {})).to_pylist()


def values(rows: Rows, *columns: str) -> list[tuple]:
    return [tuple(row[c] for c in columns) for row in rows]


def keys_of(rows: Rows) -> dict[tuple[str, str], int]:
    return {(row["company"], row["product_id"]): row["product_key"] for row in rows}


# --- silver -----------------------------------------------------------------------------------------------------


def test_movies_equal_those_of_the_oracle() -> None:
    found = values(
        compute("movies", movies_netflix=FILMS, ratings_amazon=REVIEWS),
        *("company", "product_id", "year_released", "title"),
    )
    assert len(found) == len(FILMS) + 4
    assert set(found) == oracle.movies(FILMS, REVIEWS)


@pytest.mark.parametrize(
    ("product", "title", "key"),
    [
        (("Netflix", "1"), "Lights, Camera, Action", "lights camera action"),
        (("Amazon", "1"), "Tom & Jerry [VHS]", "tom and jerry"),
        (("Netflix", "2"), "Tom AND Jerry", "tom and jerry"),
        (("Amazon", "003"), "Rocky [DVD]", "rocky"),  # three titles once each: R before r before É
        (("Amazon", "3X"), "Common", "common"),  # the most frequent one, though not the first in the alphabet
        (("Amazon", "9"), "Zeta", "zeta"),  # capitals come first
        (("Netflix", "30"), "Rocky II", "rocky ii"),
        (("Netflix", "12"), "Friends: Season 1", "friends season 1"),
    ],
)
def test_movies_titles(product: tuple[str, str], title: str, key: str) -> None:
    found = compute("movies", movies_netflix=FILMS, ratings_amazon=REVIEWS)
    row = next(r for r in found if (r["company"], r["product_id"]) == product)
    assert (row["title"], row["title_key"]) == (title, key)


def test_ratings_equal_those_of_the_oracle() -> None:
    found = compute("ratings", ratings_netflix=STARS, ratings_amazon=REVIEWS)
    columns = ("product_id", "customer_id", "star_rating", "review_date", "company", "year")
    assert sorted(values(found, *columns)) == oracle.ratings(STARS, REVIEWS)


@pytest.mark.parametrize("model", ["movies", "ratings", "product_keys", "dim_product", "fact_rating"])
def test_empty_inputs_give_empty_tables(model: str) -> None:
    assert compute(model) == []


def test_one_vendor_alone() -> None:
    assert {r["company"] for r in compute("movies", ratings_amazon=REVIEWS)} == {"Amazon"}
    assert {r["company"] for r in compute("movies", movies_netflix=FILMS)} == {"Netflix"}
    assert len(compute("ratings", ratings_netflix=STARS)) == len(STARS)


# --- gold: product keys -----------------------------------------------------------------------------------------


def test_product_keys_are_numbered_by_company_and_id() -> None:
    movies = compute("movies", movies_netflix=FILMS, ratings_amazon=REVIEWS)
    found = keys_of(compute("product_keys", movies=movies))
    assert found == oracle.product_keys({(m["company"], m["product_id"]) for m in movies}, {})
    assert found["Amazon", "003"] == 1  # text order: "003" < "1" < "3X" < "9"
    assert sorted(found.values()) == list(range(1, len(movies) + 1))


def test_product_keys_stay_when_files_are_added() -> None:
    few = compute("movies", movies_netflix=FILMS[2:], ratings_amazon=REVIEWS[3:])
    before = compute("product_keys", movies=few)
    more = compute("movies", movies_netflix=FILMS, ratings_amazon=REVIEWS)
    after = compute("product_keys", movies=more, product_keys=before)
    assert keys_of(before).items() <= keys_of(after).items()
    assert keys_of(after) == oracle.product_keys({(m["company"], m["product_id"]) for m in more}, keys_of(before))
    assert min(k for p, k in keys_of(after).items() if p not in keys_of(before)) == len(before) + 1
    assert keys_of(compute("product_keys", movies=more, product_keys=after)) == keys_of(after)


def test_product_keys_outlive_their_product() -> None:
    """A key is never given twice, not even when its product is gone from the files."""
    movies = compute("movies", movies_netflix=FILMS)
    before = compute("product_keys", movies=movies)
    after = compute("product_keys", movies=movies[:1], product_keys=before)
    assert keys_of(after) == keys_of(before)


def test_new_product_keys_follow_the_greatest_one() -> None:
    known = [{"product_key": 41, "company": "Netflix", "product_id": "3"}]
    found = keys_of(compute("product_keys", movies=compute("movies", movies_netflix=FILMS), product_keys=known))
    assert found["Netflix", "3"] == 41
    assert sorted(found.values()) == [41, 42, 43, 44, 45]


# --- gold: the star ---------------------------------------------------------------------------------------------


def test_the_star_keeps_every_rating() -> None:
    movies = compute("movies", movies_netflix=FILMS, ratings_amazon=REVIEWS)
    ratings = compute("ratings", ratings_netflix=STARS, ratings_amazon=REVIEWS)
    keys = compute("product_keys", movies=movies)
    dim_product = compute("dim_product", movies=movies, product_keys=keys)
    facts = compute("fact_rating", ratings=ratings, dim_product=dim_product)

    assert len(dim_product) == len(movies)
    assert {(p["company"], p["product_id"]): p["product_key"] for p in dim_product} == keys_of(keys)
    want = sorted(
        (
            keys_of(keys)[r["company"], r["product_id"]],
            int(f"{r['review_date']:%Y%m%d}"),
            r["customer_id"],
            r["star_rating"],
            r["year"],
        )
        for r in ratings
    )
    assert sorted(values(facts, "product_key", "time_key", "customer_id", "star_rating", "year")) == want


# --- gold: time -------------------------------------------------------------------------------------------------


def test_dim_time_equals_that_of_the_oracle() -> None:
    found = compute("dim_time")
    assert len(found) == 7670
    assert sorted(values(found, *t.DIM_TIME.ibis_schema)) == oracle.dim_time(1995, 2015)


@pytest.mark.parametrize(
    ("day", "want"),
    [
        (date(1995, 1, 1), (19950101, 1, 1, "January", "Jan", 1, "Sunday", "Sun", True)),
        (date(2000, 2, 29), (20000229, 1, 1, "February", "Feb", 3, "Tuesday", "Tue", False)),
        (date(2004, 6, 30), (20040630, 1, 2, "June", "Jun", 4, "Wednesday", "Wed", False)),
        (date(2005, 7, 1), (20050701, 2, 3, "July", "Jul", 6, "Friday", "Fri", False)),
        (date(2005, 12, 31), (20051231, 2, 4, "December", "Dec", 7, "Saturday", "Sat", True)),
        (date(2015, 12, 31), (20151231, 2, 4, "December", "Dec", 5, "Thursday", "Thu", False)),
    ],
)
def test_dim_time_days(day: date, want: tuple) -> None:
    row = next(r for r in compute("dim_time") if r["date"] == day)
    columns = ("time_key", "semester", "quarter", "month_name", "month_abbr")
    assert values([row], *columns, "day_of_week", "day_name", "day_abbr", "is_weekend") == [want]


def test_dim_time_has_the_leap_days_and_no_others() -> None:
    days = {r["time_key"] for r in compute("dim_time")}
    assert {d for d in days if d % 10_000 == 229} == {19960229, 20000229, 20040229, 20080229, 20120229}


# --- all of them ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_the_engine_gives_the_declared_types(model: Model) -> None:
    """Of what the files hold."""
    con = ibis.duckdb.connect()
    for name in model.inputs:
        con.create_table(name, schema=TABLES[name].ibis_schema)
    sql = str(ibis.to_sql(model.expression(TABLES, {}), dialect="duckdb"))
    stored = [(name, kind) for name, kind, *_ in con.raw_sql(f"describe {stored_sql(sql, model.table)}").fetchall()]
    assert stored == [(c.name, DUCKDB_TYPES[c.type]) for c in model.table.columns]


@pytest.mark.parametrize("dialect", ["duckdb", "pyspark"])
@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_models_compile_for_both_engines(model: Model, dialect: str) -> None:
    _ = ibis.pyspark  # registers the options that its compiler reads
    assert "SELECT" in str(ibis.to_sql(model.expression(TABLES, {}), dialect=dialect))


def test_every_silver_and_gold_table_has_its_model() -> None:
    def names(tables: Sequence[Table]) -> list[str]:
        return [table.name for table in tables]

    assert names([m.table for m in SILVER]) == names(t.SILVER)
    assert names([m.table for m in GOLD]) == names(t.GOLD)
    assert all(set(m.inputs) <= set(TABLES) and not m.settings for m in MODELS.values())
