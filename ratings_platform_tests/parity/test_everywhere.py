"""The made-up study on every engine, in every lake, into every warehouse: the same rows, and the same checks pass.

Belongs here: what is the same for all studies wherever they run, each place with each other, through Dagster in this
process. Does not belong here: the tables of a real study (`test_study`), and processes of the command (`e2e`).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ratings_platform import answering
from ratings_platform.orchestration.resources import Platform
from ratings_platform.settings import load_settings
from ratings_platform_tests.aws_server import AWSServer
from ratings_platform_tests.conftest import environment
from ratings_platform_tests.e2e.support import rounded, rows_of
from ratings_platform_tests.made_up import oracle
from ratings_platform_tests.made_up.studies.weather.assets import definitions
from ratings_platform_tests.made_up.weather import STUDY, YEARS
from ratings_platform_tests.orchestration.stand import Stand, failed, materialised
from ratings_platform_tests.parity.conftest import KINDS
from ratings_platform_tests.warehouse.mysql_server import MySQLServer, server

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["server"]

pytestmark = pytest.mark.integration

LAKES = ("disk", "s3")
WAREHOUSES = ("duckdb", "mysql")
TABLES = [made.table.path for made in (*STUDY.ingests, *STUDY.models, *STUDY.questions)] + [STUDY.rejects.path]
YEAR = YEARS[1]


@dataclass(frozen=True)
class Place:
    """A home with its own lake; `settings` say where they are."""

    folder: Path
    settings: dict[str, object]
    secrets: dict[str, str]

    @contextmanager
    def stand(self, **more: object) -> Iterator[Stand]:
        """The study there, with the environment that a process would have."""
        with environment(self.folder, **self.settings | more), pytest.MonkeyPatch.context() as patch:
            for name, value in self.secrets.items():
                patch.setenv(name, value)
            found = load_settings()
            yield Stand(found, definitions(found), STUDY)

    def content(self) -> dict[str, list[str]]:
        """The rows of every table as texts, in no order."""
        with self.stand() as stand:
            scans = {path: stand.table(path).materialised() for path in TABLES}
            platform = Platform.of(stand.settings.model_copy(update={"engine": "duckdb"}))
            asked = {path: (scan.table.unbound(), {scan.table.name: scan}) for path, scan in scans.items()}
            rows = {path: platform.engine.rows(*of) for path, of in asked.items()}
        return {path: sorted(str(tuple(row.values())) for row in found.to_pylist()) for path, found in rows.items()}


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clean")
    STUDY.write_sample(folder, ratings=1500, seed=5)
    return folder


@pytest.fixture(scope="module")
def delivery(clean: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """The same lines and some that are to be refused; and how many those are."""
    folder = tmp_path_factory.mktemp("delivery")
    planted = STUDY.write_sample(folder, ratings=1500, seed=5, dirty=True)
    return folder, sum(one.rows for one in planted)


@pytest.fixture(scope="module")
def place(
    delivery: tuple[Path, int],
    spark: Callable[[], SparkSession],
    aws_server: AWSServer,
    s3_client: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str, str], Place]:
    """Where an engine has run the whole study in a lake, into a DuckDB warehouse; each made once."""
    made: dict[tuple[str, str], Place] = {}

    def make(engine: str, lake: str) -> Place:
        if (engine, lake) in made:
            return made[engine, lake]
        folder = tmp_path_factory.mktemp(f"{engine}-{lake}")
        settings: dict[str, object] = {"home": folder / "home", "source": delivery[0], "engine": engine}
        if engine == "spark":
            spark()  # whose Java process is then used
        if lake == "s3":
            s3_client.create_bucket(
                Bucket=folder.name, CreateBucketConfiguration={"LocationConstraint": aws_server.region}
            )
            settings["lake"] = f"s3://{folder.name}/lake"
        found = Place(folder, settings, aws_server.environment if lake == "s3" else {})
        with found.stand() as stand:
            result = stand.run()
            assert result.success
            assert failed(result).keys() <= {"bronze/stations_listed: few_rejects"}  # two of 62 are more than 1 %
            assert len(materialised(result)) == len(stand.definitions.resolve_asset_graph().get_all_asset_keys())
        made[engine, lake] = found
        return found

    return make


@pytest.mark.parametrize("lake", LAKES)
@pytest.mark.parametrize("engine", KINDS)
def test_answers_are_those_worked_out_in_plain_python(
    place: Callable[[str, str], Place], delivery: tuple[Path, int], clean: Path, engine: str, lake: str
) -> None:
    with place(engine, lake).stand() as stand:
        found = answering.answers(STUDY, stand.settings)
        counts, _ = answering.rejects(STUDY, stand.settings)
        assert (stand.settings.home / "lake").exists() == (lake == "disk")
    assert rounded(rows_of(answering.written(STUDY, found, "json"))) == rounded(oracle.answers(clean))
    assert sum(counts["rows"].to_pylist()) == delivery[1]


@pytest.mark.parametrize("lake", LAKES)
@pytest.mark.parametrize("engine", KINDS)
def test_every_table_has_the_same_rows(place: Callable[[str, str], Place], engine: str, lake: str) -> None:
    found, wanted = place(engine, lake).content(), place(KINDS[0], LAKES[0]).content()
    assert found.keys() == wanted.keys()
    for path, rows in found.items():
        assert rows == wanted[path], path
        assert rows, path


@pytest.mark.parametrize("warehouse", WAREHOUSES)
@pytest.mark.parametrize("lake", LAKES)
@pytest.mark.parametrize("engine", KINDS)
def test_every_warehouse_is_loaded_and_answers_the_same(
    place: Callable[[str, str], Place], server: MySQLServer, engine: str, lake: str, warehouse: str
) -> None:
    """A check asks each question there and compares the rows with the lake's: after a load of all, and of one year."""
    there, more = place(engine, lake), {}
    if warehouse == "mysql":
        address, password = server.new_address()
        more = {
            "warehouse": f"mysql://{address.user}@127.0.0.1:{address.port}/{address.database}",
            "warehouse_password": password.text,
        }
    tables = [f"warehouse/{table.name}" for table in STUDY.warehouse_tables]
    with there.stand(**more) as stand:
        for only, years in ((tables, YEARS), (["warehouse/fact_reading"], (YEAR,))):
            result = stand.run(*only, years=years)
            assert (result.success, failed(result)) == (True, {})
            assert materialised(result) == set(only)
        stored = Platform.of(stand.settings).warehouse
        assert {t.name: stored.row_count(t) for t in STUDY.warehouse_tables} == {
            t.name: stand.table(t.path).scan().rows for t in STUDY.warehouse_tables
        }


