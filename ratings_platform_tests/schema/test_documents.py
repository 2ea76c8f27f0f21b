"""The data dictionary of a small made-up study."""

from __future__ import annotations

import ibis.expr.types as ir
import pytest

from ratings_platform.schema.documents import data_dictionary
from ratings_platform.schema.lineage import column_lineage
from ratings_platform.schema.models import Model, Question
from ratings_platform.schema.tables import Column, Table

pytestmark = pytest.mark.unit

LOANS = Table(
    "bronze",
    "loans",
    "One row per loan of a book.",
    (
        Column("book", "string", "Shelf mark, written\nas A|1.", references="books.book"),
        Column("shelf", "string", "Shelf.", nullable=True, allowed=("A", "B|C")),
        Column("day", "date", "Day.", minimum="2001-01-01", maximum="2001-12-31"),
        Column("days", "int32", "Days lent.", minimum=0),
        Column("renewals", "int8", "Times renewed.", maximum=3),
    ),
    time_column="day",
)
BY_SHELF = Table(
    "gold",
    "by_shelf",
    "One row per shelf and year.",
    (
        Column("shelf", "string", "Shelf.", nullable=True),
        Column("year", "int32", "Year."),
        Column("loans", "int64", "Loans."),
    ),
    key=("shelf", "year"),
    partition_by="year",
)


def _by_shelf(loans: ir.Table) -> ir.Table:
    return loans.group_by("shelf", year=loans.day.year()).aggregate(loans=loans.count())


def _longest(loans: ir.Table) -> ir.Table:
    return loans.select("book", "days").distinct()


QUESTION = Question(
    Table("answers", "longest", "One row per book and length.", (
        Column("book", "string", "Shelf mark."), Column("days", "int32", "Days lent."),
    ), key=("book", "days")),
    _longest,
    question="Which books were lent longest?",
    definition="Every length of a loan, longest first.",
    order=("-days", "book"),
)  # fmt: skip

MODELS = (Model(BY_SHELF, _by_shelf), QUESTION)
LINEAGE = {m.table.path: column_lineage(m.expression({"loans": LOANS}, {})) for m in MODELS}

EXPECTED = r"""# Library

## bronze

### bronze/loans

One row per loan of a book.

- Key: none, rows may repeat
- Time: `day`

| Column | Type | Nullable | Description | Allowed values |
| --- | --- | --- | --- | --- |
| `book` | `string` | no | Shelf mark, written as A\|1. | those of `books.book` |
| `shelf` | `string` | yes | Shelf. | `A`, `B\|C` |
| `day` | `date` | no | Day. | 2001-01-01 to 2001-12-31 |
| `days` | `int32` | no | Days lent. | at least 0 |
| `renewals` | `int8` | no | Times renewed. | at most 3 |

## gold

### gold/by_shelf

One row per shelf and year.

- Key: `shelf`, `year`
- Partition: `year`

| Column | Type | Nullable | Description | Allowed values | Comes from |
| --- | --- | --- | --- | --- | --- |
| `shelf` | `string` | yes | Shelf. |  | `loans.shelf` |
| `year` | `int32` | no | Year. |  | `loans.day` |
| `loans` | `int64` | no | Loans. |  | no column |

## answers

### answers/longest

One row per book and length.

- Question: Which books were lent longest?
- Definition: Every length of a loan, longest first.
- Sorted by: `days` descending, `book`
- Key: `book`, `days`

| Column | Type | Nullable | Description | Allowed values | Comes from |
| --- | --- | --- | --- | --- | --- |
| `book` | `string` | no | Shelf mark. |  | `loans.book` |
| `days` | `int32` | no | Days lent. |  | `loans.days` |
"""


def test_the_dictionary_says_what_is_declared() -> None:
    assert data_dictionary("Library", (BY_SHELF, LOANS), LINEAGE, (QUESTION,)) == EXPECTED


def test_a_question_whose_table_is_listed_too_appears_once() -> None:
    assert data_dictionary("Library", (LOANS, BY_SHELF, QUESTION.table), LINEAGE, (QUESTION,)) == EXPECTED


def test_tables_of_a_layer_keep_their_order() -> None:
    text = data_dictionary("Library", (BY_SHELF, Table("gold", "a", "Rows.", (Column("x", "int8", "X."),))), {})
    assert text.index("gold/by_shelf") < text.index("gold/a")


def test_lineage_that_lacks_a_column_is_refused() -> None:
    with pytest.raises(KeyError, match="loans"):
        data_dictionary("Library", (BY_SHELF,), {BY_SHELF.path: {"shelf": (), "year": ()}})
