"""Dagster's records on this machine: the same as Dagster's own storage keeps, in fewer transactions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError

from ratings_platform.orchestration import storage
from ratings_platform.orchestration.running import prepare_home

pytestmark = pytest.mark.integration

FORMER = Path(__file__).parent / "homes"


@dg.asset(check_specs=[dg.AssetCheckSpec("good", asset="numbers")])
def numbers() -> dg.MaterializeResult:  # type: ignore[type-arg]
    return dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=True)])


@contextmanager
def instance_of(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    with dg.DagsterInstance.get() as instance:
        yield instance


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DAGSTER_HOME", "")
    return prepare_home(tmp_path / "dagster")


def seen(instance: dg.DagsterInstance) -> tuple[int, list[str], int, list[str]]:
    """What the UI asks for: runs, events of the first run, materialisations, and how checks ended."""
    runs = instance.get_runs()
    events = [str(log.dagster_event_type) for log in instance.all_logs(runs[-1].run_id)]
    found = instance.fetch_materializations(dg.AssetKey("numbers"), limit=10).records
    checks = instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(dg.AssetKey("numbers"), "good"), limit=10
    )
    return len(runs), events, len(found), [check.status.value for check in checks]


def test_dagsters_own_storage_reads_what_this_one_wrote_and_the_other_way_round(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with instance_of(home, monkeypatch) as ours:
        assert isinstance(ours.event_log_storage, storage._Events)
        assert dg.materialize([numbers], instance=ours).success
        expected = seen(ours)
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    with instance_of(home, monkeypatch) as theirs:
        assert not isinstance(theirs.event_log_storage, storage._Events)
        assert seen(theirs) == expected
        assert dg.materialize([numbers], instance=theirs).success
        more = seen(theirs)
    (home / "dagster.yaml").unlink()
    prepare_home(home)
    with instance_of(home, monkeypatch) as ours:
        assert seen(ours) == more
    assert (expected[0], expected[2:]) == (1, (1, ["SUCCEEDED"]))
    assert (more[0], more[2:]) == (2, (2, ["SUCCEEDED", "SUCCEEDED"]))


def test_an_event_is_one_transaction_in_each_database(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with instance_of(home, monkeypatch) as instance:
        dg.materialize([numbers], instance=instance)
        run = instance.get_runs()[0].run_id
        last = instance.all_logs(run, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)[-1]
        commits: list[str] = []
        engines = {
            name: storage._engine(instance.event_log_storage.conn_string_for_shard(name))  # type: ignore[attr-defined]
            for name in (run, "index")
        }
        for name, engine in engines.items():
            event.listen(engine, "commit", lambda _, name=name: commits.append(name))
        instance.event_log_storage.store_event_batch([last, last, last])
    assert sorted(commits) == sorted([run, "index"])


def test_an_event_that_cannot_be_indexed_is_nowhere(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with instance_of(home, monkeypatch) as instance:
        dg.materialize([numbers], instance=instance)
        run = instance.get_runs()[0].run_id
        stored = instance.all_logs(run, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
        with sqlite3.connect(home / "history" / "runs" / "index.db") as index:
            index.execute(
                "create trigger t before update on asset_check_executions begin select raise(abort, 'refused'); end"
            )
        with pytest.raises(IntegrityError, match="refused"):
            instance.event_log_storage.store_event(stored[0])
        assert len(instance.all_logs(run, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)) == len(stored)


def test_threads_that_write_and_read_at_once_do_not_disturb_each_other(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with instance_of(home, monkeypatch) as instance:
        dg.materialize([numbers], instance=instance)
        run = instance.get_runs()[0].run_id
        (entry, *_) = instance.all_logs(run, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
        with ThreadPoolExecutor(4) as pool:
            writing = [pool.submit(instance.event_log_storage.store_event, entry) for _ in range(40)]
            reading = [pool.submit(seen, instance) for _ in range(10)]
            for one in [*writing, *reading]:
                one.result()
        assert seen(instance)[2] == 10  # of 41, as asked for
        assert len(instance.all_logs(run, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)) == 41


@pytest.mark.parametrize("former", sorted(FORMER.iterdir()), ids=lambda file: file.stem)
def test_settings_of_an_earlier_version_are_replaced(tmp_path: Path, former: Path) -> None:
    home = tmp_path / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_bytes(former.read_bytes())
    prepare_home(home)
    assert "LocalStorage" in (home / "dagster.yaml").read_text(encoding="utf-8")


def test_a_users_own_settings_stay(tmp_path: Path) -> None:
    home = tmp_path / "dagster"
    home.mkdir()
    own = next(FORMER.iterdir()).read_text(encoding="utf-8") + "# mine\n"
    (home / "dagster.yaml").write_text(own, encoding="utf-8")
    prepare_home(home)
    assert (home / "dagster.yaml").read_text(encoding="utf-8") == own
