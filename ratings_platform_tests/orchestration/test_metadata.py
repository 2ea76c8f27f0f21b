"""What the UI shows of each asset once it was materialised."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from ratings_platform.orchestration.metadata import cell, markdown
from ratings_platform.schema.files import readable_size as size
from ratings_platform.studies.market_study.study import STUDY
from ratings_platform_tests.conftest import SAMPLE_RATINGS, Built

pytestmark = pytest.mark.integration

PARTITIONED = ("silver/ratings", "gold/fact_rating", "warehouse/fact_rating")
LARGEST_ENTRY = 200_000


@pytest.fixture(scope="module")
def instance(built: Built) -> Iterator[dg.DagsterInstance]:
    """The instance that recorded the run which built the home."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(built.home / "dagster"))
        with dg.DagsterInstance.get() as instance:
            yield instance


@pytest.fixture(scope="module")
def shown(instance: dg.DagsterInstance) -> dict[str, list[dg.AssetMaterialization]]:
    """The materialisations of each asset in that run."""
    (run,) = instance.get_runs()
    logs = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    found: dict[str, list[dg.AssetMaterialization]] = {}
    for log in logs:
        assert log.asset_materialization
        found.setdefault(log.asset_materialization.asset_key.to_user_string(), []).append(log.asset_materialization)
    return found


def test_the_run_is_recorded_with_everything_in_it(
    built: Built,
    code_location: dg.Definitions,
    instance: dg.DagsterInstance,
    shown: dict[str, list[dg.AssetMaterialization]],
) -> None:
    (run,) = instance.get_runs()
    assert run.status is dg.DagsterRunStatus.SUCCESS
    assert not [line for line in built.told.splitlines() if line.startswith(("check failed: ", "ratings-platform: "))]
    assert shown.keys() == {key.to_user_string() for key in code_location.resolve_asset_graph().get_all_asset_keys()}


def test_every_table_shows_rows_place_size_and_preview(shown: dict[str, list[dg.AssetMaterialization]]) -> None:
    for key, events in shown.items():
        layer, name = key.split("/")
        found = _values(events[-1])
        assert found["dagster/uri"]
        assert found["preview"].startswith("| ")
        if layer == "raw":
            continue
        assert found["dagster/row_count"] >= 0
        columns = found["preview"].splitlines()[0].strip("| ").split(" | ")
        assert columns == [c.name for c in STUDY.tables[name].columns], key
        if layer == "warehouse":
            assert found["dagster/table_name"] == name
            assert found["size of the file"]
        else:
            assert found["bytes"] > 0
            assert found["size"] == size(found["bytes"])


def test_row_counts_are_those_of_the_sample(shown: dict[str, list[dg.AssetMaterialization]]) -> None:
    rows = {key: _values(events[-1]).get("dagster/row_count") for key, events in shown.items()}
    assert rows["bronze/ratings_netflix"] + rows["bronze/ratings_amazon"] == SAMPLE_RATINGS
    assert rows["silver/ratings"] == rows["gold/fact_rating"] == rows["warehouse/fact_rating"] == SAMPLE_RATINGS
    assert rows["bronze/rejects"] == 0


@pytest.mark.parametrize("key", PARTITIONED)
def test_each_year_shows_its_rows(shown: dict[str, list[dg.AssetMaterialization]], key: str) -> None:
    by_year = {event.partition: _values(event)["dagster/partition_row_count"] for event in shown[key]}
    assert list(by_year) == [str(year) for year in STUDY.years]
    assert len(shown[key]) == 21
    assert sum(by_year.values()) == SAMPLE_RATINGS


def test_ratings_show_two_plots(shown: dict[str, list[dg.AssetMaterialization]]) -> None:
    found = _values(shown["silver/ratings"][-1])
    for title in ("Ratings by stars", "Ratings by year"):
        head, _, data = found[title].partition(";base64,")
        assert head == f"![{title}](data:image/png"
        image = base64.b64decode(data.removesuffix(")"), validate=True)
        assert image.startswith(b"\x89PNG\r\n\x1a\n")
        assert image.endswith(b"IEND\xaeB`\x82")


def test_answers_show_all_their_rows_as_a_table_and_their_sql(shown: dict[str, list[dg.AssetMaterialization]]) -> None:
    for question in STUDY.questions:
        found = _values(shown[question.table.path][-1])
        head, rule, *rows = found["preview"].splitlines()
        assert set(rule) <= set("| -")
        assert len(rows) == found["dagster/row_count"] or "more rows" in rows[-1]
        assert all(row.count(" | ") >= head.count(" | ") for row in rows if row.startswith("|"))
        assert re.match(r"```sql\n(SELECT|WITH)\b", found["sql"])


def test_raw_files_show_checksum_size_and_origin(built: Built, shown: dict[str, list[dg.AssetMaterialization]]) -> None:
    for vendor, pattern in (("netflix_prize", "[cm]o*"), ("amazon_reviews", "amazon*")):
        found = _values(shown[f"raw/{vendor}"][-1])
        files = list(built.source.glob(pattern))
        assert found["files"] == len(files) > 0
        assert found["bytes"] == sum(file.stat().st_size for file in files)
        for file in files:
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            assert f"| {file.name} | {file.stat().st_size} | {digest} | {cell(file.as_uri())} |" in found["preview"]


def test_no_entry_is_too_large_for_a_page(shown: dict[str, list[dg.AssetMaterialization]]) -> None:
    for key, events in shown.items():
        large = {
            name: len(str(value)) for name, value in _values(events[-1]).items() if len(str(value)) > LARGEST_ENTRY
        }
        assert not large, key


def test_bronze_shows_what_became_of_each_file(shown: dict[str, list[dg.AssetMaterialization]]) -> None:
    found = _values(shown["bronze/ratings_netflix"][-1])
    assert found["rows rejected"] == 0
    assert found["files read"].count("combined_data_") == 4


def test_markdown_stays_small_whatever_the_cells_hold() -> None:
    rows = pa.table({"a|b": ["x" * 10_000, "two\nlines | one bar", None], "n": [1.0, 0.123456, None]})
    assert markdown(rows, 2) == (
        "| a\\|b | n |\n| --- | --- |\n"
        f"| {'x' * 79}… | 1.0000 |\n"
        "| two lines \\| one bar | 0.1235 |\n"
        "\n… and 1 more rows"
    )


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 * 1024**4, "5.0 TiB")]
)
def test_sizes_are_readable(number: int, text: str) -> None:
    assert size(number) == text


def _values(event: dg.AssetMaterialization) -> dict[str, Any]:
    return {name: entry.value for name, entry in event.metadata.items()}
