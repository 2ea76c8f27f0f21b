from __future__ import annotations

import random
import re
from datetime import date
from functools import cache

import duckdb
import ibis
import pyarrow as pa
import pytest

from ratings_platform.schema.models import Question
from ratings_platform.schema.scans import stored_sql
from ratings_platform.schema.tables import Table
from ratings_platform.studies.market_study import tables as t
from ratings_platform.studies.market_study.answers import QUESTIONS
from ratings_platform.studies.market_study.models import GOLD
from ratings_platform_tests.studies.market_study.oracle import Answers, Product, Rating

pytestmark = pytest.mark.unit

TABLES = {table.name: table for table in (t.RATINGS, *t.GOLD)}
NAMES = [q.table.name for q in QUESTIONS]
DIALECTS = ("duckdb", "mysql", "pyspark", "trino")
DUCKDB_TYPES = {"string": "VARCHAR", "int64": "BIGINT", "int32": "INTEGER", "float64": "DOUBLE", "date": "DATE"}
WORDS = ("Alpha", "alpha", "Beta", "Beta [DVD]", "Épsilon", "Zeta")


def make(seed: int, *, netflix: int = 18, amazon: int = 22, ratings: int = 400) -> tuple[list[Product], list[Rating]]:
    """Products that share ids and titles across vendors, and ratings full of ties on few days by few customers."""
    rng = random.Random(seed)  # noqa: S311
    companies = ["Netflix"] * netflix + ["Amazon"] * amazon
    keys = rng.sample(range(1, 5000), len(companies))
    products = []
    for n, (company, key) in enumerate(zip(companies, keys, strict=True)):
        title = rng.choice((*WORDS, *[f"Only {company} {rng.randint(1, len(companies))}"] * 2)) + rng.choice(
            ["", "", " II"]
        )
        year = 0 if company == "Amazon" else rng.choice([0, *range(1990, 2003)])
        product_id = str(n if company == "Netflix" else n - netflix)
        products.append(Product(key, product_id, company, title, title.lower().removesuffix(" [dvd]"), year))
    days = [20001231, 20040229, 20051230, 20051231]
    facts = []
    for _ in range(ratings if products else 0):
        product, day = rng.choice(products), rng.choice(days)
        stars = rng.choice([5, 5, 5, 5, 4, 1] if day == 20051231 else [1, 2, 3, 4, 5])
        facts.append(Rating(product.product_key, day, rng.randint(1, 12), stars, day // 10_000))
    return products, facts


def of_one(company: str, seed: int) -> tuple[list[Product], list[Rating]]:
    return make(seed, netflix=0) if company == "Amazon" else make(seed, amazon=0)


def connect(products: list[Product], facts: list[Rating]) -> ibis.BaseBackend:
    con = ibis.duckdb.connect()
    for name, rows in given(products, facts).items():
        con.create_table(name, rows)
    con.create_table(t.DIM_TIME.name, days())
    for table in (t.PRODUCT_TOTALS, t.CUSTOMER_TOTALS):
        con.create_table(table.name, con.con.sql(made_by_model(table)).to_arrow_table().cast(table.arrow_schema))
    return con


@cache
def made_by_model(table: Table) -> str:
    model = next(m for m in GOLD if m.table is table)
    return str(ibis.to_sql(model.expression(TABLES, {}), dialect="duckdb"))


@cache
def days() -> pa.Table:
    return duckdb.sql(made_by_model(t.DIM_TIME)).to_arrow_table().cast(t.DIM_TIME.arrow_schema)


def given(products: list[Product], facts: list[Rating]) -> dict[str, pa.Table]:
    """The tables that the others follow from."""
    dimension, fact = ([row._asdict() for row in rows] for rows in (products, facts))
    rows_of_table = {t.DIM_PRODUCT: dimension, t.FACT_RATING: fact, t.RATINGS: silver(products, facts)}
    return {table.name: pa.Table.from_pylist(rows, table.arrow_schema) for table, rows in rows_of_table.items()}


def silver(products: list[Product], facts: list[Rating]) -> list[dict[str, object]]:
    """The ratings that became the facts."""
    by_key = {product.product_key: product for product in products}
    return [
        {
            **fact._asdict(),
            "product_id": by_key[fact.product_key].product_id,
            "company": by_key[fact.product_key].company,
            "review_date": date.fromisoformat(str(fact.time_key)),
        }
        for fact in facts
    ]


@cache
def expression(question: Question, weight: float = 100.0) -> ibis.Table:
    return question.expression(TABLES, {"bayesian_weight": weight})


@cache
def statement(question: Question, weight: float = 100.0) -> str:
    """Compiled once for all data: that takes longer than to ask."""
    return str(ibis.to_sql(expression(question, weight), dialect="duckdb"))


def rows_of(con: ibis.BaseBackend, question: Question, weight: float = 100.0) -> list[tuple]:
    return con.raw_sql(statement(question, weight)).fetchall()


def assert_same(found: list[tuple], want: list[tuple]) -> None:
    assert len(found) == len(want)
    for one, other in zip(found, want, strict=True):
        assert [rounded(value) for value in one] == [rounded(value) for value in other]


def rounded(value: object) -> object:
    """Sums of floats differ in their last digits with the order of the rows."""
    return round(value, 10) if isinstance(value, float) else value


DATA = {
    **{f"seed {seed}": make(seed) for seed in range(8)},
    **{f"few ratings {seed}": make(seed, ratings=40) for seed in range(3)},
    "many products": make(11, netflix=900, amazon=1000, ratings=9000),
    "Amazon only": of_one("Amazon", 1),
    "Netflix only": of_one("Netflix", 2),
    "products without ratings": make(3, ratings=0),
    "one rating": make(4, ratings=1),
    "one Netflix product": make(5, netflix=1, amazon=0, ratings=3),
    "nothing": ([], []),
}


@cache
def connected(case: str) -> ibis.BaseBackend:
    """A database with the data of a case, to be read."""
    return connect(*DATA[case])


@pytest.mark.parametrize("case", DATA)
@pytest.mark.parametrize("weight", [0.0, 100.0])
def test_answers_equal_those_of_the_oracle(case: str, weight: float) -> None:
    products, facts = DATA[case]
    con = connected(case)
    want = Answers(products, facts, weight).all()
    assert list(want) == NAMES
    for question in QUESTIONS:
        assert_same(rows_of(con, question, weight), want[question.table.name])


def test_random_data_reach_every_answer_in_full() -> None:
    """Else the comparison above could pass over empty answers, or over data too small for a "first n" to cut."""
    answers = Answers(*DATA["many products"], 100.0).all()
    lengths = {name: len(rows) for name, rows in answers.items()}
    assert (lengths["q05_best_not_on_amazon"], lengths["q06_best_not_on_netflix"]) == (100, 100)
    assert (lengths["q07_most_rated"], lengths["q08_busiest_customers"], lengths["i2_best_means"]) == (30, 10, 5)
    assert lengths["i3_fewest_films"] == 9 < lengths["q04_release_years"]
    assert lengths["i5_least_loved_of_these"] == 10 < lengths["i4_loved_on_last_day"]
    assert all(lengths.values())


@pytest.mark.parametrize("question", QUESTIONS, ids=NAMES)
def test_answers_hold_their_declared_key_and_types(question: Question) -> None:
    con = connected("many products")
    sql = str(ibis.to_sql(expression(question), dialect="duckdb"))
    stored = [(name, kind) for name, kind, *_ in con.raw_sql(f"describe {stored_sql(sql, question.table)}").fetchall()]
    assert stored == [(c.name, DUCKDB_TYPES[c.type]) for c in question.table.columns]
    found = con.to_pyarrow(expression(question)).to_pylist()
    keys = [tuple(row[k] for k in question.table.key) for row in found]
    assert len(set(keys)) == len(keys) == len(found) > 0
    for column in question.table.columns:
        values = [row[column.name] for row in found]
        assert column.nullable or None not in values
        assert not column.allowed or set(values) <= set(column.allowed)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("question", QUESTIONS, ids=NAMES)
def test_answers_compile_to_every_dialect(question: Question, dialect: str) -> None:
    _ = ibis.pyspark  # registers the options that its compiler reads
    sql = str(ibis.to_sql(expression(question), dialect=dialect))
    assert "SELECT" in sql
    if dialect in ("mysql", "trino"):
        assert not re.search(r"\b(SEMI|ANTI|FULL|QUALIFY|FILTER\(.*REGEXP)\b", sql)


@pytest.fixture(scope="module")
def shuffled() -> ibis.BaseBackend:
    products, facts = DATA["seed 3"]
    return connect(products[::-1], random.Random(0).sample(facts, len(facts)))  # noqa: S311


@pytest.mark.parametrize("question", QUESTIONS, ids=NAMES)
def test_answers_do_not_depend_on_the_order_of_rows(question: Question, shuffled: ibis.BaseBackend) -> None:
    assert_same(rows_of(shuffled, question), rows_of(connected("seed 3"), question))


def test_questions_are_described() -> None:
    assert len(QUESTIONS) == 18
    assert len(set(NAMES)) == 18
    assert sum(name.startswith("q") for name in NAMES) == 12
    for question in QUESTIONS:
        assert question.question.endswith("?")
        assert question.definition.endswith(".")
        assert set(question.inputs) <= {table.name for table in t.GOLD} - {"product_keys"}
        assert {o.removeprefix("-") for o in question.order} >= set(question.table.key)
    assert {q.table.name for q in QUESTIONS if q.settings} == {"q05_best_not_on_amazon", "q06_best_not_on_netflix"}


def test_a_mean_of_exactly_4_7_is_loved() -> None:
    products = [Product(1, "1", "Netflix", "Just", "just", 2000), Product(2, "2", "Netflix", "Below", "below", 2000)]
    just, below = [5] * 7 + [4] * 3, [5] * 6 + [4] * 4
    facts = [Rating(1, 20050101, n, s, 2005) for n, s in enumerate(just)]
    facts += [Rating(2, 20050101, n, s, 2005) for n, s in enumerate(below)]
    loved = next(q for q in QUESTIONS if q.table.name == "i4_loved_on_last_day")
    assert [row[1] for row in rows_of(connect(products, facts), loved)] == ["Just"]


def test_duckdb_reads_the_sql_as_printed() -> None:
    """The SQL shown to people runs as it stands, without Ibis around it."""
    products, facts = DATA["seed 1"]
    con = duckdb.connect()
    for name, rows in given(products, facts).items():
        con.register(name, rows)
    for table in (t.DIM_TIME, t.PRODUCT_TOTALS, t.CUSTOMER_TOTALS):
        model = next(m for m in GOLD if m.table is table)
        con.execute(f"create table {table.name} as {ibis.to_sql(model.expression(TABLES, {}), dialect='duckdb')}")
    want = Answers(products, facts, 100.0).all()
    for question in QUESTIONS:
        found = con.execute(str(ibis.to_sql(expression(question), dialect="duckdb"))).fetchall()
        assert_same(found, want[question.table.name])
