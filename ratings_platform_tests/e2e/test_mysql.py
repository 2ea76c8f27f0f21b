"""The whole study into a real MariaDB, by settings alone."""

from __future__ import annotations

import json
import os

import pytest

from ratings_platform.warehouse.mysql import MySQLWarehouse
from ratings_platform_tests.aws_server import AWSServer
from ratings_platform_tests.e2e.conftest import Sample
from ratings_platform_tests.e2e.support import Weather
from ratings_platform_tests.made_up.weather import STUDY
from ratings_platform_tests.warehouse.mysql_server import MySQLServer, server

__all__ = ["server"]

pytestmark = pytest.mark.e2e


def test_the_study_goes_into_mysql_and_answers_there_as_in_the_lake(
    weather_home: Weather, weather: Sample, server: MySQLServer, aws: AWSServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = weather_home
    monkeypatch.setenv("RATINGS_SOURCE", str(weather.folder))
    address, password = server.new_address()
    monkeypatch.setenv("RATINGS_WAREHOUSE", f"mysql://{address.user}@127.0.0.1:{address.port}/{address.database}")
    monkeypatch.setenv("RATINGS_WAREHOUSE_PASSWORD", password.text)
    before = home.here.answers()

    done = home.call("run")
    again = home.here.call("run", "--years", "2003:2004", "--only", "warehouse/fact_reading")
    aws.client("secretsmanager").create_secret(Name="warehouse", SecretString=json.dumps({"password": password.text}))
    monkeypatch.delenv("RATINGS_WAREHOUSE_PASSWORD")
    monkeypatch.setenv("RATINGS_WAREHOUSE_PASSWORD_SECRET", "warehouse")
    checked = home.here.call("check")

    # The runs' last checks ask each question inside the database and compare the rows with the lake's.
    assert [(d.returncode, d.stderr[-500:]) for d in (done, again, checked) if d.returncode] == []
    assert home.here.answers() == before
    assert done.stderr.count("migration applied: 0001 The tables") == 1
    assert "migration applied" not in again.stderr
    assert MySQLWarehouse(address, password, "500MB").drift(STUDY) == []
    for said in (done, again, checked):
        assert password.text not in said.stdout + said.stderr
    for path in home.path.rglob("*"):
        if path.is_file():
            assert os.fsencode(password.text) not in path.read_bytes(), path


def test_a_wrong_password_is_told_in_one_line(
    weather_home: Weather, server: MySQLServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, _ = server.new_address()
    monkeypatch.setenv("RATINGS_WAREHOUSE", f"mysql://{address.user}@127.0.0.1:{address.port}/{address.database}")
    monkeypatch.setenv("RATINGS_WAREHOUSE_PASSWORD", "wr0ng-word")

    done = weather_home.here.call("run", "--only", "warehouse/dim_station")

    assert done.returncode == 1
    (line, _run) = done.stderr.splitlines()
    assert line.startswith("ratings-platform: mysql://")
    assert "RATINGS_WAREHOUSE_PASSWORD" in line
    assert "wr0ng-word" not in done.stderr
