"""The study once more, from the vendors' files to the answers, in plain Python.

Belongs here: reading clean vendor files with `open` and `split`, titles made comparable by the words of the
specification. Nothing of the platform is used; the arithmetic of the answers is that of the market study's oracle.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ratings_platform_tests.studies.market_study.oracle import AMAZON, NETFLIX, Answers, Product, Rating

WEIGHT = 100.0
# What the samples say of formats and editions in brackets.
EDITION = re.compile(r"[\[(](?:vhs|dvd|hd|blu-ray|(?:widescreen|special|full screen) edition|\d{4})[\])]")


def answers(folder: Path) -> dict[str, list[list[Any]]]:
    """All answers, as JSON gives them."""
    films, reviews = _films(folder), _reviews(folder)
    titles = {(NETFLIX, film): title for film, (_, title) in films.items()}
    titles |= {(AMAZON, product): title for product, title in _usual_titles(reviews).items()}
    keys = {product: number for number, product in enumerate(titles, 1)}
    products = [
        Product(
            keys[company, product],
            product,
            company,
            title,
            title_key(title),
            films[product][0] if company == NETFLIX else 0,
        )
        for (company, product), title in titles.items()
    ]
    rated = [(NETFLIX, *rating) for rating in _netflix(folder)]
    rated += [(AMAZON, r["product_id"], r["customer_id"], r["star_rating"], r["review_date"]) for r in reviews]
    facts = [
        Rating(keys[company, product], int(day.replace("-", "")), int(customer), int(stars), int(day[:4]))
        for company, product, customer, stars, day in rated
    ]
    return json.loads(json.dumps(Answers(products, facts, WEIGHT).all(), default=str))


def title_key(title: str) -> str:
    text = unicodedata.normalize("NFKD", title).lower()
    text = "".join(letter for letter in text if not unicodedata.combining(letter))
    text = EDITION.sub(" ", text).replace("'", "").replace("&", " and ")
    return " ".join("vol" if word == "volume" else word for word in re.findall(r"[a-z0-9]+", text))


def _films(folder: Path) -> dict[str, tuple[int, str]]:
    """Year (0: unknown) and title of each film."""
    found = {}
    with (folder / "movie_titles.csv").open(encoding="latin-1", newline="\n") as lines:
        for line in lines:
            film, year, title = line.rstrip("\r\n").split(",", 2)
            found[film] = (0 if year == "NULL" else int(year), title)
    return found


def _netflix(folder: Path) -> Iterator[tuple[str, str, str, str]]:
    for path in sorted(folder.glob("combined_data_*.txt")):
        film = ""
        for line in path.read_text().split("\n"):
            if line.endswith(":"):
                film = line[:-1]
            elif line:
                customer, stars, day = line.split(",")
                yield film, customer, stars, day


def _reviews(folder: Path) -> list[dict[str, str]]:
    found = []
    for path in sorted(folder.glob("amazon_reviews_us_*.tsv")):
        header, *lines = path.read_text(encoding="utf-8").split("\n")
        found += [dict(zip(header.split("\t"), line.split("\t"), strict=True)) for line in lines if line]
    return found


def _usual_titles(reviews: list[dict[str, str]]) -> dict[str, str]:
    """Each product's most frequent title; of equals, the first in alphabetical order."""
    uses: dict[str, Counter[str]] = defaultdict(Counter)
    for review in reviews:
        uses[review["product_id"]][review["product_title"]] += 1
    return {product: min(titles, key=lambda t: (-titles[t], t)) for product, titles in uses.items()}
