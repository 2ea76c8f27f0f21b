"""Each kind of check is seen to fail, for the fault that it is there for and with what a person needs to find it.

Belongs here: the kinds, on the made-up study, whose checks are few. Does not belong here: the checks of a real study
(`test_checks`).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest

from ratings_platform_tests.conftest import SAMPLE_RATINGS as RATINGS
from ratings_platform_tests.orchestration.stand import Stand, evaluations, failed, materialised, put, without_first

pytestmark = pytest.mark.integration

READINGS, FACT, STATION = "silver/station_readings", "gold/fact_reading", "gold/dim_station"


def test_a_clean_study_passes_every_check(weather_stand: Stand) -> None:
    result = weather_stand.run(job="weather_checks", tags={})
    declared = weather_stand.definitions.resolve_asset_graph().asset_check_keys
    assert result.success
    assert {(one.asset_key, one.check_name) for one in result.get_asset_check_evaluations()} == {
        (key.asset_key, key.name) for key in declared
    }
    assert failed(result) == {}


def test_columns_and_types(weather_stand: Stand) -> None:
    weather_stand.spoil(STATION, _as_text("station_id"))
    assert "station_id string" in _only(weather_stand, f"{STATION}: columns_and_types")


def test_columns_and_types_of_a_table_that_is_not_there(weather_stand: Stand) -> None:
    shutil.rmtree(weather_stand.table("gold/station_sums").uri)
    found = weather_stand.failed_checks()
    assert "never materialised" in _said(found["gold/station_sums: columns_and_types"])


def test_required(weather_stand: Stand) -> None:
    weather_stand.spoil("bronze/stations_listed", put("name", None))
    said = _only(weather_stand, "bronze/stations_listed: required")
    assert "name: 1" in said
    # The row's key, to find it by.
    assert f"| {weather_stand.rows('bronze/stations_listed')['station_id'][0].as_py()} |" in said


def test_allowed_values_below_a_minimum_or_outside_a_list(weather_stand: Stand) -> None:
    weather_stand.spoil("bronze/readings_delivered", put("degrees", 999.5))
    weather_stand.spoil(STATION, put("region", "Atlantis"))
    found = weather_stand.failed_checks()
    assert found.keys() == {"bronze/readings_delivered: allowed_values", f"{STATION}: allowed_values"}
    assert "degrees: 1" in _said(found["bronze/readings_delivered: allowed_values"])
    assert "| 999.5" in _said(found["bronze/readings_delivered: allowed_values"])
    assert "Atlantis" in _said(found[f"{STATION}: allowed_values"])


def test_unique_key(weather_stand: Stand) -> None:
    path = "gold/station_keys"
    twin = weather_stand.rows(path).slice(0, 1)
    weather_stand.spoil(path, lambda rows: pa.concat_tables([rows, twin]))
    said = _only(weather_stand, "gold/station_keys: unique_key")
    assert "repeated_keys: 1" in said
    assert f"| {twin['station_id'][0].as_py()} |" in said


def test_references(weather_stand: Stand) -> None:
    weather_stand.spoil(FACT, put("station_key", 999), year=2002)
    found = weather_stand.failed_checks()
    # A reading of no station is none of a station's readings either.
    assert found.keys() == {f"{FACT}: references", f"{FACT}: readings_of_stations"}
    assert "station_key: 1" in _said(found[f"{FACT}: references"])
    assert "| station_key | 999 |" in _said(found[f"{FACT}: references"])


def test_every_line_accounted_for(weather_stand: Stand) -> None:
    weather_stand.spoil("bronze/readings_delivered", without_first)
    found = weather_stand.failed_checks()
    # What silver was made of is no longer there either.
    assert found.keys() == {
        "bronze/readings_delivered: every_line_accounted_for",
        f"{READINGS}: no_row_lost_or_added",
    }
    assert "kept, 0 rejected" in _said(found["bronze/readings_delivered: every_line_accounted_for"])


def test_few_rejects_warns_and_blocks_nothing(new_weather_stand: Callable[..., Stand], tmp_path: Path) -> None:
    stand = new_weather_stand()
    source = Path(shutil.copytree(stand.settings.source, tmp_path / "faulty"))
    with (source / "readings_1.txt").open("a") as readings:
        readings.write("999;2003-01-01;1.0;\n" * 200)
    stand = new_weather_stand(source=source)
    bronze = ("bronze/stations_listed", "bronze/readings_delivered", "bronze/weather_rejects")
    result = stand.run("raw/weather_office", *bronze)
    assert result.success
    (check,) = failed(result).values()
    assert (check.check_name, check.severity) == ("few_rejects", dg.AssetCheckSeverity.WARN)
    assert "readings_1.txt" in _said(check)
    assert stand.rows("bronze/weather_rejects").num_rows == 200
    assert stand.failed_checks().keys() == {"bronze/readings_delivered: few_rejects"}


def test_all_rejects_here(weather_stand: Stand) -> None:
    invented = {"table": "stations_listed", "file": "stations.csv", "line": 1, "reason": "none", "raw": ""}
    weather_stand.spoil("bronze/weather_rejects", lambda rows: pa.Table.from_pylist([invented], rows.schema))
    said = _only(weather_stand, "bronze/weather_rejects: all_rejects_here")
    assert "rejected while reading: 0" in said
    assert "rows here: 1" in said


def test_no_row_lost_or_added(weather_stand: Stand) -> None:
    weather_stand.spoil(READINGS, _with_first_again, year=2003)
    found = weather_stand.failed_checks()
    # The fact table has what silver had before.
    assert found.keys() == {
        f"{READINGS}: no_row_lost_or_added",
        f"{FACT}: no_row_lost_or_added",
        f"{FACT}: readings_of_stations",
    }
    said = _said(found[f"{READINGS}: no_row_lost_or_added"])
    assert f"rows: {RATINGS + 1}" in said
    assert f"expected: {RATINGS}" in said
    assert "years that differ: {2003: (" in said


def test_rows_in_the_wrong_year_are_noticed_though_the_sum_is_right(weather_stand: Stand) -> None:
    weather_stand.spoil(READINGS, without_first, year=2003)
    weather_stand.spoil(READINGS, _with_first_again, year=2002)
    said = _said(weather_stand.failed_checks()[f"{READINGS}: no_row_lost_or_added"])
    assert f"rows: {RATINGS}" in said
    assert "{2002: (" in said


def test_reconciliation(weather_stand: Stand) -> None:
    first, other = (weather_stand.rows(FACT)["station_key"][n].as_py() for n in (0, -1))
    assert first != other
    weather_stand.spoil(FACT, put("station_key", other))
    said = _only(weather_stand, f"{FACT}: readings_of_stations")
    assert f"| {weather_stand.rows(STATION)['station_id'][first - 1].as_py()} |" in said


def test_same_rows_as_lake(weather_stand: Stand) -> None:
    # The coldest station, which is in no answer.
    weather_stand.tamper("delete from station_sums where tenths = (select min(tenths) from station_sums)")
    said = _only(weather_stand, "warehouse/station_sums: same_rows_as_lake")
    assert "rows in the lake: 55" in said
    assert "rows in the warehouse: 54" in said


def test_same_answer_as_lake_when_the_stored_answer_is_another(weather_stand: Stand) -> None:
    weather_stand.tamper("update w1_regions set stations = stations + 1")
    found = weather_stand.failed_checks()["warehouse/w1_regions: same_answer_as_lake"]
    shown = {name: value.value for name, value in found.metadata.items()}
    assert "| north |" in shown["lake"] == shown["asked of the warehouse"]
    assert "| north |" in shown["stored in the warehouse"] != shown["lake"]


def test_same_answer_as_lake_when_the_warehouse_would_answer_otherwise(weather_stand: Stand) -> None:
    weather_stand.tamper("update dim_station set name = 'renamed'")
    assert weather_stand.failed_checks().keys() == {
        "warehouse/w2_warmest_stations: same_answer_as_lake",
        "warehouse/w3_silent_stations: same_answer_as_lake",
    }


def test_a_table_missing_in_the_warehouse_fails_its_checks_only(weather_stand: Stand) -> None:
    weather_stand.tamper("drop table station_sums")
    found = weather_stand.failed_checks()
    assert found.keys() == {
        "warehouse/station_sums: same_rows_as_lake",
        "warehouse/w2_warmest_stations: same_answer_as_lake",
    }
    assert all("never loaded" in _said(one) for one in found.values())


def test_a_failed_blocking_check_stops_what_comes_after_it(weather_stand: Stand) -> None:
    weather_stand.spoil("bronze/readings_delivered", put("degrees", 999.5))
    before = {path: weather_stand.paths(path) for path in (READINGS, FACT)}
    result = weather_stand.run("bronze/readings_delivered", READINGS, FACT, STATION)
    assert not result.success
    assert failed(result).keys() == {"bronze/readings_delivered: allowed_values"}
    assert materialised(result) == {"bronze/readings_delivered", STATION}
    assert {path: weather_stand.paths(path) for path in before} == before
    assert weather_stand.rows(FACT).num_rows == RATINGS


def test_a_passed_check_says_so(weather_stand: Stand) -> None:
    found = evaluations(weather_stand.run("gold/station_keys"))
    assert {name: one.passed for name, one in found.items()} == dict.fromkeys(
        (f"gold/station_keys: {check}" for check in ("columns_and_types", "required", "allowed_values", "unique_key")),
        True,
    )


def _only(stand: Stand, name: str) -> str:
    """Run all checks and see that this one alone fails; what it says."""
    found = stand.failed_checks()
    assert found.keys() == {name}
    return _said(found[name])


def _said(check: dg.AssetCheckEvaluation) -> str:
    return "\n".join(f"{name}: {value.value}" for name, value in check.metadata.items())


def _as_text(column: str) -> Callable[[pa.Table], pa.Table]:
    return lambda rows: rows.set_column(rows.column_names.index(column), column, rows[column].cast(pa.string()))


def _with_first_again(rows: pa.Table) -> pa.Table:
    return pa.concat_tables([rows, rows.slice(0, 1)])
