"""The market study's tables, declared once.

Belongs here: names, types, keys, allowed values and meanings of this study's bronze, silver and gold tables. Does
not belong here: how they are filled (`readers`, `models`) and the answers, which declare themselves (`answers`).
"""

from __future__ import annotations

from ratings_platform.schema.tables import Column, Table

FIRST_YEAR, LAST_YEAR = 1995, 2015
YEARS = tuple(range(FIRST_YEAR, LAST_YEAR + 1))
NETFLIX, AMAZON = "Netflix", "Amazon"
COMPANIES = (AMAZON, NETFLIX)

_FIRST_DAY, _LAST_DAY = f"{FIRST_YEAR}-01-01", f"{LAST_YEAR}-12-31"


def _star_rating() -> Column:
    return Column("star_rating", "int8", "Stars given, 1 (worst) to 5 (best).", minimum=1, maximum=5)


def _review_date() -> Column:
    return Column("review_date", "date", "Day of the rating.", minimum=_FIRST_DAY, maximum=_LAST_DAY)


def _company() -> Column:
    return Column("company", "string", "Vendor of the rating or product.", allowed=COMPANIES)


def _year() -> Column:
    return Column("year", "int32", "Year of the rating; the partition.", minimum=FIRST_YEAR, maximum=LAST_YEAR)


MOVIES_NETFLIX = Table(
    "bronze",
    "movies_netflix",
    "One row per film of Netflix's movie_titles.csv, as the vendor wrote it.",
    (
        Column("product_id", "int32", "Netflix's film id.", minimum=1),
        Column("year", "int32", "Release year; empty where the file says NULL.", nullable=True, label=True),
        Column("title", "string", "Title, commas and quotes included."),
    ),
    key=("product_id",),
)

RATINGS_NETFLIX = Table(
    "bronze",
    "ratings_netflix",
    "One row per rating in Netflix's combined_data or mv_ files.",
    (
        Column(
            "product_id",
            "int32",
            "Netflix's film id, from the header above the rating.",
            references="movies_netflix.product_id",
        ),
        Column("customer_id", "int32", "Netflix's customer id.", minimum=1, label=True),
        _star_rating(),
        _review_date(),
    ),
    time_column="review_date",
)

RATINGS_AMAZON = Table(
    "bronze",
    "ratings_amazon",
    "One row per review in Amazon's video review files; a review that stands there twice is kept twice.",
    (
        Column("marketplace", "string", "Country code of the marketplace."),
        Column("customer_id", "int64", "Amazon's customer id.", minimum=0, label=True),
        Column("review_id", "string", "Amazon's review id."),
        Column(
            "product_id", "string", "Amazon's product id (ASIN or ISBN): a text, leading zeros and final X included."
        ),
        Column("product_parent", "int64", "Amazon's id for all variants of a product.", nullable=True, label=True),
        Column("product_title", "string", "Title of the product as shown with this review."),
        Column("product_category", "string", "Amazon's category, spelt as in the file."),
        _star_rating(),
        Column("helpful_votes", "int32", "Votes that found the review helpful.", nullable=True, minimum=0),
        Column("total_votes", "int32", "Votes on the review.", nullable=True, minimum=0),
        Column("vine", "string", "Y if written in Amazon's Vine programme, else N.", nullable=True),
        Column("verified_purchase", "string", "Y if Amazon knows of the purchase, else N.", nullable=True),
        Column("review_headline", "string", "Headline of the review, HTML as in the file.", nullable=True),
        Column("review_body", "string", "Text of the review, HTML as in the file.", nullable=True),
        _review_date(),
    ),
    time_column="review_date",
)

MOVIES = Table(
    "silver",
    "movies",
    "One row per product of a vendor, both vendors together.",
    (
        Column(
            "product_id", "string", "The vendor's id; with company the key, since vendors may use one id for two films."
        ),
        Column(
            "year_released", "int32", "Release year; 0 = unknown, as for every Amazon product.", minimum=0, label=True
        ),
        Column(
            "title",
            "string",
            "Title; for Amazon the most frequent one in the reviews (ties: first in alphabetical order).",
        ),
        Column(
            "title_key", "string", "Title made comparable: folded, without format and edition suffixes, seasons kept."
        ),
        _company(),
    ),
    key=("company", "product_id"),
)

