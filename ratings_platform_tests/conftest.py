"""What all tests share: the tiers, an environment of their own, and homes in which a whole study was run.

Belongs here: what tests of several rooms use, made once: for all workers where it takes seconds, for each where it is a
server that tests change. Does not belong here: what only the tests of one room use.
"""

from __future__ import annotations

import fcntl
import gc
import os
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ratings_platform_tests import processes
from ratings_platform_tests.aws_server import AWSServer
from ratings_platform_tests.aws_server import running as aws_server_running
from ratings_platform_tests.lake import faulty_proxy
from ratings_platform_tests.lake.faulty_proxy import FaultyProxy

if TYPE_CHECKING:
    import dagster as dg
    from pyspark.sql import SparkSession

    from ratings_platform_tests.e2e.support import Home
    from ratings_platform_tests.orchestration.stand import Stand

TIERS = {"unit", "integration", "e2e"}
SAMPLE_RATINGS, SAMPLE_SEED = 3_000, 7
# Java that compiles less well, since little data does not pay for more.
QUICK_JAVA = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
SPARK_SECRET = ("spark.hadoop.fs.s3a.secret.key", "s3cr3t-of-s3")
_OURS = ("RATINGS_", "DAGSTER_", "KAGGLE_", "AWS_")
_ROOT = Path(__file__).parents[1]
# Folders and files below this one whose tests are run by one worker, since they use one Spark there.
_ON_SPARK = ("engines/test_spark.py", "engines/test_spark_text.py", "parity/")


def pytest_configure() -> None:
    # Processes that tests start have the tree under test, wherever they begin, and so have Spark's workers.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    # All servers are the tests' own: to read the world's certificates for each connection costs more than to connect.
    os.environ["SSL_CERT_FILE"] = os.devnull
    # What Dagster, Ibis and boto have imported is much to look at for garbage: it takes a fifth of the time.
    gc.set_threshold(50_000, 20, 100)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    _require_tiers(items)
    for item in items:
        file = item.path.relative_to(_ROOT / "ratings_platform_tests").as_posix()
        item.add_marker(pytest.mark.xdist_group("spark" if file.startswith(_ON_SPARK) else file))


def pytest_sessionfinish() -> None:
    processes.stop()


def _require_tiers(items: list[pytest.Item]) -> None:
    """Every test belongs to exactly one tier, so that the tiers together are all tests, each run once."""
    wrong = {item.nodeid.partition("[")[0]: tiers for item in items if len(tiers := _tiers(item)) != 1}
    if wrong:
        listed = "\n".join(f"  {test}: {', '.join(sorted(tiers)) or 'none'}" for test, tiers in wrong.items())
        raise pytest.UsageError(
            f"every test carries exactly one of the marks {', '.join(sorted(TIERS))} (its module's mark counts); "
            f"these do not:\n{listed}"
        )


def _tiers(item: pytest.Item) -> set[str]:
    return TIERS & {mark.name for mark in item.iter_markers()}


@contextmanager
def environment(folder: Path, **settings: object) -> Iterator[None]:
    """Only these settings, and a working directory that holds no `.env`; what is set in between is forgotten."""
    before, place = dict(os.environ), Path.cwd()
    kept = {name: value for name, value in before.items() if not name.startswith(_OURS)}
    _become(kept | {f"RATINGS_{name.upper()}": str(value) for name, value in settings.items()})
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(place)
        _become(before)


def _become(environment: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)


@pytest.fixture(autouse=True)
def _environment_of_its_own(tmp_path: Path) -> Iterator[None]:
    with environment(tmp_path):
        yield


@pytest.fixture(scope="session")
def aws_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AWSServer]:
    """One server for all tests; each takes names of its own there."""
    with aws_server_running(tmp_path_factory.mktemp("aws")) as started:
        yield started


@pytest.fixture
def aws(aws_server: AWSServer, monkeypatch: pytest.MonkeyPatch) -> AWSServer:
    """The environment of a program that uses the server."""
    for name, value in aws_server.environment.items():
        monkeypatch.setenv(name, value)
    return aws_server


@pytest.fixture(scope="session")
def s3_client(aws_server: AWSServer) -> Any:
    return aws_server.client("s3")


@pytest.fixture
def bucket(aws: AWSServer, s3_client: Any) -> str:
    """A bucket of a test's own."""
    name = f"lake-{uuid.uuid4().hex[:12]}"
    s3_client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": aws.region})
    return name


@pytest.fixture(scope="session")
def _proxy_process() -> Iterator[FaultyProxy]:
    with faulty_proxy.running() as proxy:
        yield proxy


@pytest.fixture
def proxy(aws: AWSServer, _proxy_process: FaultyProxy, monkeypatch: pytest.MonkeyPatch) -> FaultyProxy:
    """The network between a test and the server."""
    _proxy_process.begin(aws.url)
    monkeypatch.setenv("AWS_ENDPOINT_URL", _proxy_process.url)
    return _proxy_process


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], SparkSession]:
    """Spark on two cores, one session for all tests; a task may fail once. Nothing is started before it is called."""
    from ratings_platform.engines.spark_session import Sessions
    from ratings_platform.orchestration.resources import new_session
    from ratings_platform.settings import prepare_for_spark

    folder = tmp_path_factory.mktemp("spark")
    java = {"spark.driver.extraJavaOptions": QUICK_JAVA}
    options = {"spark.master": "local[2,2]", SPARK_SECRET[0]: SPARK_SECRET[1], **java}
    return Sessions(lambda: options, prepare_for_spark, new_session, "1.5GB", lambda: folder)


