"""How errors end a step: permanent ones at once, passing ones after some more tries.

Belongs here: the one place where the platform's errors become Dagster's, and the line that is told of a failed step.
Does not belong here: finding errors.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from ratings_platform.schema.errors import PlatformError, TransientError

# The system's errors of which the next try may know nothing: what is there changes under one's hands, and so does the
# way to what lies elsewhere. Those of the disk, of rights and of names stay.
_MAY_PASS = (FileNotFoundError, ConnectionError, TimeoutError, BlockingIOError, InterruptedError)
_MEND = "Mend what the message names and run again; readers still see the last version."
TRIES = 3
FIRST_WAIT_SECONDS = 2.0


@contextmanager
def as_dagster_failures(previous_tries: int = 0) -> Iterator[None]:
    """Turn a PlatformError into a Failure that is not retried, a TransientError into a retry with doubled waits."""
    try:
        yield
    except PlatformError as error:
        where = {"file": error.file, "line": error.line, "problem": error.problem, "remedy": error.remedy}
        raise dg.Failure(
            description=str(error),
            metadata={name: value for name, value in where.items() if value is not None},
            allow_retries=False,
        ) from error
    except (TransientError, *_MAY_PASS) as error:
        if previous_tries >= TRIES:
            said = f"{_words(error)}. Given up after {TRIES + 1} tries."
            raise dg.Failure(description=said, allow_retries=False) from error
        raise dg.RetryRequested(TRIES, seconds_to_wait=FIRST_WAIT_SECONDS * 2**previous_tries) from error
    except OSError as error:
        raise dg.Failure(description=f"{_words(error)}. {_MEND}", allow_retries=False) from error


def _words(error: Exception) -> str:
    if not isinstance(error, OSError):
        return str(error)
    return f"{error.filename or 'the system'}: {error.strerror or error}"


def reason(event: dg.DagsterEvent) -> str:
    """Why a step failed, in one line: the platform's own words, or those of the error that started it all."""
    data = event.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return data.user_failure_data.description
    error = data.error
    while error and error.cause:
        error = error.cause
    return " ".join(error.message.split()) if error else "no reason was given"
