"""The market study's questions, as Ibis expressions over the star schema.

Belongs here: each question's words, its definition, its answer table and the expression that computes it. Does not
belong here: the star schema itself (`models`), running and showing answers.

An expression may use what DuckDB, Spark, MySQL and Trino compute alike: no full join, no regular expressions, one
semi- or anti-join to a query (a second one is not translated for MySQL), float64 before every division, a total order
wherever rows are numbered. Texts are matched by grouping or windows, not by joins: MariaDB would compare all pairs.
What the totals of products and customers say is not counted over the ratings again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import ibis
import ibis.expr.types as ir

from ratings_platform.schema.models import Question
from ratings_platform.schema.tables import Column, Table
from ratings_platform.studies.market_study.tables import AMAZON, COMPANIES, NETFLIX

_BEST_RATED_ROWS = 100
_EVERYWHERE = "both platforms"


# --- parts that several questions share -------------------------------------------------------------------------


def _products_of(dim_product: ir.Table, company: str) -> ir.Table:
    return dim_product.filter(dim_product.company == company)


def _ratio(part: ir.IntegerValue, whole: ir.IntegerValue) -> ir.FloatingValue:
    """Part over whole as a float; NULL over nothing, on every engine."""
    return part.cast("float64") / whole.nullif(0).cast("float64")


def _mean_of(means: ir.FloatingColumn, where: ir.BooleanColumn) -> ir.FloatingScalar:
    """The mean of means. Sums of floats depend on the order of the rows, so twelve decimal digits are summed."""
    exact = means.cast("decimal(38, 12)")
    return exact.sum(where=where).cast("float64") / where.ifelse(1, ibis.null("int8")).count().nullif(0).cast("float64")


def _top(rows: ir.Table, count: int, *order: ir.Value) -> ir.Table:
    """The first `count` rows, numbered from 1; `order` must be total."""
    first = rows.order_by(order).limit(count)
    return first.mutate(rank=ibis.row_number().over(order_by=order) + 1)


def _on_last_day(company: str, fact_rating: ir.Table, dim_product: ir.Table, product_totals: ir.Table) -> ir.Table:
    """The company's products rated on the last day on which anyone rated there, with that day's figures."""
    products = _products_of(dim_product, company)
    last = product_totals.semi_join(products, "product_key").last_time_key.max().as_scalar()
    that_day = fact_rating.filter(fact_rating.time_key == last)
    figures = that_day.group_by("product_key").agg(
        time_key=that_day.time_key.max(), ratings=that_day.count(), stars=that_day.star_rating.sum()
    )
    named = figures.join(products, "product_key")
    return named.mutate(mean=_ratio(named.stars, named.ratings))


# --- the twelve -------------------------------------------------------------------------------------------------


def catalogue_sizes(dim_product: ir.Table) -> ir.Table:
    return ibis.union(*(_catalogue_size(dim_product, company) for company in COMPANIES))


def _catalogue_size(dim_product: ir.Table, company: str) -> ir.Table:
    products = _products_of(dim_product, company)
    counts = products.agg(
        products=products.count(), titles=products.title.nunique(), title_keys=products.title_key.nunique()
    )
    return counts.mutate(company=ibis.literal(company))


def catalogue_overlap(dim_product: ir.Table) -> ir.Table:
    return _overlap(dim_product, "strict", "title").union(_overlap(dim_product, "normalised", "title_key"))


def _overlap(dim_product: ir.Table, comparison: str, column: str) -> ir.Table:
    titles = dim_product.group_by(title=column).agg(
        on_amazon=(dim_product.company == AMAZON).cast("int64").max(),
        on_netflix=(dim_product.company == NETFLIX).cast("int64").max(),
    )
    of_amazon = titles.filter(titles.on_amazon == 1)
    counts = of_amazon.agg(amazon_titles=of_amazon.count(), also_on_netflix=of_amazon.on_netflix.nullif(0).count())
    return counts.mutate(
        comparison=ibis.literal(comparison), percent=_ratio(counts.also_on_netflix, counts.amazon_titles) * 100
    )


def mean_ratings(product_totals: ir.Table, dim_product: ir.Table) -> ir.Table:
    rated = product_totals.join(dim_product, "product_key")
    rated = rated.mutate(mean=_ratio(rated.stars, rated.ratings))
    is_amazon, is_netflix = rated.company == AMAZON, rated.company == NETFLIX
    means = rated.agg(
        amazon_ratings=_ratio(rated.stars.sum(where=is_amazon), rated.ratings.sum(where=is_amazon)),
        netflix_ratings=_ratio(rated.stars.sum(where=is_netflix), rated.ratings.sum(where=is_netflix)),
        amazon_products=_mean_of(rated["mean"], is_amazon),
        netflix_products=_mean_of(rated["mean"], is_netflix),
    )
    both = ibis.union(
        means.select(
            measure=ibis.literal("mean over ratings"), amazon=means.amazon_ratings, netflix=means.netflix_ratings
        ),
        means.select(
            measure=ibis.literal("mean over products"), amazon=means.amazon_products, netflix=means.netflix_products
        ),
    )
    return both.mutate(difference=both.amazon - both.netflix, ratio=both.amazon / both.netflix)


def _films_per_year(dim_product: ir.Table) -> ir.Table:
    films = _products_of(dim_product, NETFLIX)
    return films.filter(films.year_released > 0).group_by("year_released").agg(films=ibis._.count())


def release_years(dim_product: ir.Table) -> ir.Table:
    years = _films_per_year(dim_product)
    return years.mutate(rank=ibis.rank().over(order_by=years.films.desc()) + 1)


def _best_rated_only_on(
    company: str, product_totals: ir.Table, dim_product: ir.Table, *, bayesian_weight: float
) -> ir.Table:
    of_others = (dim_product.company != company).cast("int64").max()
    products = dim_product.mutate(elsewhere=of_others.over(group_by=dim_product.title_key))
    rated = product_totals.join(_products_of(products, company), "product_key")
    whole = ibis.window()  # over all the company's products, before any is left out
    rated = rated.mutate(prior=_ratio(rated.stars.sum().over(whole), rated.ratings.sum().over(whole)))
    rated = rated.filter(rated.elsewhere == 0)
    weight = ibis.literal(bayesian_weight, "float64")
    rated = rated.mutate(
        liked_share=_ratio(rated.liked, rated.ratings),
        mean=_ratio(rated.stars, rated.ratings),
        bayesian_mean=_ratio(
            weight * rated.prior + rated.stars.cast("float64"), weight + rated.ratings.cast("float64")
        ),
    )
    return _top(
        rated, _BEST_RATED_ROWS, rated.bayesian_mean.desc(), rated.ratings.desc(), rated.title, rated.product_id
    )


def most_rated(product_totals: ir.Table, dim_product: ir.Table) -> ir.Table:
    products = product_totals.join(dim_product, "product_key")
    by_key = products.group_by("title_key").agg(title=products.title.min(), ratings=products.ratings.sum())
    by_key = by_key.mutate(company=ibis.literal(_EVERYWHERE), product_id=ibis.null("string"))
    columns = ("company", "title", "title_key", "product_id", "ratings")
    scopes = [by_key, *(_products_of(products, company) for company in COMPANIES)]
    tops = [
        _top(scope.select(columns), 10, scope.ratings.desc(), scope.title, scope.title_key, scope.product_id)
        for scope in scopes
    ]
    return ibis.union(*tops).rename(scope="company")


def busiest_customers(customer_totals: ir.Table, fact_rating: ir.Table, dim_product: ir.Table) -> ir.Table:
    """Distinct products are counted for the few customers who can be among the first five, not for all."""
    most_first = ibis.window(group_by="company", order_by=customer_totals.ratings.desc())
    ranked = customer_totals.mutate(place=ibis.rank().over(most_first))
    first = ranked.filter(ranked.place < 5).select("company", "customer_id", "ratings")
    theirs = fact_rating.join(first, "customer_id").join(dim_product, ["company", "product_key"])
    busiest = theirs.group_by("company", "customer_id").agg(
        ratings=theirs.ratings.max(), products=theirs.product_key.nunique()
    )
    order = (busiest.ratings.desc(), busiest.products.desc(), busiest.customer_id)
    tops = (_top(busiest.filter(busiest.company == company), 5, *order) for company in COMPANIES)
    return ibis.union(*tops)


def _last_day(
    company: str, fact_rating: ir.Table, dim_product: ir.Table, product_totals: ir.Table, dim_time: ir.Table
) -> ir.Table:
    films = _on_last_day(company, fact_rating, dim_product, product_totals)
    totals = films.agg(last_key=films.time_key.max(), films=films.count(), ratings=films.ratings.sum().fill_null(0))
    dated = totals.left_join(dim_time, totals.last_key == dim_time.time_key)
    return dated.select("date", "films", "ratings", company=ibis.literal(company))


def _best_on_last_day(company: str, fact_rating: ir.Table, dim_product: ir.Table, product_totals: ir.Table) -> ir.Table:
    films = _on_last_day(company, fact_rating, dim_product, product_totals)
    return _top(films, 10, *_best_first(films))


def _best_first(films: ir.Table) -> list[ir.Value]:
    return [films["mean"].desc(), films.ratings.desc(), films.title, films.product_id]


# --- the six of the internship edition, Netflix only ------------------------------------------------------------


def netflix_films(dim_product: ir.Table) -> ir.Table:
    films = _products_of(dim_product, NETFLIX)
    return films.agg(films=films.count()).mutate(company=ibis.literal(NETFLIX))


def best_means(product_totals: ir.Table, dim_product: ir.Table) -> ir.Table:
    films = product_totals.join(_products_of(dim_product, NETFLIX), "product_key")
    films = films.mutate(mean=_ratio(films.stars, films.ratings))
    return _top(films, 5, *_best_first(films))


def fewest_films(dim_product: ir.Table) -> ir.Table:
    years = _films_per_year(dim_product)
    return _top(years, 9, years.films, years.year_released)


def _loved_on_last_day(fact_rating: ir.Table, dim_product: ir.Table, product_totals: ir.Table) -> ir.Table:
    films = _on_last_day(NETFLIX, fact_rating, dim_product, product_totals)
    return films.filter(films.stars * 10 >= films.ratings * 47)  # mean >= 4.7, in whole numbers: exact everywhere


def loved_on_last_day(fact_rating: ir.Table, dim_product: ir.Table, product_totals: ir.Table) -> ir.Table:
    films = _loved_on_last_day(fact_rating, dim_product, product_totals)
    return films.mutate(rank=ibis.row_number().over(order_by=_best_first(films)) + 1)


def least_loved_of_these(fact_rating: ir.Table, dim_product: ir.Table, product_totals: ir.Table) -> ir.Table:
    films = _loved_on_last_day(fact_rating, dim_product, product_totals)
    last = _top(films, 10, films["mean"], films.ratings.desc(), films.title, films.product_id)
    whole = ibis.window()
    return last.mutate(mean_of_these=_ratio(last.stars.sum().over(whole), last.ratings.sum().over(whole)))


def netflix_busiest_customers(customer_totals: ir.Table) -> ir.Table:
    counts = customer_totals.filter(customer_totals.company == NETFLIX)
    return _top(counts, 5, counts.ratings.desc(), counts.customer_id)


# --- declarations -----------------------------------------------------------------------------------------------


def _count(name: str, description: str) -> Column:
    return Column(name, "int64", description, minimum=0)


def _mean(name: str, description: str, *, nullable: bool = False) -> Column:
    return Column(name, "float64", description, nullable=nullable, minimum=1, maximum=5)


_COMPANY = Column("company", "string", "Vendor.", allowed=COMPANIES)
_RANK = Column("rank", "int64", "Place, from 1.", minimum=1)
_TITLE = Column("title", "string", "Title of the product.")
_PRODUCT = Column("product_id", "string", "The vendor's product id.")
_CUSTOMER = Column("customer_id", "int64", "The vendor's customer id.", label=True)
_FILM_OF_DAY = (
    _RANK,
    _TITLE,
    _PRODUCT,
    _mean("mean", "Mean stars on that day."),
    _count("ratings", "Ratings on that day."),
)
_BEST_RATED = (
    _RANK,
    _TITLE,
    _PRODUCT,
    _count("ratings", "Ratings."),
    _count("liked", "Ratings of 4 and 5 stars."),
    Column("liked_share", "float64", "Share of ratings of 4 and 5 stars.", minimum=0, maximum=1),
    _mean("mean", "Mean stars."),
    _mean("bayesian_mean", "Mean stars, drawn towards the company's mean where ratings are few."),
)
_LAST_DAY = (
    _COMPANY,
    Column("date", "date", "The most recent rating date; empty without ratings.", nullable=True),
    _count("films", "Distinct products rated on that date."),
    _count("ratings", "Ratings on that date."),
)

_BEST_RATED_DEFINITION = (
    "{0} products whose title_key no {1} product has and that have ratings. Bayesian mean = (weight × prior + sum of "
    "stars) / (weight + ratings); prior: the mean of all {0} ratings; weight: a setting. By Bayesian mean and ratings, "
    f"both descending, then title, product_id; the first {_BEST_RATED_ROWS} are given."
)
_LAST_DAY_DEFINITION = "Distinct products, and ratings, on the latest date of any {} rating."
_BEST_OF_DAY_DEFINITION = (
    "{} products rated on the company's latest rating date, by their mean on that date and ratings on that date, both "
    "descending, then title, product_id; the first 10."
)


def _question(
    name: str,
    build: Callable[..., ir.Table],
    question: str,
    definition: str,
    grain: str,
    columns: Sequence[Column],
    key: tuple[str, ...] = ("rank",),
    order: tuple[str, ...] = (),
) -> Question:
    """A question; its rows are ordered by the key unless said otherwise."""
    table = Table("answers", name, grain, tuple(columns), key)
    return Question(table=table, build=build, question=question, definition=definition, order=order or key)


QUESTIONS = (
    _question(
        "q01_catalogue_sizes",
        catalogue_sizes,
        "How many films are available on Amazon? On Netflix?",
        "Distinct products per company; also distinct titles and distinct title keys.",
        "One row per company.",
        (
            _COMPANY,
            _count("products", "Distinct products."),
            _count("titles", "Distinct titles, as written."),
            _count("title_keys", "Distinct titles, made comparable."),
        ),
        ("company",),
    ),
    _question(
        "q02_catalogue_overlap",
        catalogue_overlap,
        "Of the films on Amazon, what percentage are on Netflix?",
        "Distinct Amazon titles with an equal Netflix title. Strict compares (and counts) titles as written; "
        "normalised compares (and counts) title keys. Base: the distinct Amazon titles of that comparison.",
        "One row per way to compare titles.",
        (
            Column("comparison", "string", "How titles are compared.", allowed=("strict", "normalised")),
            _count("amazon_titles", "Distinct Amazon titles: the base."),
            _count("also_on_netflix", "Those with an equal Netflix title."),
            Column("percent", "float64", "Share of the base in percent.", nullable=True, minimum=0, maximum=100),
        ),
        ("comparison",),
        ("-comparison",),
    ),
    _question(
        "q03_mean_ratings",
        mean_ratings,
        "How close is Amazon's average rating to Netflix's?",
        "Per company the mean over ratings, and the mean over rated products of the product's mean. Difference: Amazon "
        "minus Netflix; ratio: Amazon over Netflix.",
        "One row per kind of mean.",
        (
            Column("measure", "string", "What is averaged.", allowed=("mean over ratings", "mean over products")),
            _mean("amazon", "Amazon's mean; empty without Amazon ratings.", nullable=True),
            _mean("netflix", "Netflix's mean; empty without Netflix ratings.", nullable=True),
            Column("difference", "float64", "Amazon minus Netflix.", nullable=True),
            Column("ratio", "float64", "Amazon over Netflix.", nullable=True),
        ),
        ("measure",),
        ("-measure",),
    ),
    _question(
        "q04_release_years",
        release_years,
        "Which release year has most films on Netflix?",
        "Netflix products per year_released (> 0, that is, known), most first; years with equally many share a rank.",
        "One row per release year.",
        (
            _RANK,
            Column("year_released", "int32", "Release year.", minimum=1, label=True),
            _count("films", "Netflix products released in that year."),
        ),
        ("year_released",),
        ("rank", "year_released"),
    ),
    _question(
        "q05_best_not_on_amazon",
        partial(_best_rated_only_on, NETFLIX),
        "Which films not in Amazon's catalogue were rated best?",
        _BEST_RATED_DEFINITION.format(NETFLIX, AMAZON),
        f"One row per Netflix product that is not on Amazon, the best {_BEST_RATED_ROWS}.",
        _BEST_RATED,
    ),
    _question(
        "q06_best_not_on_netflix",
        partial(_best_rated_only_on, AMAZON),
        "Which films not in Netflix's catalogue were rated best?",
        _BEST_RATED_DEFINITION.format(AMAZON, NETFLIX),
        f"One row per Amazon product that is not on Netflix, the best {_BEST_RATED_ROWS}.",
        _BEST_RATED,
    ),
    _question(
        "q07_most_rated",
        most_rated,
        "Which 10 films have most ratings on the platforms?",
        "Ratings per title_key over both platforms (shown by its alphabetically first title), and per product on each. "
        "By ratings descending, then title, title_key, product_id.",
        "One row per scope and place in it, 10 places each.",
        (
            Column("scope", "string", "Where ratings are counted.", allowed=(_EVERYWHERE, *COMPANIES)),
            _RANK,
            Column("title", "string", "Title of the product, or the first title of the key."),
            Column("title_key", "string", "Title made comparable."),
            Column("product_id", "string", "The vendor's product id; empty over both platforms.", nullable=True),
            _count("ratings", "Ratings."),
        ),
        ("scope", "rank"),
        ("-scope", "rank"),
    ),
    _question(
        "q08_busiest_customers",
        busiest_customers,
        "Which 5 customers rated most on Amazon, and how many different products did they rate? On Netflix?",
        "Per company: by ratings descending, distinct products descending, customer_id; the first 5.",
        "One row per company and place in it, 5 places each.",
        (
            _COMPANY,
            _RANK,
            _CUSTOMER,
            _count("ratings", "Ratings of the customer."),
            _count("products", "Distinct products that the customer rated."),
        ),
        ("company", "rank"),
    ),
    _question(
        "q09_amazon_last_day",
        partial(_last_day, AMAZON),
        "How many films were rated on Amazon's most recent rating date?",
        _LAST_DAY_DEFINITION.format(AMAZON),
        "One row.",
        _LAST_DAY,
        ("company",),
    ),
    _question(
        "q10_amazon_best_of_last_day",
        partial(_best_on_last_day, AMAZON),
        "Which 10 are rated best on Amazon's most recent rating date?",
        _BEST_OF_DAY_DEFINITION.format(AMAZON),
        "One row per place, 10 places.",
        _FILM_OF_DAY,
    ),
    _question(
        "q11_netflix_last_day",
        partial(_last_day, NETFLIX),
        "How many films were rated on Netflix's most recent rating date?",
        _LAST_DAY_DEFINITION.format(NETFLIX),
        "One row.",
        _LAST_DAY,
        ("company",),
    ),
    _question(
        "q12_netflix_best_of_last_day",
        partial(_best_on_last_day, NETFLIX),
        "Which 10 are rated best on Netflix's most recent rating date?",
        _BEST_OF_DAY_DEFINITION.format(NETFLIX),
        "One row per place, 10 places.",
        _FILM_OF_DAY,
    ),
    _question(
        "i1_films",
        netflix_films,
        "How many films are in the Netflix dataset?",
        "Distinct Netflix products.",
        "One row.",
        (_COMPANY, _count("films", "Distinct products.")),
        ("company",),
    ),
    _question(
        "i2_best_means",
        best_means,
        "Which 5 Netflix films have the best mean?",
        "By mean over all their ratings descending, ratings descending, title, product_id; the first 5.",
        "One row per place, 5 places.",
        (_RANK, _TITLE, _PRODUCT, _mean("mean", "Mean stars."), _count("ratings", "Ratings.")),
    ),
    _question(
        "i3_fewest_films",
        fewest_films,
        "Which 9 release years have fewest films on Netflix?",
        "Netflix products per year_released (> 0, that is, known; years without films are not counted), by films, then "
        "year_released; the first 9.",
        "One row per place, 9 places.",
        (
            _RANK,
            Column("year_released", "int32", "Release year.", minimum=1, label=True),
            _count("films", "Netflix products released in that year."),
        ),
    ),
    _question(
        "i4_loved_on_last_day",
        loved_on_last_day,
        "Which Netflix films were rated on the last date with a mean of at least 4.7 that day?",
        "Netflix products rated on Netflix's latest rating date whose mean on that date is at least 4.7, by that mean "
        "descending, ratings on that date descending, title, product_id.",
        "One row per such product.",
        _FILM_OF_DAY,
    ),
    _question(
        "i5_least_loved_of_these",
        least_loved_of_these,
        "Of the films of I4, which 10 have the worst mean, and what is the mean?",
        "The products of I4 by their mean on that date, ratings on that date descending, title, product_id; the first "
        "10. Each row also has the mean over all ratings that these (up to 10) products got on that date.",
        "One row per place, 10 places.",
        (*_FILM_OF_DAY, _mean("mean_of_these", "Mean stars over all ratings on that day of the products listed.")),
    ),
    _question(
        "i6_busiest_customers",
        netflix_busiest_customers,
        "Which 5 Netflix customers have most ratings, and how many?",
        "By ratings descending, then customer_id; the first 5.",
        "One row per place, 5 places.",
        (_RANK, _CUSTOMER, _count("ratings", "Ratings of the customer.")),
    ),
)
