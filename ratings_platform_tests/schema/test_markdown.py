"""Small tables and values as people read them."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from ratings_platform.schema.markdown import shown, table

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "True"),
        (1234567, "1,234,567"),
        (-1234, "-1,234"),
        (1234.5, "1,234.5000"),
        (Decimal("1234.50"), "1,234.50"),
        (date(2004, 1, 2), "2004-01-02"),
        (datetime(2004, 1, 2, 3, 4), "2004-01-02 03:04:00"),  # noqa: DTZ001
        ("1234567", "1234567"),
    ],
)  # fmt: skip
def test_values_are_readable(value: Any, text: str) -> None:
    assert shown(value) == text


@pytest.mark.parametrize(("value", "text"), [(2004, "2004"), (1234.5, "1,234.5000"), (None, "")])
def test_a_number_that_names_something_is_written_as_it_is(value: Any, text: str) -> None:
    assert shown(value, label=True) == text


def test_a_cell_ends_where_it_should() -> None:
    assert table(["a|b", "n"], [["two\nlines | one bar", "1"], ["", ""]]) == (
        "| a\\|b | n |\n| --- | --- |\n| two lines \\| one bar | 1 |\n|  |  |"
    )
