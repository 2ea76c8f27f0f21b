"""The engines, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import pytest

from ratings_platform.engines.base import Engine
from ratings_platform.engines.duckdb import DuckDBEngine
from ratings_platform.engines.spark import SparkEngine

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

KINDS = ("duckdb", "spark")


@pytest.fixture(scope="session")
def engines(spark: Callable[[], SparkSession], tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Engine]:
    return {"duckdb": DuckDBEngine("1GB", tmp_path_factory.mktemp("spill")), "spark": SparkEngine(spark)}


@pytest.fixture(scope="session", params=KINDS)
def engine(request: pytest.FixtureRequest, engines: Mapping[str, Engine]) -> Engine:
    return engines[request.param]
