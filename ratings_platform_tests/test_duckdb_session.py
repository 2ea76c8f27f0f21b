"""Sessions of DuckDB, whoever opens them: where the machine stands decides nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ratings_platform_tests.moments import STAMPS

pytestmark = pytest.mark.integration

_PROJECT = Path(__file__).parents[1]


@pytest.fixture(scope="module", params=["Asia/Kathmandu", "America/New_York", "UTC"])
def found(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a program says on a machine that stands somewhere."""
    environment = {**os.environ, "TZ": request.param}
    command = [sys.executable, "-m", "ratings_platform_tests.moments", str(tmp_path_factory.mktemp("somewhere"))]
    done = subprocess.run(
        command, env=environment, cwd=_PROJECT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.mark.parametrize("room", ["engine", "warehouse", "warehouse kept open"])
def test_moments_are_of_the_day_that_they_are_in_utc(found: dict[str, Any], room: str) -> None:
    assert found[room] == [[f"{stamp}+00:00", stamp, stamp[:10], stamp, "True", stamp[:4]] for stamp in STAMPS]


def test_moments_are_of_the_year_that_they_are_in_utc(found: dict[str, Any]) -> None:
    assert found["years"] == {"2003": 1, "2004": 3}


def test_a_server_is_sent_moments_in_utc(found: dict[str, Any]) -> None:
    """MySQL's DATETIME knows no zones."""
    assert found["mysql"] == [f"{stamp},{stamp}" for stamp in STAMPS]
