"""Column lineage: each kind of Ibis operation against an expectation written by hand."""

from __future__ import annotations

from collections.abc import Callable

import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir
import pytest

from ratings_platform.schema.lineage import column_lineage

pytestmark = pytest.mark.unit

FILMS = ibis.table({"id": "int32", "title": "string", "year": "int32", "tags": "array<string>"}, name="films")
RATINGS = ibis.table({"film": "int32", "customer": "int64", "stars": "int8", "day": "date"}, name="ratings")
SHOWS = ibis.table({"id": "int32", "title": "string", "year": "int32", "tags": "array<string>"}, name="shows")
JOINED = RATINGS.join(FILMS, RATINGS.film == FILMS.id)


def test_columns_of_a_table_come_from_themselves_in_order() -> None:
    assert list(column_lineage(RATINGS).items()) == [
        ("film", (("ratings", "film"),)),
        ("customer", (("ratings", "customer"),)),
        ("stars", (("ratings", "stars"),)),
        ("day", (("ratings", "day"),)),
    ]


def _aggregate_over_aggregate() -> ir.Table:
    by_film = JOINED.group_by("film", "year").aggregate(mean=RATINGS.stars.mean(), n=ibis._.count())
    return by_film.group_by("year").aggregate(mean_of_means=by_film["mean"].mean(), films=by_film.film.nunique())


def _self_join() -> ir.Table:
    other = RATINGS.view()
    pairs = RATINGS.join(other, RATINGS.customer == other.customer)
    return pairs.select(one=RATINGS.film, two=other.film, gap=RATINGS.day.delta(other.day, unit="day"))


def _window() -> ir.Table:
    window = ibis.window(group_by=RATINGS.customer, order_by=RATINGS.day.desc())
    return RATINGS.select(
        place=ibis.row_number().over(window),
        rank=ibis.rank().over(window),
        tile=ibis.ntile(4).over(window),
        before=RATINGS.stars.lag().over(window),
        running=RATINGS.stars.sum().over(window),
        rows=RATINGS.count().over(window),
        unordered=ibis.row_number(),
    )


def _most_frequent_title() -> ir.Table:
    counted = FILMS.group_by("id", "title").aggregate(n=FILMS.count())
    order = ibis.window(group_by=counted.id, order_by=[counted.n.desc(), counted.title])
    return counted.mutate(place=ibis.row_number().over(order)).filter(lambda t: t.place == 0).select("id", "title")


