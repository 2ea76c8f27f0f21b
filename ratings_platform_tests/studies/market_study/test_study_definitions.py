"""What the study is in Dagster: every asset, check, job, schedule and sensor against a committed snapshot.

`python -m ratings_platform_tests.studies.market_study.test_study_definitions` writes the snapshot anew.
"""

from __future__ import annotations

import difflib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from ratings_platform.definitions import defs
from ratings_platform.orchestration.resources import Platform
from ratings_platform.settings import load_settings
from ratings_platform.studies.market_study.study import STUDY
from ratings_platform_tests.conftest import environment

pytestmark = pytest.mark.integration

SNAPSHOT = Path(__file__).with_name("definitions.txt")
RENEW = f"python -m {__package__}.test_study_definitions"


def test_definitions_are_those_of_the_snapshot(code_location: dg.Definitions) -> None:
    expected, found = SNAPSHOT.read_text(encoding="utf-8"), _snapshot(code_location)
    changes = "\n".join(difflib.unified_diff(expected.splitlines(), found.splitlines(), "snapshot", "code", n=0))
    assert found == expected, f"the definitions changed:\n{changes}\nIf that is meant, run: {RENEW}"


def test_the_snapshot_notices_a_change(code_location: dg.Definitions) -> None:
    fewer = dg.Definitions.merge(code_location, dg.Definitions(assets=[dg.AssetSpec(["gold", "another"])]))
    assert _snapshot(fewer) != _snapshot(code_location)


def test_every_asset_is_described(code_location: dg.Definitions) -> None:
    for node in code_location.resolve_asset_graph().asset_nodes:
        lacking = [
            name for name in ("description", "owners", "group_name", "kinds", "code_version") if not getattr(node, name)
        ]
        assert not lacking, f"{node.key.to_user_string()} has no {lacking}"
        assert node.owners == ["team:ratings-platform"]
        assert node.group_name == node.key.path[0]
        assert node.tags["study"] == "market-study"


def test_the_engine_is_that_of_the_setting_and_tables_show_it(tmp_path: Path) -> None:
    for kind, shown in (("duckdb", "parquet"), ("spark", "spark")):
        with environment(tmp_path, engine=kind):
            graph = defs().resolve_asset_graph()
            assert Platform.of(load_settings()).engine.kind == kind
        assert graph.get(dg.AssetKey(["silver", "ratings"])).kinds == {"deltalake", "ibis", shown}
        assert graph.get(dg.AssetKey(["bronze", "movies_netflix"])).kinds == {"deltalake", "polars", shown}


def test_every_table_shows_its_declared_columns(code_location: dg.Definitions) -> None:
    for node in _tables(code_location):
        declared = STUDY.tables[node.key.path[1]]
        schema = node.metadata["dagster/column_schema"]
        assert [(c.name, c.type, c.description) for c in schema.columns] == [
            (c.name, c.type, c.description) for c in declared.columns
        ]
        assert all(column.description for column in schema.columns), node.key


def test_every_derived_table_shows_where_its_columns_come_from(code_location: dg.Definitions) -> None:
    graph = code_location.resolve_asset_graph()
    for node in _tables(code_location):
        if node.key.path[0] == "bronze":
            continue
        lineage = node.metadata["dagster/column_lineage"]
        assert set(lineage.deps_by_column) == {c.name for c in STUDY.tables[node.key.path[1]].columns}, node.key
        for origin in (origin for origins in lineage.deps_by_column.values() for origin in origins):
            assert origin.asset_key in {*node.parent_keys, node.key}
            assert origin.column_name in {
                c.name for c in graph.get(origin.asset_key).metadata["dagster/column_schema"].columns
            }


def test_lineage_of_a_computed_column(code_location: dg.Definitions) -> None:
    fact = code_location.resolve_asset_graph().get(dg.AssetKey(["gold", "fact_rating"]))
    origins = fact.metadata["dagster/column_lineage"].deps_by_column["time_key"]
    assert [(o.asset_key.to_user_string(), o.column_name) for o in origins] == [("silver/ratings", "review_date")]


def test_every_answer_shows_question_and_definition(code_location: dg.Definitions) -> None:
    graph = code_location.resolve_asset_graph()
    for question in STUDY.questions:
        node = graph.get(dg.AssetKey(["answers", question.table.name]))
        assert node.metadata["question"] == question.question
        assert node.metadata["definition"] == question.definition
        assert question.question in (node.description or "")


def _tables(code_location: dg.Definitions) -> Iterator[dg.AssetNode]:
    return (node for node in code_location.resolve_asset_graph().asset_nodes if node.key.path[0] != "raw")


def _snapshot(code_location: dg.Definitions) -> str:
    graph = code_location.resolve_asset_graph()
    lines = [_asset(graph, key) for key in graph.get_all_asset_keys()]
    lines += [_check(graph, key) for key in graph.asset_check_keys]
    repository = code_location.get_repository_def()
    lines += [_job(repository.get_job(name)) for name in repository.job_names if not name.startswith("__")]
    lines += [
        f"schedule {s.name}: {s.cron_schedule} {s.execution_timezone} -> {s.job_name}, {s.default_status.value.lower()}"
        for s in repository.schedule_defs
    ]
    lines += [
        f"sensor {s.name}: {s.sensor_type.value.lower()}"
        f"{' -> ' + s.job_name if s.has_jobs else ''}, {s.default_status.value.lower()}"
        for s in repository.sensor_defs
    ]
    return "\n".join(sorted(lines)) + "\n"


def _asset(graph: dg.AssetGraph, key: dg.AssetKey) -> str:
    node = graph.get(key)
    facts = {
        "kinds": " ".join(sorted(node.kinds)),
        "from": " ".join(sorted(parent.to_user_string() for parent in node.parent_keys)),
        "partitions": _ends(node.partitions_def),
        "pools": " ".join(sorted(node.pools or ())),
        "automation": "follows" if node.automation_condition else "",
    }
    said = ", ".join(f"{name}: {fact}" for name, fact in facts.items() if fact)
    return f"asset {key.to_user_string()} in {node.group_name}; {said}"


def _check(graph: dg.AssetGraph, key: dg.AssetCheckKey) -> str:
    blocking = "blocking" if graph.get_check_spec(key).blocking else "warns"
    return f"check {key.asset_key.to_user_string()}: {key.name}, {blocking}"


def _job(job: dg.JobDefinition) -> str:
    layer = job.asset_layer
    return f"job {job.name}: {len(layer.selected_asset_keys)} assets, {len(layer.asset_graph.asset_check_keys)} checks"


def _ends(partitions: dg.PartitionsDefinition | None) -> str:
    keys = partitions.get_partition_keys() if partitions else []
    return f"{keys[0]}…{keys[-1]} ({len(keys)})" if keys else ""


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, environment(Path(folder)):
        SNAPSHOT.write_text(_snapshot(defs()), encoding="utf-8")
