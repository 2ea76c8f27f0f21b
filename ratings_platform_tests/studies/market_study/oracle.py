"""Every model and answer of the market study once more, in plain Python over lists of rows.

Belongs here: what the tests compare the Ibis expressions with, so neither Ibis nor SQL. Does not belong here:
`title_key`, whose tests state each expected key.
"""

from __future__ import annotations

import calendar
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import date, timedelta
from statistics import fmean
from typing import Any, NamedTuple

AMAZON, NETFLIX = "Amazon", "Netflix"


class Product(NamedTuple):
    product_key: int
    product_id: str
    company: str
    title: str
    title_key: str
    year_released: int


class Rating(NamedTuple):
    product_key: int
    time_key: int
    customer_id: int
    star_rating: int
    year: int


def movies(netflix: list[dict[str, Any]], amazon: list[dict[str, Any]]) -> set[tuple]:
    """(company, product_id, year_released, title)."""
    found = {(NETFLIX, str(m["product_id"]), m["year"] or 0, m["title"]) for m in netflix}
    titles = defaultdict(Counter)
    for review in amazon:
        titles[review["product_id"]][review["product_title"]] += 1
    for product, uses in titles.items():
        found.add((AMAZON, product, 0, min(t for t, n in uses.items() if n == max(uses.values()))))
    return found


def ratings(netflix: list[dict[str, Any]], amazon: list[dict[str, Any]]) -> list[tuple]:
    return sorted(
        (str(r["product_id"]), r["customer_id"], r["star_rating"], r["review_date"], company, r["review_date"].year)
        for company, rows in ((NETFLIX, netflix), (AMAZON, amazon))
        for r in rows
    )


def product_keys(products: Iterable[tuple[str, str]], known: dict[tuple[str, str], int]) -> dict[tuple[str, str], int]:
    keys = dict(known)
    for product in sorted(products):
        if product not in keys:
            keys[product] = max(keys.values(), default=0) + 1
    return keys


