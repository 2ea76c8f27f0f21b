"""How Spark is started: what it needs, what it is told, and where its words go.

Belongs here: the options of a session that nobody asked for, the look for Java, and starting the Java process. Does
not belong here: reading settings, and using a session (`spark`).
"""

from __future__ import annotations

import logging
import os
import pwd
import re
import shutil
import subprocess
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import pyspark
from py4j.protocol import Py4JError
from pyspark import SparkConf, SparkContext
from pyspark.errors import PySparkException, PySparkRuntimeError
from pyspark.find_spark_home import _find_spark_home
from pyspark.java_gateway import launch_gateway
from pyspark.logger import PySparkLogger
from pyspark.sql import SparkSession

from ratings_platform.schema.errors import PlatformError

LOCAL = "local"
_DRIVER_JAVA = "spark.driver.extraJavaOptions"
_JAVA = 17
_OTHERWISE = (
    "Install one (Debian: apt-get install openjdk-17-jre-headless) and set JAVA_HOME, or set RATINGS_ENGINE=duckdb."
)
# What has to be known before Java runs, and what is never told as an argument, as Spark itself tells secrets.
_EARLY = re.compile(r"spark[.](?:master$|driver[.]|jars|submit[.]|files$|archives$|local[.]|yarn[.]|kubernetes[.])")
_SECRET = re.compile(r"secret|password|token|credential|access[.]?key|account[.]?key", re.IGNORECASE)
# Before the words of Java's log: when, how grave, and who.
_LOG_HEAD = re.compile(r"^\d\d/\d\d/\d\d \d\d:\d\d:\d\d [A-Z]+ [\w.$]+: ")
_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12} | {
    "KIB": 2**10,
    "MIB": 2**20,
    "GIB": 2**30,
    "TIB": 2**40,
}


class Sessions:
    """Gives the process's session: made when it is first asked for, and made anew once a cluster has ended it.

    `options` are those that were given; `java` is asked for the program that Spark will start, which is None where
    Java runs already; `create` makes a session from options once it runs. Files that no one needs afterwards go into
    `scratch()`.
    """

    def __init__(
        self,
        options: Callable[[], Mapping[str, str]],
        java: Callable[[], str | None],
        create: Callable[[Mapping[str, str]], SparkSession],
        memory_limit: str,
        scratch: Callable[[], Path],
    ):
        self._options, self._java, self._create = options, java, create
        self._memory_limit, self._scratch = memory_limit, scratch
        self._session: SparkSession | None = None

    def __call__(self) -> SparkSession:
        if self._session is None or is_lost():
            self._session = self._started()
        return self._session

    def _started(self) -> SparkSession:
        given, java, scratch = self._options(), self._java(), self._scratch()
        if java is not None:
            require_java(java)
            require_spark(Path(_find_spark_home()))
            given = placed(given, self._memory_limit, scratch)
        options = {**defaults(scratch), **given}
        log = scratch / "spark.log"
        _forget_the_lost()
        start_java(options, log)
        return _connected(self._create, options, log)


def defaults(scratch: Path) -> dict[str, str]:
    """What is better said wherever Spark runs."""
    return {
        "spark.app.name": "ratings-platform",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        # Tables are files that the lake knows of: no metastore, and no warehouse folder of Spark's own.
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.warehouse.dir": f"file://{scratch}/spark-warehouse",
        # Few files are written, each of a good size, however many cores there are.
        "spark.sql.files.minPartitionNum": "1",
        "spark.sql.files.maxPartitionBytes": "32m",
    }


def placed(given: Mapping[str, str], memory_limit: str, scratch: Path) -> dict[str, str]:
    """The given options, and where Spark runs, and what it may use of this machine."""
    master = given.get("spark.master", f"{LOCAL}[*]")
    here = {
        "spark.driver.memory": f"{max(_bytes(memory_limit) >> 20, 512)}m",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.local.dir": str(scratch / "spark"),
        "spark.sql.shuffle.partitions": "8",
    }
    # What a killed Java leaves is then removed with the rest of its process.
    told = {"java.io.tmpdir": scratch} | ({"user.home": _home(scratch)} if _is_unnamed() else {})
    java = " ".join([*(_java_option(name, value) for name, value in told.items()), given.get(_DRIVER_JAVA, "")]).strip()
    return {**(here if master.startswith(LOCAL) else {}), **given, "spark.master": master, _DRIVER_JAVA: java}


def _java_option(name: str, value: Path) -> str:
    """A property of Java as Spark takes options apart."""
    escaped = re.sub(r'(["\\])', r"\\\1", str(value))
    return f'"-D{name}={escaped}"'


def _is_unnamed() -> bool:
    """Whether the system has no name for this user, as in containers: then Java does not know where he is at home."""
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        return True
    return False


def _home(scratch: Path) -> Path:
    try:
        home = Path.home()
    except RuntimeError:
        return scratch
    return home if home.is_absolute() else scratch


