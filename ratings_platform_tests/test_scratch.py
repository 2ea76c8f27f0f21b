"""Folders of processes: one each, whoever else begins at the same moment, and none of a process that is no more."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pytest

from ratings_platform.scratch import own_folder

pytestmark = pytest.mark.integration

# Processes that end as the command's do, with what they registered for their end.
PROCESSES = multiprocessing.get_context("spawn")


def test_a_folder_lasts_as_long_as_its_process_however_that_ends(tmp_path: Path) -> None:
    for end in (_killed, _told_to_end):
        process, here = _started(_own, tmp_path)
        folder = Path(here.recv())
        assert (folder / "file").read_text() == "mine"
        # Another process begins meanwhile: it removes nothing of a living one.
        other, answer = _started(_own, tmp_path)
        assert Path(answer.recv()) != folder
        assert (folder / "file").exists()
        _told_to_end(other, answer)
        end(process, here)
    _, here = _started(_own, tmp_path)
    last = Path(here.recv())
    assert list(tmp_path.iterdir()) == [last]
    here.send("end")


def test_processes_that_begin_and_end_at_once_keep_what_they_have_written(tmp_path: Path) -> None:
    together, rounds = PROCESSES.Barrier(3), 60
    started = [_started(_own_often, tmp_path, together, rounds) for _ in range(3)]
    assert [here.recv() for _, here in started] == [rounds] * 3
    for process, _ in started:
        process.join(60)
    assert list(tmp_path.iterdir()) == []


def _started(target: Callable[..., None], *args: Any) -> tuple[Any, Connection]:
    here, there = PROCESSES.Pipe()
    process = PROCESSES.Process(target=target, args=(there, *args))
    process.start()
    return process, here


def _own(pipe: Connection, root: Path) -> None:
    folder = own_folder(root)
    (folder / "file").write_text("mine")
    pipe.send(str(folder))
    pipe.recv()


def _own_often(pipe: Connection, root: Path, together: Barrier, rounds: int) -> None:
    """How often a new folder kept what was written while others began too."""
    kept = 0
    for number in range(rounds):
        own_folder.cache_clear()
        together.wait(60)
        file = own_folder(root) / str(number)
        file.write_text("mine")
        together.wait(60)
        kept += file.read_text() == "mine"
    pipe.send(kept)


def _killed(process: Any, _: Connection) -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.join(60)


def _told_to_end(process: Any, here: Connection) -> None:
    here.send("end")
    process.join(60)
