"""How errors end a step: permanent ones at once, passing ones after some more tries.

Belongs here: the one place where the platform's errors become Dagster's, and the line that is told of a failed step.
Does not belong here: finding errors.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from ratings_platform.schema.errors import PassingError, PlatformError

TRIES = 3
FIRST_WAIT_SECONDS = 2.0


@contextmanager
def as_dagster_failures(previous_tries: int = 0) -> Iterator[None]:
    """Turn a PlatformError into a Failure that is not retried, a PassingError into a retry with doubled waits."""
    try:
        yield
    except PlatformError as error:
        where = {"file": error.file, "line": error.line, "problem": error.problem, "remedy": error.remedy}
        raise dg.Failure(
            description=str(error),
            metadata={name: value for name, value in where.items() if value is not None},
            allow_retries=False,
        ) from error
    except OSError as error:
        raise dg.Failure(
            description=f"{error.filename or 'the system'}: {error.strerror or error}. "
            "Mend what the message names and run again; readers still see the last version.",
            allow_retries=False,
        ) from error
    except PassingError as error:
        if previous_tries >= TRIES:
            raise dg.Failure(description=f"{error}. Given up after {TRIES + 1} tries.", allow_retries=False) from error
        raise dg.RetryRequested(TRIES, seconds_to_wait=FIRST_WAIT_SECONDS * 2**previous_tries) from error


def reason(event: dg.DagsterEvent) -> str:
    """Why a step failed, in one line: the platform's own words, or those of the error that started it all."""
    data = event.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return data.user_failure_data.description
    error = data.error
    while error and error.cause:
        error = error.cause
    return " ".join(error.message.split()) if error else "no reason was given"
