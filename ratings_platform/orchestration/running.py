"""Runs from the command line: through Dagster, in this process, recorded where the UI looks.

Belongs here: the instance's home, starting a run, and following its events. Does not belong here: how progress is
shown (`cli`), and what runs.
"""

from __future__ import annotations

import fcntl
import logging
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.errors import DagsterAssetCheckFailedError
from sqlalchemy.exc import DBAPIError

from ratings_platform.orchestration.automation import name, of_study
from ratings_platform.orchestration.failures import reason
from ratings_platform.orchestration.notifications import failed_checks_of
from ratings_platform.orchestration.partitions import range_tags
from ratings_platform.orchestration.recording import unopened, unrecorded
from ratings_platform.schema.study import Study
from ratings_platform.scratch import own_folder, sweep

# Tag of runs from the command line: the process that they live and die with. Its prefix hides it in the UI.
PROCESS = ".dagster/ratings_platform_process"

# The instance settings of earlier versions, unchanged by anyone: these are ours to replace.
_FORMER_SETTINGS = {
    "5de63976eb20563b02430a81c3509ac9421e2dafe16e1a480c646685b1f1ad4b",
    "9d5d78d2a90ddeef5ecbaefbd06f5dafb9cb95dc56a8f83d9f7253c64e480325",
    "f505086fd53ea1f83b9e4ae993d64b1284c9efcd5f9882d7995958ff178e154e",
}


@dataclass(frozen=True)
class Progress:
    """Something that happened in a run, by `kind`: a step `began` or `ended`, or it `said` or `murmured` something.

    Murmurs are for a display that is overwritten. `done` of `steps` are finished; `steps` is 0 until it is known.
    """

    step: str | None
    kind: str
    message: str
    done: int
    steps: int


@dataclass(frozen=True)
class Outcome:
    """How a run ended. `errors` are one line each; `failed_checks` as `asset: check (severity)`."""

    run_id: str
    success: bool
    errors: tuple[str, ...]
    failed_checks: tuple[str, ...]


def run_study(
    defs: dg.Definitions,
    study: Study,
    home: Path,
    years: Sequence[int],
    only: Sequence[str],
    listen: Callable[[Progress], None],
) -> Outcome:
    """Materialise a study, or `only` the assets named `layer/table`, for a range of years in a single run."""
    job = defs.resolve_job_def(name(study))
    chosen = [dg.AssetKey(key.split("/")) for key in only] or None
    return _execute(job, home, listen, tags=range_tags(years), asset_selection=chosen)


def check_study(defs: dg.Definitions, study: Study, home: Path, listen: Callable[[Progress], None]) -> Outcome:
    """Run the asset checks of a study alone, on what is materialised."""
    job = defs.resolve_job_def(name(study, "_checks"))
    return _execute(job, home, listen)


def assets_of(defs: dg.Definitions, study: Study) -> list[str]:
    """The study's assets, as `layer/table`."""
    graph = defs.resolve_asset_graph()
    return sorted(key.to_user_string() for key in of_study(study).resolve(graph))


def prepare_ui(home: Path) -> None:
    """Make the home ready for a UI that takes this process's place, and end runs whose process was killed before.

    Runs that a UI started have no process of ours to ask for; while no other UI is open on the home, none is alive.
    """
    with recorded_in(home) as instance:
        _end_killed_runs(instance, home / "processes", of_the_ui=_is_only_ui(home))


def _is_only_ui(home: Path) -> bool:
    """Whether no other UI is open; if so, a lock says that this one is, until its process ends."""
    handle = os.open(home / "ui.lock", os.O_RDWR | os.O_CREAT)
    os.set_inheritable(handle, True)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def prepare_home(home: Path) -> Path:
    """Make Dagster's home with our instance settings, unless a user has put their own there; returns it."""
    home.mkdir(parents=True, exist_ok=True)
    config = home / "dagster.yaml"
    if not config.exists() or sha256(config.read_bytes()).hexdigest() in _FORMER_SETTINGS:
        config.write_bytes(resources.files("ratings_platform").joinpath("dagster.yaml").read_bytes())
    os.environ["DAGSTER_HOME"] = str(home)
    # Events that come in one go, as those of many years, go into one transaction.
    os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", "1000")
    return home


