"""The market study on either engine: every table, every answer and every check's count, to the row and the type.

What the engines must agree on is also worked out in plain Python, where that is cheap.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from ratings_platform.engines.base import Engine
from ratings_platform.schema.files import Scan
from ratings_platform.schema.models import Model
from ratings_platform.schema.quality import merged_measures, rules, split_counts
from ratings_platform.schema.reading import SourceFile, counted
from ratings_platform.schema.tables import Table
from ratings_platform.studies.market_study import tables as t
from ratings_platform.studies.market_study.sample import write_sample
from ratings_platform.studies.market_study.study import STUDY
from ratings_platform_tests.parity.conftest import KINDS
from ratings_platform_tests.parity.stored import content, in_any_order, put
from ratings_platform_tests.studies.market_study import oracle

pytestmark = pytest.mark.integration

TABLES = STUDY.tables
VALUES = {"bayesian_weight": 100.0}
DERIVED: dict[str, Model] = {m.table.name: m for m in (*STUDY.models, *STUDY.questions)}
CASES = ("everything", "nothing")
FILES = {
    t.MOVIES_NETFLIX: "movie_titles.csv",
    t.RATINGS_NETFLIX: "combined_data_*.txt",
    t.RATINGS_AMAZON: "amazon_reviews_us_*.tsv",
}
WEIRD_TITLES = (
    *("Amélie", "AMÉLIE [VHS]", "Amelie (Widescreen Edition)", "Straße", "STRASSE", "ﬁlm ½", "Łódź", "日本", "🎬", "ﷺ"),
    *("İstanbul", "Σίσυφος", "ΣΊΣΥΦΟΣ", "Żółw", "O’Neil", "O'Neil", 'say "hi"', "tab\there", "a\\b", "100%_", "{1}"),
    *("", " ", "\u00a0x\u00a0", "???", "[VHS]", "Rocky &amp; Bullwinkle", "Season Twenty-One", "Vol. III", "\x0ba\x0c"),
    *("Zeta", "alpha", "Alpha", "ALPHA", "é", "\uffee", "\U0001d538", "e\u0301"),
)  # fmt: skip
FIRST_FILM = 1_000_000  # the sample's films have smaller numbers
DAYS = [date(1995, 1, 1), date(1999, 12, 31), date(2000, 2, 29), date(2005, 12, 31), date(2015, 12, 31)]

Tables = Mapping[str, Scan]


def by_hand(root: Path) -> dict[str, Scan]:
    """Bronze tables' files full of ties, odd titles and days at the ends of years."""
    chance = random.Random(4)  # noqa: S311
    films = [
        {"product_id": n, "year": chance.choice([None, 1999, 2000, 2004]), "title": title}
        for n, title in enumerate(chance.sample(WEIRD_TITLES, len(WEIRD_TITLES)), FIRST_FILM)
    ]
    stars = [
        {
            "product_id": chance.choice(films)["product_id"],
            "customer_id": chance.choice([1, 7, 8, 9, 2_147_483_647]),
            "star_rating": chance.choice([5, 5, 5, 4, 1]),
            "review_date": chance.choice(DAYS[1:4]),
        }
        for _ in range(600)
    ]
    reviews = [
        {
            "marketplace": "US",
            "customer_id": chance.choice([0, 7, 8, 2**53 + 1]),
            "review_id": f"R{chance.randint(1, 500)}",
            "product_id": chance.choice(["1", "01", "001", "00X", "x", "é", "Z"]),
            "product_title": chance.choice((*WEIRD_TITLES, *["Nowhere else"] * 20)),
            "product_category": "Video DVD",
            "star_rating": chance.randint(1, 5),
            "review_body": chance.choice([None, "", "a\nb", '"']),
            "review_date": chance.choice(DAYS),
        }
        for _ in range(600)
    ]
    rows = {"movies_netflix": films, "ratings_netflix": stars, "ratings_amazon": reviews}
    return {name: put(TABLES[name], of_table, root) for name, of_table in rows.items()}