def require_java(program: str) -> None:
    """Raise PlatformError when the program is no Java of the version that Spark needs."""
    try:
        told = subprocess.run([program, "-version"], capture_output=True, text=True, timeout=60, check=False).stderr
    except OSError:
        where = program if "/" in program else None
        remedy = _too_far_down(Path(program)) or _OTHERWISE
        raise PlatformError(
            f"Spark needs Java {_JAVA} or later, and there is none", file=where, remedy=remedy
        ) from None
    found = re.search(r'version "(?:1\.)?(\d+)', told)
    if found is None or int(found[1]) < _JAVA:
        version = f"Java {found[1]}" if found else "something else"
        raise PlatformError(
            f"Spark needs Java {_JAVA} or later, and this is {version}",
            file=shutil.which(program) or program,
            remedy=_OTHERWISE,
        )


def _too_far_down(program: Path) -> str | None:
    """The remedy where JAVA_HOME, below which the program was sought, names the folder bin or what is in it."""
    named = program.parent.parent
    folder = named if named.name == "bin" else named.parent
    if folder.name == "bin" and (folder / "java").is_file():
        return f"JAVA_HOME is to name the folder above bin: {folder.parent}"
    return None


def require_spark(home: Path) -> None:
    """Raise PlatformError when Spark's folder holds none that this Python can speak to."""
    remedy = f"Unset it, since Spark {pyspark.__version__} comes with the platform, or name one of that version."
    if not (home / "bin" / "spark-submit").is_file():
        problem = "SPARK_HOME names no Spark: there is no bin/spark-submit"
        raise PlatformError(problem, file=str(home), remedy=remedy)
    cores = (re.fullmatch(r"spark-core_[\d.]+-(\d+\.\d+)(\S*)\.jar", jar.name) for jar in (home / "jars").glob("*.jar"))
    found = next(filter(None, cores), None)
    if found and not pyspark.__version__.startswith(f"{found[1]}."):
        problem = f"SPARK_HOME names Spark {found[1]}{found[2]}, which cannot be used from here"
        raise PlatformError(problem, file=str(home), remedy=remedy)


def start_java(options: Mapping[str, str], log: Path) -> None:
    """Start Spark's Java process, unless this process has one; what it prints goes into `log`.

    It is told all options later on; among its arguments, which others on the machine can read, are only those that it
    has to know now, and no secrets.
    """
    if SparkContext._gateway is not None:
        return
    conf = SparkConf(loadDefaults=False)
    conf.setAll([(name, value) for name, value in options.items() if _EARLY.match(name) and not _SECRET.search(name)])
    with log.open("ab") as stream:
        try:
            gateway = launch_gateway(conf, {"stdout": stream, "stderr": stream})
        except (PySparkRuntimeError, OSError) as error:
            raise PlatformError(
                f"Spark's Java process did not start: {_wrong(log)[0]}",
                remedy="Look at the options in RATINGS_SPARK_OPTIONS and RATINGS_SPARK_OPTIONS_FILE.",
            ) from error
    SparkContext._ensure_initialized(gateway=gateway)
    if _is_unnamed():  # Hadoop would ask the system for the name, and fail
        users = gateway.jvm.org.apache.hadoop.security.UserGroupInformation
        users.setLoginUser(users.createRemoteUser(str(os.getuid())))
    # What these log as pages of JSON is in the errors that they log.
    for name in ("SQLQueryContextLogger", "DataFrameQueryContextLogger"):
        PySparkLogger.getLogger(name).setLevel(logging.CRITICAL + 1)


def _connected(
    create: Callable[[Mapping[str, str]], SparkSession], options: Mapping[str, str], log: Path
) -> SparkSession:
    try:
        return create(options)
    except (Py4JError, PySparkException) as error:
        master = options.get("spark.master", "its cluster")
        raise PlatformError(
            # An address may hold a password.
            f"Spark could not be started on {'its cluster' if '@' in master else master}: {_wrong(log)[-1]}",
            remedy="Look whether that master runs and can be reached from here: RATINGS_SPARK_MASTER names it.",
        ) from error


def is_lost() -> bool:
    """Whether the process's Spark has ended, by itself or with its cluster or its Java process."""
    context = SparkContext._active_spark_context
    try:
        return context is None or context._jsc is None or bool(context._jsc.sc().isStopped())
    except (Py4JError, OSError):
        return True


def _forget_the_lost() -> None:
    """PySpark keeps to its session and its Java process, even when these are no more."""
    context = SparkContext._active_spark_context
    if context is None or not is_lost():
        return
    with warnings.catch_warnings(action="ignore"), suppress(OSError):  # which say that Java may have crashed
        context.stop()
    SparkContext._active_spark_context = SparkSession._instantiatedSession = None
    process = getattr(SparkContext._gateway, "proc", None)
    if process is not None and process.poll() is not None:
        SparkContext._gateway = SparkContext._jvm = None


def _wrong(log: Path) -> list[str]:
    """What Java said was wrong, a line each; at least one."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    wrong = [line for line in lines if re.search(r"Error|Exception|ERROR|Invalid|Unrecognized|Could not", line)]
    return [" ".join(_LOG_HEAD.sub("", line).split()) for line in wrong or lines[-1:] or ["it said nothing"]]


def _bytes(size: str) -> int:
    """A size as settings spell it, for example 2.5GB."""
    found = re.fullmatch(r"([\d.]+)\s*(\w+)", size)
    return int(float(found[1]) * _UNITS[found[2].upper()]) if found else 0
