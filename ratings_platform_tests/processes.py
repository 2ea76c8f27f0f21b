"""Processes of the tests' own: begun from one that has imported everything, since imports cost more than most tests.

Belongs here: how such processes begin. Does not belong here: what is done in them.
"""

from __future__ import annotations

import os
from multiprocessing import context, forkserver
from pathlib import Path
from typing import Any

# Imported and not used: engines hang when they are forked at work, so that no process is a copy of one that used them.
_IMPORTED = [
    "pytest",
    "boto3",
    "ratings_platform.lake.s3",
    "ratings_platform_tests.lake.samples",
    "ratings_platform.engines.duckdb",
    "ratings_platform.warehouse.duckdb",
    "ratings_platform.warehouse.mysql",
]


class _Process(context.ForkServerProcess):
    """A process in the environment and folder of the one that asks for it, not of the one it is a copy of."""

    def __init__(self, *arguments: Any, **named: Any):
        super().__init__(*arguments, **named)
        self._environment, self._folder = dict(os.environ), Path.cwd()

    def run(self) -> None:
        os.environ.clear()
        os.environ.update(self._environment)
        os.chdir(self._folder)
        super().run()


class _Context(context.ForkServerContext):
    Process = _Process  # type: ignore[assignment]


PROCESSES = _Context()
PROCESSES.set_forkserver_preload(_IMPORTED)


def stop() -> None:
    """End the process that the others are copies of."""
    forkserver._forkserver._stop()  # type: ignore[attr-defined]