def from_text(engine: Engine, vendor: Path, root: Path) -> dict[str, Scan]:
    """Bronze tables and their rejects as the engine reads them."""
    scans: dict[str, Scan] = {}
    rejects = []
    for ingest in STUDY.ingests:
        files = [SourceFile(file.name, file) for file in sorted(vendor.glob(FILES[ingest.table]))]
        known = {name: scans[name] for name in ingest.known}
        stored = engine.store(ingest, files, known, str(root), f"{ingest.table.name}-1")
        scans[ingest.table.name] = Scan(ingest.table, str(root), stored.files, version=0)
        rejects += [stored.rejects] if stored.rejects else []
    return {**scans, STUDY.rejects.name: Scan(STUDY.rejects, str(root), tuple(rejects), version=0)}


def bronze_tables(engine: Engine, vendor: Path, root: Path) -> dict[str, Scan]:
    """What the vendor text holds, and what was made by hand."""
    hand, text = by_hand(root), from_text(engine, vendor, root)
    return {name: replace(s, files=s.files + (hand[name].files if name in hand else ())) for name, s in text.items()}


def materialised(engine: Engine, bronze: Tables, root: Path) -> dict[str, Scan]:
    """All silver, gold and answer tables, each from those that the engine made before."""
    scans = dict(bronze)

    def make(model: Model) -> Scan:
        table, inputs = model.table, {n: scans.get(n, Scan(TABLES[n], str(root), ())) for n in model.inputs}
        years = STUDY.years if table.partition_by else None
        files = engine.write(model.expression(TABLES, VALUES), inputs, table, str(root), f"{table.name}-1", years=years)
        return Scan(table, str(root), tuple(files), version=0)

    for model in STUDY.models:
        scans[model.table.name] = make(model)
    with ThreadPoolExecutor(2) as pool:
        return scans | {scan.table.name: scan for scan in pool.map(make, STUDY.questions)}


Made = Callable[[str, str], Tables]


@pytest.fixture(scope="session")
def made(engines: Mapping[str, Engine], tmp_path_factory: pytest.TempPathFactory) -> Made:
    """All tables of a case, made by an engine; each made once."""
    vendor = tmp_path_factory.mktemp("vendor")
    write_sample(vendor, ratings=2_000, seed=5, dirty=True)

    @cache
    def make(kind: str, case: str) -> Tables:
        root = tmp_path_factory.mktemp(kind)
        bronze = bronze_tables(engines[kind], vendor, root) if case == "everything" else {}
        return materialised(engines[kind], bronze, root)

    return make


@pytest.mark.parametrize("name", [table.name for table in (*t.BRONZE, STUDY.rejects)])
def test_bronze_tables_are_the_same_on_both_engines(made: Made, name: str) -> None:
    found, wanted = (content(made(kind, "everything")[name]) for kind in reversed(KINDS))
    assert in_any_order(found) == in_any_order(wanted)
    assert found.num_rows > 0


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", DERIVED)
def test_derived_tables_are_the_same_on_both_engines(made: Made, name: str, case: str) -> None:
    """In the same order too, where one is promised."""
    found, wanted = (content(made(kind, case)[name]) for kind in reversed(KINDS))
    if TABLES[name].key:
        assert found.equals(wanted)
    assert in_any_order(found) == in_any_order(wanted)


