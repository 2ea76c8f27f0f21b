"""Spark's faults as the platform's errors, in one line each.

Belongs here: telling a full disk, want of memory and a lost cluster from faults of the work itself. Does not belong
here: faults of starting Spark (`spark_session`).
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException

from ratings_platform.engines.spark_session import is_lost
from ratings_platform.schema.errors import PlatformError, TransientError, is_disk_full

# Executors died more often than Spark puts up with.
_LOST = re.compile(r"ExecutorLostFailure|FetchFailedException")
# What comes before the words of a Java error: its class, and what Spark puts in front of a task's failure.
_CLASS = re.compile(r"^(?:Caused by: |: )?(?:[\w$]+\.)+[\w$]*(?:Exception|Error)\w*: ")
# An error of a Python worker, behind the lines that lead to it.
_IN_PYTHON = re.compile(r"^.*Traceback \(most recent call last\):\n(?:\s.*\n)+(\S.*)", re.MULTILINE)


@contextmanager
def spark_faults(what: str, root: str | None = None, folder: str | None = None) -> Iterator[None]:
    """Turn faults of Spark while it works on `what` into the platform's errors; remove what it has written so far."""
    try:
        yield
    except (PySparkException, Py4JError, ConnectionError) as error:
        if root and folder:
            shutil.rmtree(Path(root, folder), ignore_errors=True)
        raise _told(what, error, root) from error


def _told(what: str, error: Exception, root: str | None) -> PlatformError | TransientError:
    text = f"{error}\n{getattr(error, '_stackTrace', '')}"
    if is_disk_full(OSError(text)):
        return PlatformError(
            f"the disk is full: {what} could not be written",
            file=root,
            remedy="Free some space and run again; readers still see the last version.",
        )
    if "java.lang.OutOfMemoryError" in text:
        return PlatformError(
            f"Spark ran out of memory over {what}",
            remedy="Raise RATINGS_MEMORY_LIMIT, or on a cluster spark.executor.memory in RATINGS_SPARK_OPTIONS.",
        )
    cause = _cause(text)
    if _LOST.search(text) or is_lost():
        return TransientError(f"Spark was lost at work on {what}: {cause}")
    return PlatformError(
        f"Spark failed over {what}: {cause}", remedy="The run in ratings-platform ui has all its words."
    )


def _cause(text: str) -> str:
    """The words of the error that started it all."""
    if in_python := _IN_PYTHON.search(text):
        return in_python[1]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    causes = [line for line in lines if line.startswith("Caused by: ")]
    last = causes[-1] if causes else next((line for line in lines if _CLASS.match(line)), lines[0])
    return _CLASS.sub("", last)
