"""Why a line of a vendor file is refused: the study's full list of reasons, in the words that people read.

Belongs here: the reasons, shared by the readers that give them and the sample maker that plants the faults. Does
not belong here: faults of a file as a whole, which stop the run (`SourceError`).
"""

from __future__ import annotations

from enum import StrEnum

from ratings_platform.studies.market_study.tables import FIRST_YEAR, LAST_YEAR


class Reason(StrEnum):
    # Any file. Where several apply to a line, the first in this list is given.
    ENCODING = "line is not in the file's encoding"
    NUL = "line holds NUL bytes"
    HEADER = "header line where none belongs"
    FIELDS = "wrong number of fields"
    TRAILING_COMMAS = "trailing commas, as a spreadsheet leaves them"
    # movie_titles.csv
    FILM_ID = "film id is not a positive whole number"
    RELEASE_YEAR = "release year is neither a number nor NULL"
    NO_TITLE = "title is empty"
    GARBLED_TITLE = "title holds characters lost in another encoding"
    QUOTES = "title is not quoted as in CSV, though the file's others are"
    DUPLICATE_FILM = "film id stands earlier in the file"
    # combined_data_*.txt, mv_*.txt
    FILM_HEADER = "film header is not a positive whole number"
    NO_FILM = "rating before any film header"
    LOST_FILM = "rating below an unreadable film header"
    UNKNOWN_FILM = "film is not in movie_titles.csv"
    # amazon_reviews_us_*.tsv
    REVIEW_ID = "review id is empty"
    PRODUCT_ID = "product id is empty"
    NUMBER = "a count or parent id is not a whole number"
    # Both rating files
    CUSTOMER = "customer id is not a whole number"
    RATING = "rating is not a whole number from 1 to 5"
    DATE = "date is missing or impossible"
    OUTSIDE = f"date lies outside the study's years {FIRST_YEAR}-{LAST_YEAR}"
