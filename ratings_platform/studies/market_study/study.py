"""The market study, declared: vendor files, tables, models, questions, checks.

Belongs here: putting the study's parts together. Does not belong here: the parts themselves, and Dagster.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import ibis.expr.types as ir

from ratings_platform.formats.lines import BEFORE_LINE
from ratings_platform.schema.study import Ingest, Plot, Reconciliation, Study, VendorFiles
from ratings_platform.studies.market_study import models, readers
from ratings_platform.studies.market_study import tables as t
from ratings_platform.studies.market_study.answers import QUESTIONS
from ratings_platform.studies.market_study.sample import write_sample
from ratings_platform.studies.market_study.settings import (
    NO_RATINGS,
    ONE_FILM,
    MarketStudySettings,
    making_do_with_amazon,
    making_do_with_netflix,
)

# As Kaggle names them, and as the original delivery does.
_TITLES = (_KAGGLE_TITLES, _ORIGINAL_TITLES) = ("movie_titles.csv", "movie_titles.txt")


def _netflix_layouts(settings: MarketStudySettings) -> Sequence[Sequence[str]]:
    return [
        (_KAGGLE_TITLES, *settings.netflix_files),
        (_KAGGLE_TITLES, ONE_FILM),
        (_ORIGINAL_TITLES, ONE_FILM),
        (_ORIGINAL_TITLES, *settings.netflix_files),
    ]


def _amazon_layouts(settings: MarketStudySettings) -> Sequence[Sequence[str]]:
    return (settings.amazon_names,)


def _ratings_per_company(ratings: ir.Table) -> ir.Table:
    return ratings.group_by("company").aggregate(rows=ratings.count(), stars=ratings.star_rating.sum())


def _facts_per_company(fact_rating: ir.Table, dim_product: ir.Table) -> ir.Table:
    per_product = fact_rating.group_by("product_key").aggregate(
        rows=fact_rating.count(), stars=fact_rating.star_rating.sum()
    )
    joined = per_product.join(dim_product, "product_key")
    return joined.group_by("company").aggregate(
        rows=joined["rows"].sum().cast("int64"), stars=joined.stars.sum().cast("int64")
    )


def _repeated_reviews(ratings_amazon: ir.Table) -> ir.Table:
    uses = ratings_amazon.group_by("review_id").aggregate(rows=ratings_amazon.count())
    repeated = uses.filter(uses["rows"] > 1)
    return repeated.aggregate(reviews=repeated.count())


def _none(ratings_amazon: ir.Table) -> ir.Table:
    nothing = ratings_amazon.limit(0)
    return nothing.aggregate(reviews=nothing.count())


STUDY = Study(
    name="market-study",
    title="Market study",
    years=t.YEARS,
    vendors=(
        VendorFiles(
            "netflix_prize",
            "The Netflix Prize files as delivered: film titles and ratings.",
            "netflix-inc/netflix-prize-data",
            _netflix_layouts,
            making_do_with_netflix,
        ),
        VendorFiles(
            "amazon_reviews",
            "Amazon's video review files as delivered.",
            "cynthiarempel/amazon-us-customer-reviews-dataset",
            _amazon_layouts,
            making_do_with_amazon,
        ),
    ),
    ingests=(
        Ingest(t.MOVIES_NETFLIX, "netflix_prize", _TITLES, readers.read_movies_netflix),
        Ingest(
            t.RATINGS_NETFLIX,
            "netflix_prize",
            ("*.txt",),
            readers.read_ratings_netflix,
            known=("movies_netflix",),
            together=(ONE_FILM,),
            excluding=NO_RATINGS,
            cut=readers.BEFORE_FILM_HEADER,
        ),
        Ingest(
            t.RATINGS_AMAZON,
            "amazon_reviews",
            ("amazon_reviews_us_*.tsv",),
            readers.read_ratings_amazon,
            cut=BEFORE_LINE,
        ),
    ),
    models=(*models.SILVER, *models.GOLD),
    questions=QUESTIONS,
    warehouse=("dim_time", "dim_product", "fact_rating", "product_totals", "customer_totals"),
    settings=MarketStudySettings,
    write_sample=write_sample,
    migrations=Path(__file__).with_name("migrations"),
    reconciliations=(
        Reconciliation(
            "no_review_twice",
            "No review id stands in more than one row.",
            t.RATINGS_AMAZON,
            _repeated_reviews,
            _none,
            blocking=False,
        ),
        Reconciliation(
            "totals_per_company",
            "Ratings and sum of stars of each company are those of silver/ratings.",
            t.FACT_RATING,
            _facts_per_company,
            _ratings_per_company,
        ),
    ),
    plots=(
        Plot(t.RATINGS, "Ratings by stars", "star_rating", "company"),
        Plot(t.RATINGS, "Ratings by year", "year", "company"),
    ),
)