@pytest.mark.parametrize("kind", KINDS)
def test_the_cases_fill_every_table_but_those_of_nothing(made: Made, kind: str) -> None:
    """Else the comparisons above could pass over empty tables."""
    everything, of_nothing = (made(kind, case) for case in CASES)
    assert [name for name in DERIVED if not everything[name].rows] == []
    assert {day.year for day in DAYS} <= set(everything["fact_rating"].rows_by_year()) < set(STUDY.years)
    assert {name for name in DERIVED if of_nothing[name].rows} == {
        *("dim_time", "q01_catalogue_sizes", "q02_catalogue_overlap", "q03_mean_ratings"),
        *("q09_amazon_last_day", "q11_netflix_last_day", "i1_films"),
    }


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", CASES)
def test_tables_are_those_worked_out_in_plain_python(made: Made, kind: str, case: str) -> None:
    rows = {name: content(scan).to_pylist() for name, scan in made(kind, case).items()}
    netflix, amazon = rows.get("ratings_netflix", []), rows.get("ratings_amazon", [])
    movies = {(m["company"], m["product_id"], m["year_released"], m["title"]) for m in rows["movies"]}
    assert movies == oracle.movies(rows.get("movies_netflix", []), amazon)
    ratings = [
        tuple(r[c] for c in ("product_id", "customer_id", "star_rating", "review_date", "company", "year"))
        for r in rows["ratings"]
    ]
    assert sorted(ratings) == oracle.ratings(netflix, amazon)
    keys = {(k["company"], k["product_id"]): k["product_key"] for k in rows["product_keys"]}
    assert keys == oracle.product_keys({m[:2] for m in movies}, {})
    assert [tuple(day.values()) for day in rows["dim_time"]] == oracle.dim_time(t.FIRST_YEAR, t.LAST_YEAR)
    products = [oracle.Product(**p) for p in rows["dim_product"]]
    facts = [oracle.Rating(**f) for f in rows["fact_rating"]]
    assert len(facts) == len(ratings)
    for name, wanted in oracle.Answers(products, facts, 100.0).all().items():
        found = [tuple(row.values()) for row in rows[name]]
        assert sorted(map(_rounded, found), key=repr) == sorted(map(_rounded, wanted), key=repr), name


def _rounded(row: Sequence[Any]) -> list[Any]:
    return [round(value, 10) if isinstance(value, float) else value for value in row]


def test_keys_stay_when_the_engine_is_changed(made: Made, engines: Mapping[str, Engine], tmp_path: Path) -> None:
    """And new products get the same keys from either."""
    movies = made("duckdb", "everything")["movies"]
    before = {("Netflix", "2"): 70, ("Amazon", "00X"): 7, ("Amazon", "gone"): 1}
    known = [{"product_key": key, "company": of, "product_id": product} for (of, product), key in before.items()]
    scans = {"movies": movies, "product_keys": put(t.PRODUCT_KEYS, known, tmp_path)}
    wanted = oracle.product_keys({(m["company"], m["product_id"]) for m in content(movies).to_pylist()}, before)
    for kind, engine in engines.items():
        expr = DERIVED["product_keys"].expression(TABLES, {})
        files = engine.write(expr, scans, t.PRODUCT_KEYS, str(tmp_path), kind)
        found = content(Scan(t.PRODUCT_KEYS, str(tmp_path), tuple(files))).to_pylist()
        assert {(k["company"], k["product_id"]): k["product_key"] for k in found} == wanted


def test_an_engine_reads_what_the_other_wrote(made: Made, engines: Mapping[str, Engine]) -> None:
    for name in DERIVED:
        rows = TABLES[name].unbound()
        for reader, writer in (KINDS, reversed(KINDS)):
            scan = made(writer, "everything")[name]
            assert in_any_order(engines[reader].rows(rows, {name: scan})) == in_any_order(content(scan)), name


@pytest.mark.parametrize("years", [(2005,), (1995, 1996, 2015)])
def test_some_years_are_as_they_are_among_all(
    engine: Engine, made: Made, years: tuple[int, ...], tmp_path: Path
) -> None:
    for name in ("ratings", "fact_rating"):
        model, scans = DERIVED[name], made("duckdb", "everything")
        inputs = {given: scans[given] for given in model.inputs}
        expr = model.expression(TABLES, VALUES)
        files = engine.write(expr, inputs, model.table, str(tmp_path), f"{name}-new", years=years)
        whole = scans[name].of_years(years)
        assert in_any_order(content(Scan(model.table, str(tmp_path), tuple(files)))) == in_any_order(content(whole))
        assert {file.year for file in files} == {file.year for file in whole.files}


# --- checks ------------------------------------------------------------------------------------------------------


def broken(rows: list[dict[str, Any]], table: Table) -> list[dict[str, Any]]:
    """Rows that break what is declared: missing, forbidden and repeated values, and references to nothing."""
    first = rows[0]
    missing = [{**first, c.name: None} for c in table.columns if c.name != table.partition_by]
    forbidden = [{**first, c.name: value} for c in table.columns for value in _forbidden(c.type)]
    return [*rows, *missing, *forbidden, first, first]


