"""The code location as Dagster's own tools see it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import dagster as dg
import ibis
import pytest

from ratings_platform.orchestration.build import shared_definitions, study_definitions, warehouse_tables
from ratings_platform.orchestration.running import prepare_home, prepare_ui
from ratings_platform.schema.errors import PlatformError
from ratings_platform.schema.models import Model
from ratings_platform.schema.reading import rejects_table
from ratings_platform.schema.study import Study
from ratings_platform.schema.tables import Column, Table
from ratings_platform.settings import StudySettings, load_settings
from ratings_platform.studies.market_study.study import STUDY
from ratings_platform_tests.conftest import environment

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]


def _tool(home: Path, name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """One of Dagster's programs, run in the repository's folder with a home elsewhere."""
    bare = {"PATH": str(Path(sys.executable).parent), "HOME": str(home), "RATINGS_HOME": str(home)}
    command = [str(Path(sys.executable).with_name(name)), *arguments]
    return subprocess.run(command, cwd=ROOT, env=bare | environment, capture_output=True, text=True, check=False)


def test_the_workspace_is_valid(tmp_path: Path) -> None:
    done = _tool(tmp_path, "dagster", "definitions", "validate", "-w", "workspace.yaml")
    assert done.returncode == 0, done.stderr
    assert "passed" in done.stdout + done.stderr


def test_a_wrong_setting_is_told_when_the_location_loads(tmp_path: Path) -> None:
    done = _tool(tmp_path, "dagster", "definitions", "validate", "-w", "workspace.yaml", RATINGS_ENGINE="abacus")
    assert done.returncode != 0
    assert "RATINGS_ENGINE is 'abacus': Input should be 'duckdb'" in done.stdout + done.stderr


def test_dg_lists_everything(tmp_path: Path, code_location: dg.Definitions) -> None:
    done = _tool(tmp_path, "dg", "list", "defs", "--json")
    assert done.returncode == 0, done.stderr
    listed = json.loads(done.stdout)
    keys = {key.to_user_string() for key in code_location.resolve_asset_graph().get_all_asset_keys()}
    assert {asset["asset_key"] for asset in listed["assets"]} == keys
    assert {job["name"] for job in listed["jobs"]} >= {"market_study", "market_study_by_year", "market_study_checks"}
    assert len(listed["asset_checks"]) == len(code_location.resolve_asset_graph().asset_check_keys)


def _second_study(rejects: str = "second_rejects", names: str = "names") -> Study:
    column = Column("name", "string", "A name.")
    made = Model(
        Table("silver", names, "One row per name.", (column,), ("name",)), lambda: ibis.memtable({"name": ["a"]})
    )
    return Study(
        name="second-study",
        title="Second study",
        years=(2001, 2002),
        vendors=(),
        ingests=(),
        models=(made,),
        questions=(),
        warehouse=(names,),
        settings=StudySettings,
        write_sample=lambda: None,
        rejects=rejects_table(rejects),
    )


def test_a_second_study_stands_beside_the_first() -> None:
    """Nothing that the kernel makes for one study is in the way of another's."""
    settings = load_settings()
    both = [STUDY, _second_study()]
    found = dg.Definitions.merge(shared_definitions(both, settings), *(study_definitions(s, settings) for s in both))
    assert found.resolve_job_def("second_study").asset_layer.executable_asset_keys == {
        dg.AssetKey(path.split("/")) for path in ("bronze/second_rejects", "silver/names", "warehouse/names")
    }


@pytest.mark.parametrize(
    ("second", "name"),
    [
        (_second_study(rejects="rejects"), "rejects"),
        (_second_study(names="dim_time"), "dim_time"),
        (_second_study(names="ratings_netflix"), "ratings_netflix"),
    ],
    ids=["the same layer", "the warehouse", "another layer"],
)
def test_two_studies_with_a_table_of_the_same_name_are_refused(second: Study, name: str) -> None:
    with pytest.raises(PlatformError) as caught:
        shared_definitions([STUDY, second], load_settings())
    assert str(caught.value) == (
        f"table {name} is declared by the studies market-study and second-study. Give it another name in all of them "
        "but one: names of tables are unique over all studies."
    )


def test_the_warehouse_holds_what_each_study_puts_there_and_nothing_else() -> None:
    second = _second_study()
    found = warehouse_tables([STUDY, second])
    assert found[dg.AssetKey(["warehouse", "names"])] == (second, second.tables["names"])
    assert {key.path[1] for key in found} == {*(table.name for table in STUDY.warehouse_tables), "names"}
    assert {(study.name, table) for study, table in found.values()} == {
        (study.name, table) for study in (STUDY, second) for table in study.warehouse_tables
    }


def test_runs_that_a_killed_ui_left_are_ended_unless_a_ui_is_open(tmp_path: Path) -> None:
    def left_running() -> str:
        with dg.DagsterInstance.get() as instance:
            job = dg.GraphDefinition("left").to_job()
            run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
        return run.run_id

    def status(run_id: str) -> dg.DagsterRunStatus:
        with dg.DagsterInstance.get() as instance:
            run = instance.get_run_by_id(run_id)
            assert run
            return run.status

    home = tmp_path / "dagster"
    with environment(tmp_path, home=str(tmp_path)):
        prepare_home(home)
        first = left_running()
        prepare_ui(home)  # holds the lock from now on, as an open UI does
        assert status(first) is dg.DagsterRunStatus.FAILURE
        second = left_running()
        prepare_ui(home)
        assert status(second) is dg.DagsterRunStatus.STARTED
