"""Permanent errors end a step at once; passing ones are tried again, each time after twice the wait."""

import errno
import os
from collections.abc import Callable
from itertools import pairwise

import dagster as dg
import pytest

from ratings_platform.orchestration import failures
from ratings_platform.orchestration.failures import TRIES, as_dagster_failures, reason
from ratings_platform.schema.errors import PlatformError, SourceError, TransientError
from ratings_platform_tests.orchestration.stand import QUIET

pytestmark = pytest.mark.unit


def _run(work: Callable[[int], None]) -> dg.ExecuteInProcessResult:
    """Run a step in Dagster that is told how often it was tried before."""

    @dg.op
    def step(context: dg.OpExecutionContext) -> None:
        with as_dagster_failures(context.retry_number):
            work(context.retry_number)

    @dg.job
    def job() -> None:
        step()

    return job.execute_in_process(raise_on_error=False, run_config=QUIET)


def _events(result: dg.ExecuteInProcessResult, kind: dg.DagsterEventType) -> list[dg.DagsterEvent]:
    return [event for event in result.all_events if event.event_type is kind]


def _failure(result: dg.ExecuteInProcessResult) -> dg.DagsterEvent:
    (event,) = _events(result, dg.DagsterEventType.STEP_FAILURE)
    return event


def test_a_permanent_error_is_not_tried_again() -> None:
    tries = []

    def work(before: int) -> None:
        tries.append(before)
        raise SourceError("too few fields", file="ratings.tsv", line=7, remedy="Fetch the file again.")

    event = _failure(_run(work))
    said = event.step_failure_data.user_failure_data
    assert tries == [0]
    assert said
    assert said.description == "ratings.tsv, line 7: too few fields. Fetch the file again."
    assert {name: value.value for name, value in said.metadata.items()} == {
        "file": "ratings.tsv",
        "line": 7,
        "problem": "too few fields",
        "remedy": "Fetch the file again.",
    }
    assert reason(event) == said.description


def test_what_is_not_known_of_an_error_is_left_out() -> None:
    with pytest.raises(dg.Failure) as raised, as_dagster_failures():
        raise PlatformError("it broke", remedy="Mend it.")
    assert raised.value.metadata.keys() == {"problem", "remedy"}
    assert raised.value.allow_retries is False


def test_a_passing_error_is_tried_again_after_doubled_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "FIRST_WAIT_SECONDS", 0.01)
    tries = []

    def work(before: int) -> None:
        tries.append(before)
        raise TransientError("the server is busy")

    result = _run(work)
    event = _failure(result)
    waits = [e.step_retry_data.seconds_to_wait for e in _events(result, dg.DagsterEventType.STEP_UP_FOR_RETRY)]
    assert tries == list(range(TRIES + 1))
    assert waits == [0.01, 0.02, 0.04]
    assert all(later == 2 * earlier for earlier, later in pairwise(waits))
    assert reason(event) == "the server is busy. Given up after 4 tries."


@pytest.mark.parametrize("number", [errno.ENOENT, errno.ECONNRESET, errno.ETIMEDOUT, errno.EAGAIN, errno.EINTR])
def test_an_error_of_the_system_that_may_pass_is_tried_again(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr(failures, "FIRST_WAIT_SECONDS", 0.01)

    def once(before: int) -> None:
        if before == 0:
            raise OSError(number, os.strerror(number))

    def always(_: int) -> None:
        raise OSError(number, os.strerror(number), "lake/raw/vendor.json.a1.part")

    assert _run(once).success
    said = reason(_failure(_run(always)))
    assert said == f"lake/raw/vendor.json.a1.part: {os.strerror(number)}. Given up after 4 tries."


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EISDIR, errno.ENAMETOOLONG])
def test_an_error_of_the_system_that_stays_is_not_tried_again(number: int) -> None:
    tries = []

    def work(before: int) -> None:
        tries.append(before)
        raise OSError(number, os.strerror(number), "lake/gold")

    said = reason(_failure(_run(work)))
    assert tries == [0]
    assert said == (
        f"lake/gold: {os.strerror(number)}. "
        "Mend what the message names and run again; readers still see the last version."
    )


def test_a_passing_error_that_passes_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "FIRST_WAIT_SECONDS", 0.01)

    def work(before: int) -> None:
        if before < 2:
            raise TransientError("the server is busy")

    assert _run(work).success


def test_the_first_wait_is_two_seconds() -> None:
    with pytest.raises(dg.RetryRequested) as raised, as_dagster_failures(0):
        raise TransientError("the server is busy")
    assert (raised.value.max_retries, raised.value.seconds_to_wait) == (3, 2.0)


def test_the_reason_of_any_other_error_is_what_started_it_in_one_line() -> None:
    def work(_: int) -> None:
        try:
            raise KeyError("a column")
        except KeyError as error:
            raise RuntimeError("it is\n  not there") from error

    assert reason(_failure(_run(work))) == "KeyError: 'a column'"


def test_an_error_over_many_lines_is_told_in_one() -> None:
    def work(_: int) -> None:
        raise RuntimeError("it is\n\n  not there")

    assert reason(_failure(_run(work))) == "RuntimeError: it is not there"