@pytest.mark.parametrize("lake", LAKES)
@pytest.mark.parametrize("engine", KINDS)
def test_a_year_is_filled_back_and_a_new_station_gets_the_next_key(
    place: Callable[[str, str], Place], delivery: tuple[Path, int], tmp_path: Path, engine: str, lake: str
) -> None:
    there, source = place(engine, lake), Path(shutil.copytree(delivery[0], tmp_path / "delivery"))
    before = there.content()
    with (source / "stations.csv").open("a", encoding="utf-8") as stations:
        stations.write("100,The hundredth,\n")
    only = ("raw/weather_office", "bronze/stations_listed", "gold/station_keys", "silver/station_readings")
    with there.stand(source=source) as stand:
        files = {file.path for file in stand.table("silver/station_readings").scan().files}
        assert stand.run(*only, years=(YEAR,)).success
        changed = files ^ {file.path for file in stand.table("silver/station_readings").scan().files}
    after = there.content()
    assert {path.partition("year=")[2][:4] for path in changed} == {str(YEAR)}
    assert after["silver/station_readings"] == before["silver/station_readings"]
    assert set(after["gold/station_keys"]) - set(before["gold/station_keys"]) == {"(61, 100)"}
    assert set(before["gold/station_keys"]) < set(after["gold/station_keys"])
