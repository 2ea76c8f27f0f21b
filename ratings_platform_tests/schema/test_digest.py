"""Digests of expressions: the same wherever they are made, others when something else is computed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import ibis
import pytest

from ratings_platform.schema.digest import digest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
ROWS = ibis.table({"name": "string", "stars": "int8", "day": "date"}, name="rows")
CODE = """
from ratings_platform.schema.digest import digest
from ratings_platform_tests.schema.test_digest import ROWS
print(digest(ROWS.group_by("name").agg(n=ROWS.stars.sum()).order_by("name")))
"""


def test_every_process_gives_the_same_digest() -> None:
    found = {
        subprocess.run(
            [sys.executable, "-c", CODE],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert found == {digest(ROWS.group_by("name").agg(n=ROWS.stars.sum()).order_by("name")) + "\n"}


@pytest.mark.parametrize(
    "other",
    [
        ROWS.filter(ROWS.stars > 4),
        ROWS.filter(ROWS.stars >= 3),
        ROWS.filter(ROWS.stars.cast("int16") > 3),
        ROWS.filter(ROWS.stars > 3).select("name", "stars"),
        ROWS.view().filter(lambda rows: rows.stars > 3),
        ibis.table({"name": "string", "stars": "int16", "day": "date"}, name="rows").filter(
            lambda rows: rows.stars > 3
        ),
        ibis.table(ROWS.schema(), name="others").filter(lambda rows: rows.stars > 3),
    ],
    ids=["a number", "a comparison", "a cast", "columns", "a view", "a type", "a table"],
)
def test_another_computation_has_another_digest(other: ibis.Table) -> None:
    assert digest(other) != digest(ROWS.filter(ROWS.stars > 3))
