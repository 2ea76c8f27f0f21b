"""A Spark cluster on this machine: a standalone master and two workers, as processes of their own, from pip's PySpark.

Belongs here: starting and stopping it, seeing which executors are at work, and killing one of them. Does not belong
here: what runs on it.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pyspark

from ratings_platform_tests.conftest import QUICK_JAVA

HOST = "127.0.0.1"
PATIENCE_SECONDS = 90
_CLASSES = "org.apache.spark.deploy"


@dataclass(frozen=True)
class Cluster:
    """A running cluster; what one application at a time does on it can be seen at its own web address."""

    master: str
    workers: tuple[int, ...]
    folder: Path
    port: int

    @property
    def options(self) -> str:
        """What an application is told, so that it is small and can be watched."""
        options = {
            "spark.driver.host": HOST,
            "spark.driver.memory": "1g",
            "spark.driver.extraJavaOptions": QUICK_JAVA,
            "spark.executor.memory": "700m",
            "spark.executor.extraJavaOptions": QUICK_JAVA,
            "spark.sql.shuffle.partitions": 2,
            "spark.ui.enabled": "true",
            "spark.ui.port": self.port,
            "spark.ui.liveUpdate.period": 0,
            "spark.eventLog.enabled": "true",
            "spark.eventLog.compress": "false",
            "spark.eventLog.dir": (self.folder / "events").as_uri(),
        }
        return json.dumps(options)

    def kill_an_executor_at_work(self, still_wanted: Callable[[], bool]) -> bool:
        """Kill an executor in the middle of a task; False when that is no longer wanted before there was one.

        It is frozen first: a task that is still at work when all news of the executor must have come is in its midst.
        """
        while still_wanted():
            for executor in self._executors_at_work():
                pid = self._processes().get(executor)
                if pid is None:
                    continue
                os.kill(pid, signal.SIGSTOP)
                time.sleep(0.4)
                if executor in self._executors_at_work():
                    os.kill(pid, signal.SIGKILL)
                    return True
                os.kill(pid, signal.SIGCONT)
            time.sleep(0.01)
        return False

    def tasks_lost(self) -> int:
        """How many tasks ended with their executor, as the driver tells."""
        logs = [file for file in (self.folder / "events").rglob("*") if file.is_file()]
        ends = [line for file in logs for line in file.read_text(encoding="utf-8").splitlines() if "TaskEnd" in line]
        return sum(json.loads(line)["Task End Reason"]["Reason"] == "ExecutorLostFailure" for line in ends)

    def _executors_at_work(self) -> set[str]:
        try:
            of_application = f"http://{HOST}:{self.port}/api/v1/applications"
            executors = _json(f"{of_application}/{_json(of_application)[0]['id']}/executors")
        except (URLError, OSError, IndexError, ValueError):
            return set()
        return {e["id"] for e in executors if e["id"] != "driver" and e["activeTasks"] > 0}

    def _processes(self) -> dict[str, int]:
        """The processes of the executors by their ids."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                command, status = (folder / "cmdline").read_text(), (folder / "stat").read_text()
            except OSError:
                continue
            executor = re.search(r"\0--executor-id\0(\d+)", command)
            if executor and int(status.rpartition(")")[2].split()[1]) in self.workers:
                found[executor[1]] = int(folder.name)
        return found


@contextmanager
def running(folder: Path) -> Iterator[Cluster]:
    """A master and two workers with one core each."""
    (folder / "events").mkdir(parents=True)
    port, web, application = (_free_port() for _ in range(3))
    master = f"spark://{HOST}:{port}"
    with ExitStack() as stack:
        place = ["--host", HOST, "--webui-port"]
        stack.enter_context(_process(folder, f"{_CLASSES}.master.Master", "--port", port, *place, web))
        workers = [
            stack.enter_context(
                _process(
                    folder, f"{_CLASSES}.worker.Worker", *place, 0, "-c", 1, "-m", "1g", "-d", folder / "work", master
                )
            )
            for _ in range(2)
        ]
        _wait_for(lambda: _json(f"http://{HOST}:{web}/json/")["aliveworkers"] == 2)
        yield Cluster(master, tuple(worker.pid for worker in workers), folder, application)


@contextmanager
def _process(folder: Path, java_class: str, *arguments: object) -> Iterator[subprocess.Popen[bytes]]:
    home = Path(pyspark.__file__).parent
    environment = {
        **os.environ,
        "SPARK_HOME": str(home),
        "SPARK_DAEMON_MEMORY": "128m",
        "SPARK_DAEMON_JAVA_OPTS": QUICK_JAVA,
        "SPARK_LOCAL_DIRS": str(folder / "local"),
        "PYSPARK_PYTHON": sys.executable,
    }
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [str(home / "bin/spark-class"), java_class, *map(str, arguments)],
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind((HOST, 0))
        return int(found.getsockname()[1])


def _json(address: str) -> Any:
    with urlopen(address, timeout=10) as answer:
        return json.load(answer)


def _wait_for(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            if happened():
                return
        except (URLError, OSError, ValueError):
            pass
        assert time.monotonic() < deadline, "the cluster did not start"
        time.sleep(0.1)