def dim_time(first: int, last: int) -> list[tuple]:
    days = []
    day = date(first, 1, 1)
    while day.year <= last:
        month, name = calendar.month_name[day.month], calendar.day_name[day.weekday()]
        days.append((
            *(int(f"{day:%Y%m%d}"), day, day.year, 1 if day.month <= 6 else 2, (day.month + 2) // 3, day.month),
            *(month, month[:3], day.day, day.isoweekday() % 7 + 1, name, name[:3], day.isoweekday() >= 6),
        ))  # fmt: skip
        day += timedelta(days=1)
    return days


class Answers:
    """The eighteen answers, each as the list of its rows in order."""

    def __init__(self, products: list[Product], facts: list[Rating], weight: float):
        self.products, self.facts, self.weight = products, facts, weight
        self.by_key = {p.product_key: p for p in products}

    def all(self) -> dict[str, list[tuple]]:
        return {
            "q01_catalogue_sizes": [self._sizes(AMAZON), self._sizes(NETFLIX)],
            "q02_catalogue_overlap": [self._overlap("strict", "title"), self._overlap("normalised", "title_key")],
            "q03_mean_ratings": self._means(),
            "q04_release_years": self._release_years(),
            "q05_best_not_on_amazon": self._best_only_on(NETFLIX),
            "q06_best_not_on_netflix": self._best_only_on(AMAZON),
            "q07_most_rated": self._most_rated(),
            "q08_busiest_customers": self._busiest(),
            "q09_amazon_last_day": [self._last_day(AMAZON)],
            "q10_amazon_best_of_last_day": self._best_of_last_day(AMAZON)[:10],
            "q11_netflix_last_day": [self._last_day(NETFLIX)],
            "q12_netflix_best_of_last_day": self._best_of_last_day(NETFLIX)[:10],
            "i1_films": [(NETFLIX, len(self._of(NETFLIX)))],
            "i2_best_means": self._ranked_by_mean(self._stars(NETFLIX))[:5],
            "i3_fewest_films": self._fewest_films(),
            "i4_loved_on_last_day": self._loved(),
            "i5_least_loved_of_these": self._least_loved(),
            "i6_busiest_customers": self._netflix_busiest(),
        }

    def _of(self, company: str) -> list[Product]:
        return [p for p in self.products if p.company == company]

    def _ratings(self, company: str) -> list[Rating]:
        return [f for f in self.facts if self.by_key[f.product_key].company == company]

    def _stars(self, company: str, day: int | None = None) -> dict[Product, list[int]]:
        stars = defaultdict(list)
        for f in self._ratings(company):
            if day is None or f.time_key == day:
                stars[self.by_key[f.product_key]].append(f.star_rating)
        return stars

    def _sizes(self, company: str) -> tuple:
        of = self._of(company)
        return company, len(of), len({p.title for p in of}), len({p.title_key for p in of})

    def _overlap(self, comparison: str, column: str) -> tuple:
        amazon, netflix = ({getattr(p, column) for p in self._of(company)} for company in (AMAZON, NETFLIX))
        both = amazon & netflix
        return comparison, len(amazon), len(both), 100 * len(both) / len(amazon) if amazon else None

    def _means(self) -> list[tuple]:
        rows = []
        for measure in ("mean over ratings", "mean over products"):
            means = []
            for company in (AMAZON, NETFLIX):
                stars = self._stars(company).values()
                values = [fmean(s) for s in stars] if measure.endswith("products") else [x for s in stars for x in s]
                means.append(fmean(values) if values else None)
            a, n = means
            known = a is not None and n is not None
            rows.append((measure, a, n, a - n if known else None, a / n if known else None))
        return rows

    def _years(self) -> Counter:
        return Counter(p.year_released for p in self._of(NETFLIX) if p.year_released > 0)

    def _release_years(self) -> list[tuple]:
        years = self._years()
        ranked = ((1 + sum(other > n for other in years.values()), year, n) for year, n in years.items())
        return sorted(ranked)

    def _fewest_films(self) -> list[tuple]:
        first = sorted((n, year) for year, n in self._years().items())[:9]
        return [(rank, year, n) for rank, (n, year) in enumerate(first, 1)]

    def _best_only_on(self, company: str) -> list[tuple]:
        stars = self._stars(company)
        elsewhere = {p.title_key for p in self.products if p.company != company}
        every = [x for s in stars.values() for x in s]
        rows = []
        for p, given in stars.items():
            if p.title_key not in elsewhere:
                liked = sum(x in (4, 5) for x in given)
                bayes = (self.weight * (sum(every) / len(every)) + sum(given)) / (self.weight + len(given))
                rows.append((p.title, p.product_id, len(given), liked, liked / len(given), fmean(given), bayes))
        rows.sort(key=lambda r: (-r[6], -r[2], r[0], r[1]))
        return [(rank, *row) for rank, row in enumerate(rows[:100], 1)]

    def _most_rated(self) -> list[tuple]:
        counts = Counter(f.product_key for f in self.facts)
        everywhere, titles = Counter(), defaultdict(list)
        for key, n in counts.items():
            everywhere[self.by_key[key].title_key] += n
            titles[self.by_key[key].title_key].append(self.by_key[key].title)
        scopes = {"both platforms": [(-n, min(titles[k]), k, None) for k, n in everywhere.items()]}
        for company in (NETFLIX, AMAZON):
            of = [(self.by_key[key], n) for key, n in counts.items() if self.by_key[key].company == company]
            scopes[company] = [(-n, p.title, p.title_key, p.product_id) for p, n in of]
        return [
            (scope, rank, title, key, product, -n)
            for scope, rows in scopes.items()
            for rank, (n, title, key, product) in enumerate(sorted(rows)[:10], 1)
        ]

    def _busiest(self) -> list[tuple]:
        rows = []
        for company in (AMAZON, NETFLIX):
            rated = defaultdict(list)
            for f in self._ratings(company):
                rated[f.customer_id].append(f.product_key)
            busiest = sorted((-len(keys), -len(set(keys)), customer) for customer, keys in rated.items())[:5]
            rows += [(company, rank, who, -n, -products) for rank, (n, products, who) in enumerate(busiest, 1)]
        return rows

    def _netflix_busiest(self) -> list[tuple]:
        counts = Counter(f.customer_id for f in self._ratings(NETFLIX))
        first = sorted((-n, customer) for customer, n in counts.items())[:5]
        return [(rank, customer, -n) for rank, (n, customer) in enumerate(first, 1)]

    def _last(self, company: str) -> int | None:
        return max((f.time_key for f in self._ratings(company)), default=None)

    def _last_day(self, company: str) -> tuple:
        last = self._last(company)
        if last is None:
            return company, None, 0, 0
        stars = self._stars(company, last)
        day = date(last // 10_000, last // 100 % 100, last % 100)
        return company, day, len(stars), sum(map(len, stars.values()))

    def _ranked_by_mean(self, stars: dict[Product, list[int]]) -> list[tuple]:
        rows = sorted((-fmean(s), -len(s), p.title, p.product_id) for p, s in stars.items())
        return [(rank, title, product, -mean, -n) for rank, (mean, n, title, product) in enumerate(rows, 1)]

    def _best_of_last_day(self, company: str) -> list[tuple]:
        last = self._last(company)
        return [] if last is None else self._ranked_by_mean(self._stars(company, last))

    def _loved(self) -> list[tuple]:
        return [row for row in self._best_of_last_day(NETFLIX) if row[3] >= 4.7]

    def _least_loved(self) -> list[tuple]:
        rows = sorted(self._loved(), key=lambda r: (r[3], -r[4], r[1], r[2]))[:10]
        total = sum(r[4] for r in rows)
        return [(rank, *r[1:], sum(x[3] * x[4] for x in rows) / total) for rank, r in enumerate(rows, 1)]
