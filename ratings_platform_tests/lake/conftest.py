"""Lakes of the tests: a folder, and a prefix of a bucket on a server of the tests' own."""

from __future__ import annotations

from pathlib import Path

import pytest

from ratings_platform_tests.lake.faulty_proxy import FaultyProxy
from ratings_platform_tests.lake.samples import Lake


@pytest.fixture
def disk_lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"), tmp_path / "scratch")


@pytest.fixture
def s3_lake(bucket: str, tmp_path: Path) -> Lake:
    """A lake in a bucket of its own."""
    return Lake(f"s3://{bucket}/some/prefix", tmp_path / "scratch")


@pytest.fixture
def far_lake(bucket: str, proxy: FaultyProxy, tmp_path: Path) -> Lake:
    """The same, behind a network that may fail."""
    return Lake(f"s3://{bucket}/some/prefix", tmp_path / "scratch")


@pytest.fixture(
    params=[
        pytest.param("disk_lake", marks=pytest.mark.unit, id="disk"),
        pytest.param("s3_lake", marks=pytest.mark.integration, id="s3"),
    ]
)
def lake(request: pytest.FixtureRequest) -> Lake:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Lake)
    return found