def _execute(job: dg.JobDefinition, home: Path, listen: Callable[[Progress], None], **how: Any) -> Outcome:
    errors: list[str] = []
    with recorded_in(home) as instance:
        processes = home / "processes"
        _end_killed_runs(instance, processes)
        tags = {**how.pop("tags", {}), PROCESS: own_folder(processes).name}
        run_id = str(uuid.uuid4())
        instance.add_event_listener(run_id, _listener(instance, listen, errors))
        result = job.execute_in_process(
            instance=instance,
            run_id=run_id,
            tags=tags,
            raise_on_error=False,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            **how,
        )
        # Several steps may have met with the same fault.
        return Outcome(run_id, result.success, tuple(dict.fromkeys(errors)), tuple(failed_checks_of(instance, run_id)))


@contextmanager
def recorded_in(home: Path) -> Iterator[dg.DagsterInstance]:
    """The instance of a home; raises PlatformError when runs cannot be recorded there, whatever the cause."""
    try:
        opened = _opened(home)
    except Exception as error:  # of all kinds: the file of settings is the user's own
        raise unopened(home, error) from None
    try:
        with opened as instance:
            yield instance
    except (DBAPIError, OSError) as error:
        raise unrecorded(home, error) from error


def _opened(home: Path) -> dg.DagsterInstance:
    prepare_home(home)
    return dg.DagsterInstance.get()


def _end_killed_runs(instance: dg.DagsterInstance, processes: Path, *, of_the_ui: bool = False) -> None:
    """Tell Dagster of runs whose process was killed: it takes them for running, and keeps their places in the pools."""
    sweep(processes)
    unfinished = [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
    for run in instance.get_runs(dg.RunsFilter(statuses=unfinished)):
        process = run.tags.get(PROCESS)
        if not (processes / process).exists() if process else of_the_ui:
            instance.report_run_failed(run, "The process of the run was killed.")
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)


def _listener(
    instance: dg.DagsterInstance, listen: Callable[[Progress], None], errors: list[str]
) -> Callable[[dg.EventLogEntry], None]:
    done, steps = 0, 0
    # Dagster also logs, for each step after a failed one, that it is not begun: the error says it all.
    begun: set[str | None] = {None}

    def on_event(entry: dg.EventLogEntry) -> None:
        nonlocal done, steps
        event = entry.dagster_event
        steps = steps or _step_count(instance, entry.run_id)
        if event is None:
            if entry.step_key not in begun:
                return
            kind = "murmured" if int(entry.level) <= logging.DEBUG else "said"
            listen(Progress(entry.step_key, kind, entry.user_message, done, steps))
        elif event.is_step_start:
            begun.add(entry.step_key)
            listen(Progress(entry.step_key, "began", "", done, steps))
        elif event.is_step_success or event.is_step_failure or event.is_step_skipped:
            done += 1
            if event.is_step_failure and not _is_failed_check(event):
                errors.append(reason(event))
            listen(Progress(entry.step_key, "ended", "", done, steps))

    return on_event


def _is_failed_check(event: dg.DagsterEvent) -> bool:
    """Failed checks are told as such, each by its name."""
    error = event.step_failure_data.error
    return error is not None and error.cls_name == DagsterAssetCheckFailedError.__name__


def _step_count(instance: dg.DagsterInstance, run_id: str) -> int:
    """Steps of a run's plan; 0 while there is none."""
    run = instance.get_run_by_id(run_id)
    if run is None or run.execution_plan_snapshot_id is None:
        return 0
    return len(instance.get_execution_plan_snapshot(run.execution_plan_snapshot_id).steps)