@pytest.fixture(scope="session")
def code_location(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    """The whole code location, with default settings."""
    from ratings_platform.definitions import defs

    with environment(tmp_path_factory.mktemp("code-location")):
        return defs()


@dataclass(frozen=True)
class Built:
    """A home in which a whole study was materialised from `source` by the command; `told` is what that said.

    Nobody changes it: tests work on copies.
    """

    home: Path
    source: Path
    told: str


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder for all workers, filled by the first that asks for it while the others wait; nobody changes it."""
    base = factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, made = base / name, base / f"{name}.made"
    with (base / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            make(folder)
            made.touch()
    return folder


def _built(factory: pytest.TempPathFactory, name: str, command: Callable[[Path], Home]) -> Built:
    """A home of this worker's own, since reading may leave traces in it."""

    def make(folder: Path) -> None:
        folder.mkdir()
        sample = ("sample", folder / "source", "--ratings", SAMPLE_RATINGS, "--seed", SAMPLE_SEED)
        with environment(folder):
            command(folder / "unused").succeed(*sample)
            done = command(folder / "home").call("run", source=folder / "source")
        assert done.returncode == 0, done.stderr
        (folder / "told").write_text(done.stderr, encoding="utf-8")

    place = made_once(factory, name, make)
    home = Path(shutil.copytree(place / "home", factory.mktemp(name) / "home"))
    return Built(home, place / "source", (place / "told").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Everything materialised once, by the command, from a small clean sample."""
    from ratings_platform_tests.e2e.support import Home

    return _built(tmp_path_factory, "built", Home)


@pytest.fixture(scope="session")
def wired(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    """The study's part of the code location, with default settings."""
    from ratings_platform.settings import load_settings
    from ratings_platform.studies.market_study.assets import definitions

    with environment(tmp_path_factory.mktemp("wired")):
        return definitions(load_settings())


@pytest.fixture
def copy_of_home(built: Built, tmp_path: Path) -> Path:
    """A copy of the built home, to change."""
    return Path(shutil.copytree(built.home, tmp_path / "home"))


ReadOnly = Callable[[Path], AbstractContextManager[Path]]


@pytest.fixture
def read_only(tmp_path: Path) -> ReadOnly:
    """Gives a copy of a folder that nobody can write into, nor root."""

    @contextmanager
    def copied(folder: Path) -> Iterator[Path]:
        disk = tmp_path / "read-only"
        disk.mkdir()
        # A mount keeps out root too, who may else write everywhere.
        mounted = _mount(disk, "size=64m")
        if not mounted and os.geteuid() == 0:
            pytest.skip("root may write everywhere, and mounting a disk is not allowed")
        copy = Path(shutil.copytree(folder, disk / "copy"))
        if mounted:
            _mount(disk, "remount,ro")
        for place in () if mounted else [copy, *copy.rglob("*")]:
            place.chmod(0o500 if place.is_dir() else 0o400)
        try:
            yield copy
        finally:
            if mounted:
                subprocess.run(["/bin/umount", str(disk)], check=True)
            for place in () if mounted else [copy, *copy.rglob("*")]:
                place.chmod(0o700)

    return copied


def _mount(folder: Path, options: str) -> bool:
    command = ["/bin/mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.fixture
def new_stand(built: Built, wired: dg.Definitions, copy_of_home: Path) -> Callable[..., Stand]:
    """Makes a stand on a copy of the built home, with settings of its own where given."""
    from ratings_platform.settings import load_settings
    from ratings_platform.studies.market_study.assets import definitions
    from ratings_platform_tests.orchestration.stand import Stand

    def make(**settings: object) -> Stand:
        with environment(copy_of_home, home=copy_of_home, **{"source": built.source, **settings}):
            found = load_settings()
            return Stand(found, definitions(found) if settings.keys() - {"source"} else wired)

    return make


@pytest.fixture
def stand(new_stand: Callable[..., Stand]) -> Stand:
    return new_stand()


@pytest.fixture(scope="session")
def weather_built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The same of the made-up study, for what is not to be seen of one study alone: a run of it costs half as much."""
    from ratings_platform_tests.e2e.support import Weather

    return _built(tmp_path_factory, "weather", Weather)


@pytest.fixture(scope="session")
def weather_wired(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    from ratings_platform.settings import load_settings
    from ratings_platform_tests.made_up.studies.weather.assets import definitions

    with environment(tmp_path_factory.mktemp("weather-wired")):
        return definitions(load_settings())


@pytest.fixture
def new_weather_stand(weather_built: Built, weather_wired: dg.Definitions, tmp_path: Path) -> Callable[..., Stand]:
    """Makes a stand on a copy of the made-up study's home, with settings of its own where given."""
    from ratings_platform.settings import load_settings
    from ratings_platform_tests.made_up.studies.weather.assets import definitions
    from ratings_platform_tests.made_up.weather import STUDY
    from ratings_platform_tests.orchestration.stand import Stand

    home = Path(shutil.copytree(weather_built.home, tmp_path / "weather"))

    def make(**settings: object) -> Stand:
        with environment(home, home=home, **{"source": weather_built.source, **settings}):
            found = load_settings()
            wired = definitions(found) if settings.keys() - {"source"} else weather_wired
            return Stand(found, wired, STUDY)

    return make


@pytest.fixture
def weather_stand(new_weather_stand: Callable[..., Stand]) -> Stand:
    return new_weather_stand()
