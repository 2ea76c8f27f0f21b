"""The market study's silver and gold tables, as Ibis expressions.

Belongs here: how each silver and gold table follows from others, as plain functions from Ibis tables to an Ibis
table. Does not belong here: reading and storing (the kernel), the rules of `title_key` (`title_keys`), the
questions (`answers`).

What an expression may use is what DuckDB and Spark compute alike.
"""

from __future__ import annotations

from datetime import date

import ibis
import ibis.expr.types as ir

from ratings_platform.schema.models import Model
from ratings_platform.studies.market_study import tables as t
from ratings_platform.studies.market_study.title_keys import title_key

_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]


def movies(movies_netflix: ir.Table, ratings_amazon: ir.Table) -> ir.Table:
    """The products of both vendors, each with one title."""
    netflix = movies_netflix.select(
        product_id=movies_netflix.product_id.cast("string"),
        year_released=movies_netflix.year.fill_null(0).cast("int32"),
        title=movies_netflix.title,
        company=ibis.literal(t.NETFLIX),
    )
    amazon = _most_frequent_titles(ratings_amazon).mutate(
        year_released=ibis.literal(0, "int32"), company=ibis.literal(t.AMAZON)
    )
    both = _stacked(netflix, amazon)
    return both.mutate(title_key=title_key(both.title))


def _most_frequent_titles(reviews: ir.Table) -> ir.Table:
    uses = reviews.group_by("product_id", title=reviews.product_title).agg(uses=ibis._.count())
    by_use = ibis.window(group_by="product_id", order_by=[uses.uses.desc(), uses.title])
    ranked = uses.mutate(place=ibis.row_number().over(by_use))
    return ranked.filter(ranked.place == 0).select("product_id", "title")


def ratings(ratings_netflix: ir.Table, ratings_amazon: ir.Table) -> ir.Table:
    """The ratings of both vendors under the same columns."""
    return _stacked(_ratings_of(ratings_netflix, t.NETFLIX), _ratings_of(ratings_amazon, t.AMAZON))


def _ratings_of(bronze: ir.Table, company: str) -> ir.Table:
    return bronze.select(
        product_id=bronze.product_id.cast("string"),
        customer_id=bronze.customer_id.cast("int64"),
        star_rating=bronze.star_rating,
        review_date=bronze.review_date,
        company=ibis.literal(company),
        year=bronze.review_date.year(),
    )


def product_keys(movies: ir.Table, product_keys: ir.Table) -> ir.Table:
    """Keys given before, as they are, and the next free ones for products not seen before."""
    new = movies.anti_join(product_keys, ["company", "product_id"])
    last = product_keys.agg(last=product_keys.product_key.max().fill_null(0))
    numbered = new.select(
        "company", "product_id", place=ibis.row_number().over(order_by=[new.company, new.product_id]) + 1
    ).cross_join(last)
    added = numbered.select(
        product_key=numbered.last + numbered.place,
        company=numbered.company,
        product_id=numbered.product_id,
    )
    return _stacked(product_keys, added)


def dim_time() -> ir.Table:
    """Every day of the study's years. Names are spelt here, for engines spell them after their locale."""
    first, last = date(t.FIRST_YEAR, 1, 1), date(t.LAST_YEAR, 12, 31)
    numbers = ibis.range((last - first).days + 1).unnest().name("n").as_table()
    # By way of a timestamp, which is what DuckDB makes of a date plus days, whatever Ibis takes it for.
    day = (ibis.date(first.isoformat()) + numbers.n.as_interval("D")).cast("timestamp").cast("date")
    month, day_of_week = day.month(), (day.day_of_week.index() + 1) % 7 + 1
    return numbers.select(
        time_key=_time_key(day),
        date=day,
        year=day.year(),
        semester=(month > 6).ifelse(2, 1),
        quarter=day.quarter(),
        month=month,
        month_name=month.cases(*enumerate(_MONTHS, 1)),
        month_abbr=month.cases(*((n, name[:3]) for n, name in enumerate(_MONTHS, 1))),
        day=day.day(),
        day_of_week=day_of_week,
        day_name=day_of_week.cases(*enumerate(_DAYS, 1)),
        day_abbr=day_of_week.cases(*((n, name[:3]) for n, name in enumerate(_DAYS, 1))),
        is_weekend=day_of_week.isin([1, 7]),
    )


def dim_product(movies: ir.Table, product_keys: ir.Table) -> ir.Table:
    """The products with their surrogate keys."""
    return movies.join(product_keys, ["company", "product_id"]).select(*t.DIM_PRODUCT.ibis_schema)


def fact_rating(ratings: ir.Table, dim_product: ir.Table) -> ir.Table:
    """The ratings, product and day replaced by their keys."""
    joined = ratings.join(dim_product, ["company", "product_id"])
    return joined.select("product_key", "customer_id", "star_rating", "year", time_key=_time_key(joined.review_date))


def product_totals(fact_rating: ir.Table) -> ir.Table:
    """The ratings of each product, summed up."""
    stars = fact_rating.star_rating
    return fact_rating.group_by("product_key").agg(
        ratings=fact_rating.count(),
        stars=stars.sum(),
        liked=(stars >= 4).sum(),
        last_time_key=fact_rating.time_key.max(),
    )


def customer_totals(ratings: ir.Table) -> ir.Table:
    """The ratings of each customer.

    From silver, where each row names its vendor: joining 80 million facts to their products costs five times as much.
    Vendor by vendor, since grouping by a number alone is twice as fast.
    """
    return ibis.union(*(_totals_of(company, ratings) for company in t.COMPANIES))


def _totals_of(company: str, ratings: ir.Table) -> ir.Table:
    theirs = ratings.filter(ratings.company == company)
    counts = theirs.group_by("customer_id").agg(ratings=theirs.count())
    return counts.select(company=ibis.literal(company), customer_id=counts.customer_id, ratings=counts.ratings)


def _stacked(upper: ir.Table, lower: ir.Table) -> ir.Table:
    """Both tables' rows, repeats kept. Ibis wants equal schemas, and counts "may be null" as part of a type."""
    schema = {name: dtype(nullable=True) for name, dtype in upper.schema().items()}
    upper, lower = (
        part.select(**{name: part[name].cast(to) for name, to in schema.items()}) for part in (upper, lower)
    )
    return upper.union(lower)


def _time_key(day: ir.DateValue) -> ir.IntegerValue:
    return day.year() * 10_000 + day.month() * 100 + day.day()


SILVER = (Model(t.MOVIES, movies), Model(t.RATINGS, ratings, conserves=("ratings_netflix", "ratings_amazon")))
GOLD = (
    Model(t.PRODUCT_KEYS, product_keys),
    Model(t.DIM_TIME, dim_time),
    Model(t.DIM_PRODUCT, dim_product, conserves=("movies",)),
    Model(t.FACT_RATING, fact_rating, conserves=("ratings",)),
    Model(t.PRODUCT_TOTALS, product_totals),
    Model(t.CUSTOMER_TOTALS, customer_totals),
)