RATINGS = Table(
    "silver",
    "ratings",
    "One row per rating, both vendors together.",
    (
        Column("product_id", "string", "The vendor's product id."),
        Column("customer_id", "int64", "The vendor's customer id; ids of the two vendors are unrelated.", label=True),
        _star_rating(),
        _review_date(),
        _company(),
        _year(),
    ),
    partition_by="year",
    time_column="review_date",
)

DIM_TIME = Table(
    "gold",
    "dim_time",
    "One row per day from the first to the last year of the study.",
    (
        Column("time_key", "int32", "Surrogate key: the day as the number yyyymmdd."),
        Column("date", "date", "The day.", minimum=_FIRST_DAY, maximum=_LAST_DAY),
        Column("year", "int32", "Calendar year.", minimum=FIRST_YEAR, maximum=LAST_YEAR, label=True),
        Column("semester", "int32", "Half of the year.", minimum=1, maximum=2),
        Column("quarter", "int32", "Quarter of the year.", minimum=1, maximum=4),
        Column("month", "int32", "Month of the year.", minimum=1, maximum=12),
        Column("month_name", "string", "Month in English."),
        Column("month_abbr", "string", "First three letters of the month."),
        Column("day", "int32", "Day of the month.", minimum=1, maximum=31),
        Column("day_of_week", "int32", "Day of the week, 1 = Sunday.", minimum=1, maximum=7),
        Column("day_name", "string", "Day of the week in English."),
        Column("day_abbr", "string", "First three letters of the day of the week."),
        Column("is_weekend", "boolean", "True on Saturday and Sunday."),
    ),
    key=("time_key",),
)

PRODUCT_KEYS = Table(
    "gold",
    "product_keys",
    "One row per product ever seen, with the surrogate key it got then and keeps.",
    (
        Column("product_key", "int32", "Surrogate key.", minimum=1),
        _company(),
        Column("product_id", "string", "The vendor's product id."),
    ),
    key=("company", "product_id"),
)

DIM_PRODUCT = Table(
    "gold",
    "dim_product",
    "One row per product of a vendor.",
    (
        Column(
            "product_key",
            "int32",
            "Surrogate key; stays the same when data is loaded again or files are added.",
            minimum=1,
        ),
        Column("product_id", "string", "The vendor's product id."),
        _company(),
        Column("title", "string", "Title of the product."),
        Column("title_key", "string", "Title made comparable across vendors."),
        Column("year_released", "int32", "Release year; 0 = unknown.", minimum=0, label=True),
    ),
    key=("product_key",),
)

FACT_RATING = Table(
    "gold",
    "fact_rating",
    "One row per rating.",
    (
        Column("product_key", "int32", "The rated product.", references="dim_product.product_key"),
        Column("time_key", "int32", "The day of the rating.", references="dim_time.time_key"),
        Column("customer_id", "int64", "The vendor's customer id.", label=True),
        _star_rating(),
        _year(),
    ),
    partition_by="year",
    # For the questions on the last day, and on the busiest customers.
    indexes=(("time_key",), ("customer_id",)),
)

PRODUCT_TOTALS = Table(
    "gold",
    "product_totals",
    "One row per rated product: an aggregate of fact_rating, so that questions on products need not read it.",
    (
        Column("product_key", "int32", "The product.", references="dim_product.product_key"),
        Column("ratings", "int64", "Ratings of the product.", minimum=1),
        Column("stars", "int64", "Sum of their stars.", minimum=1),
        Column("liked", "int64", "Ratings of 4 and 5 stars.", minimum=0),
        Column("last_time_key", "int32", "Day of the latest rating.", references="dim_time.time_key"),
    ),
    key=("product_key",),
)

CUSTOMER_TOTALS = Table(
    "gold",
    "customer_totals",
    "One row per customer of a vendor: an aggregate, so that questions on customers need not read all ratings.",
    (
        _company(),
        Column("customer_id", "int64", "The vendor's customer id.", label=True),
        Column("ratings", "int64", "Ratings of the customer.", minimum=1),
    ),
    key=("company", "customer_id"),
)

BRONZE = (MOVIES_NETFLIX, RATINGS_NETFLIX, RATINGS_AMAZON)
SILVER = (MOVIES, RATINGS)
GOLD = (PRODUCT_KEYS, DIM_TIME, DIM_PRODUCT, FACT_RATING, PRODUCT_TOTALS, CUSTOMER_TOTALS)
