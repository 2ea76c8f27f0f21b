"""Spark, S3 and MySQL together: the demo prints there what it prints with the default settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from ratings_platform_tests.conftest import QUICK_JAVA
from ratings_platform_tests.e2e.support import Home, rounded
from ratings_platform_tests.warehouse.mysql_server import MySQLServer, server

__all__ = ["server"]

pytestmark = pytest.mark.e2e


def test_the_demo_prints_the_same_answers(
    bucket: str, server: MySQLServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, password = server.new_address()
    here, there = Home(tmp_path / "here"), Home(tmp_path / "there")
    wanted, answers = here.succeed("demo", "--ratings", 1000), here.answers()

    monkeypatch.setenv("RATINGS_LAKE", f"s3://{bucket}/lake")
    monkeypatch.setenv("RATINGS_WAREHOUSE", f"mysql://{address.user}@127.0.0.1:{address.port}/{address.database}")
    monkeypatch.setenv("RATINGS_WAREHOUSE_PASSWORD", password.text)
    options = f"spark.driver.extraJavaOptions='{QUICK_JAVA}'"
    found = there.succeed("demo", "--ratings", 1000, engine="spark", spark_options=options)

    assert found == wanted
    assert not (there.path / "lake").exists()
    assert not (there.path / "warehouse.duckdb").exists()
    # Another machine reads the same lake.
    assert rounded(Home(tmp_path / "elsewhere").answers()) == rounded(answers)