def _forbidden(kind: str) -> Sequence[Any]:
    return {
        "string": ("netflix", ""),
        "int8": (-128, 127),
        "int32": (-1, 2**31 - 1),
        "int64": (-1, 2**63 - 1),
        "float64": (float("nan"), float("inf"), float("-inf"), -0.0),
        "date": (date(1994, 12, 31), date(2016, 1, 1), date(9999, 12, 31)),
    }.get(kind, ())


@pytest.fixture(scope="session")
def spoilt(made: Made, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Scan]:
    """Every table with rows that break its rules; uncut, so that forbidden years are among them."""
    root, scans = tmp_path_factory.mktemp("spoilt"), made("duckdb", "everything")
    return {
        name: put(_uncut(TABLES[name]), broken(content(scans[name]).to_pylist(), TABLES[name]), root) for name in scans
    }


def _uncut(table: Table) -> Table:
    return replace(table, partition_by=None, time_column=None)


def test_the_rules_of_every_table_count_and_show_the_same(
    made: Made, engines: Mapping[str, Engine], spoilt: Mapping[str, Scan]
) -> None:
    good = made("duckdb", "everything")

    def broken_rules(name: str) -> set[str]:
        promised = rules(TABLES[name], TABLES)
        asked: dict[str, Any] = {f"measure {n}": measure for n, measure in enumerate(merged_measures(promised))}
        asked |= {f"failures of {rule.name}": rule.failures for rule in promised}
        read = {**{given: good[given] for given in _referred(TABLES[name])}, name: spoilt[name]}
        found, wanted = (engines[kind].many_rows(asked, read) for kind in reversed(KINDS))
        for thing in asked:
            assert found[thing].schema == wanted[thing].schema
            assert in_any_order(found[thing]) == in_any_order(wanted[thing]), f"{name}: {thing}"
        rows = [wanted[thing].to_pylist()[0] for thing in asked if thing.startswith("measure")]
        return {rule for row in rows for rule, counts in split_counts(row).items() if any(counts.values())}

    with ThreadPoolExecutor(2) as pool:
        found_broken = set(chain(*pool.map(broken_rules, spoilt)))
    assert found_broken == {"required", "allowed_values", "unique_key", "references"}


def _referred(table: Table) -> set[str]:
    return {c.references.partition(".")[0] for c in table.columns if c.references}


def test_what_checks_and_pictures_ask_is_the_same(made: Made, engines: Mapping[str, Engine]) -> None:
    scans = made("duckdb", "everything")
    asked = [Model(r.table, build) for r in STUDY.reconciliations for build in (r.found, r.expected)]
    for model in asked:
        expr = model.built(TABLES, VALUES)
        read = {name: scans[name] for name in model.inputs}
        found, wanted = (engines[kind].rows(expr, read) for kind in reversed(KINDS))
        assert found.schema == wanted.schema
        assert in_any_order(found) == in_any_order(wanted)
    expr, read = counted(STUDY.rejects.unbound()), {STUDY.rejects.name: scans[STUDY.rejects.name]}
    found, wanted = (engines[kind].rows(expr, read) for kind in reversed(KINDS))
    assert found.equals(wanted)
    assert found.num_rows > 5


def test_every_row_of_a_years_checks_is_of_that_year(engine: Engine, made: Made) -> None:
    """Scans of some years, of tables with a file a year and of those with all in one."""
    scans = made("duckdb", "everything")
    for name, column in (("ratings_amazon", "review_date"), ("ratings", "review_date")):
        rows = TABLES[name].unbound()
        read = {name: scans[name].of_years([1999, 2000])}
        days = engine.rows(rows.select(day=rows[column]).distinct(), read)["day"].to_pylist()
        assert {day.year for day in days} == {1999, 2000}
        assert set(days) >= set(DAYS[1:3])


def test_no_case_is_left_out() -> None:
    assert set(DERIVED) == {model.table.name for model in chain(STUDY.models, STUDY.questions)}
