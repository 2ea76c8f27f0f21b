"""A warehouse of its own for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from ratings_platform.warehouse.duckdb import DuckDBWarehouse
from ratings_platform_tests.warehouse.mysql_server import own_server, server

__all__ = ["own_server", "server", "warehouse"]


@pytest.fixture
def warehouse(tmp_path: Path) -> DuckDBWarehouse:
    return DuckDBWarehouse(tmp_path / 'a "warehouse\'s" folder' / "w.duckdb", "500MB", lock_wait=0.3)