CASES: dict[str, tuple[Callable[[], ir.Table], dict[str, str]]] = {
    "project": (
        lambda: RATINGS.select("stars", double=RATINGS.stars * 2, both=RATINGS.film.cast("int64") + RATINGS.customer),
        {"stars": "ratings.stars", "double": "ratings.stars", "both": "ratings.customer ratings.film"},
    ),
    "rename, drop, mutate": (
        lambda: RATINGS.rename(user="customer").drop("film", "day").mutate(best=lambda t: t.stars == 5, fixed=1),
        {"user": "ratings.customer", "stars": "ratings.stars", "best": "ratings.stars", "fixed": ""},
    ),
    "case counts its condition": (
        lambda: RATINGS.select(x=ibis.cases((RATINGS.stars > 3, RATINGS.film), else_=0)),
        {"x": "ratings.film ratings.stars"},
    ),
    "filter, sort, limit, distinct, drop_null, sample choose rows only": (
        lambda: (
            RATINGS.filter(RATINGS.stars > 3).order_by("day").limit(3).drop_null("film").sample(0.5)[["customer"]]
        ).distinct(),
        {"customer": "ratings.customer"},
    ),
    "fill_null": (
        lambda: FILMS.select("year", "title").fill_null({"year": 0}),
        {"year": "films.year", "title": "films.title"},
    ),
    "aggregate": (
        lambda: RATINGS.group_by(month=RATINGS.day.month()).aggregate(
            n=RATINGS.count(), mean=RATINGS.stars.mean(), people=RATINGS.customer.nunique()
        ),
        {"month": "ratings.day", "n": "", "mean": "ratings.stars", "people": "ratings.customer"},
    ),
    "conditions within aggregates": (
        lambda: RATINGS.aggregate(
            loved=RATINGS.count(where=RATINGS.stars >= 4),
            summed=RATINGS.film.sum(where=RATINGS.stars >= 4),
            latest=RATINGS.film.argmax(RATINGS.day),
            first=RATINGS.film.first(order_by=RATINGS.day),
            share=(RATINGS.stars >= 4).mean(),
            rows=RATINGS.nunique(where=RATINGS.stars >= 4),
        ),
        {
            "loved": "ratings.stars",
            "summed": "ratings.film",
            "latest": "ratings.film",
            "first": "ratings.film",
            "share": "ratings.stars",
            "rows": "ratings.customer ratings.day ratings.film ratings.stars",
        },
    ),
    "aggregate over aggregate": (_aggregate_over_aggregate, {
        "year": "films.year", "mean_of_means": "ratings.stars", "films": "ratings.film",
    }),
    "inner join": (
        lambda: JOINED.select("title", "stars", joined=FILMS.id),
        {"title": "films.title", "stars": "ratings.stars", "joined": "films.id"},
    ),
    "outer join of three": (
        lambda: (
            FILMS.outer_join(SHOWS, FILMS.title == SHOWS.title)
            .left_join(RATINGS, FILMS.id == RATINGS.film)
            .select(year=ibis.coalesce(FILMS.year, SHOWS.year), stars=RATINGS.stars)
        ),
        {"year": "films.year shows.year", "stars": "ratings.stars"},
    ),
    "semi join": (
        lambda: FILMS.semi_join(RATINGS, FILMS.id == RATINGS.film).select("id", "title"),
        {"id": "films.id", "title": "films.title"},
    ),
    "anti join": (
        lambda: FILMS.anti_join(SHOWS, "title").select("title"),
        {"title": "films.title"},
    ),
    "self join": (_self_join, {
        "one": "ratings.film", "two": "ratings.film", "gap": "ratings.day",
    }),
    "window": (_window, {
        "place": "ratings.customer ratings.day", "rank": "ratings.customer ratings.day",
        "tile": "ratings.customer ratings.day", "before": "ratings.stars", "running": "ratings.stars",
        "rows": "", "unordered": "",
    }),
    "first of a window": (_most_frequent_title, {"id": "films.id", "title": "films.title"}),
    "union": (
        lambda: ibis.union(
            FILMS.select("title", kind=ibis.literal("film"), n="year"),
            SHOWS.select(n="id", title="title", kind=ibis.literal("show")),
            distinct=True,
        ),
        {"title": "films.title shows.title", "kind": "", "n": "films.year shows.id"},
    ),
    "intersect": (
        lambda: ibis.intersect(FILMS.select("title"), SHOWS.select("title")),
        {"title": "films.title shows.title"},
    ),
    "difference": (
        lambda: ibis.difference(FILMS.select("title"), SHOWS.select("title")),
        {"title": "films.title"},
    ),
    "scalar subquery": (
        lambda: RATINGS.filter(RATINGS.day == RATINGS.day.max()).select(
            over=RATINGS.stars - RATINGS.stars.mean().as_scalar(), films=FILMS.title.nunique().as_scalar()
        ),
        {"over": "ratings.stars", "films": "films.title"},
    ),
    "in subquery": (
        lambda: FILMS.select(shown=FILMS.title.isin(SHOWS.title)),
        {"shown": "films.title shows.title"},
    ),
    "exists subquery": (
        lambda: FILMS.select(rated=(FILMS.id == RATINGS.film).any()),
        {"rated": "films.id ratings.film"},
    ),
    "unnest of a value": (
        lambda: FILMS.select("id", tag=FILMS.tags.unnest()),
        {"id": "films.id", "tag": "films.tags"},
    ),
    "unnest of a table": (
        lambda: FILMS.select("id", "tags").unnest("tags", offset="nth"),
        {"id": "films.id", "tags": "films.tags", "nth": "films.tags"},
    ),
    "tables in memory and literals": (
        lambda: ibis.memtable({"key": [1], "label": ["x"]})
        .join(FILMS, ibis._.key == FILMS.id)
        .select("label", "title"),
        {"label": "", "title": "films.title"},
    ),
    "range of literals": (
        lambda: ibis.range(3).unnest().name("n").as_table(),
        {"n": ""},
    ),
    "a named part of a query": (
        lambda: JOINED.mutate(stars=RATINGS.stars.cast("float64")).alias("shown").select("stars"),
        {"stars": "ratings.stars"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_lineage_is_as_worked_out_by_hand(case: str) -> None:
    build, expected = CASES[case]
    found = {column: " ".join(".".join(o) for o in origins) for column, origins in column_lineage(build()).items()}
    assert found == expected


def test_sql_text_is_refused_because_its_columns_cannot_be_followed() -> None:
    view = ops.SQLStringView(parent=RATINGS, query="SELECT film FROM ratings", schema=ibis.schema({"film": "int32"}))
    with pytest.raises(TypeError, match="SQLStringView"):
        column_lineage(view.to_expr())


def test_an_unknown_relation_is_refused_wherever_it_stands() -> None:
    hidden = RATINGS.filter(RATINGS.film.isin(_unknown_relation().film)).select("stars")
    for expression in (_unknown_relation(), hidden):
        with pytest.raises(TypeError, match="does not know the Ibis operation Strange"):
            column_lineage(expression)


def test_an_unknown_value_over_a_relation_is_refused() -> None:
    with pytest.raises(TypeError, match="RowID"):
        column_lineage(RATINGS.select(id=RATINGS.rowid()))


def _unknown_relation() -> ir.Table:
    class Strange(ops.relations.Simple):
        """A relation that passes its parent's columns on, as a later version of Ibis may add."""

    return Strange(RATINGS).to_expr().select("film")


def test_deep_expressions_and_shared_parts_are_followed_once() -> None:
    table = RATINGS.select("stars", "day")
    for _ in range(60):  # 2 ** 60 paths, if parts that are shared were followed each time
        table = table.mutate(stars=table.stars + table.stars)
    value = table.stars
    for _ in range(200):
        value = value.abs()
    assert column_lineage(table.select(x=value)) == {"x": (("ratings", "stars"),)}
