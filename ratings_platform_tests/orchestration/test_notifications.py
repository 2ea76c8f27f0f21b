"""Failed runs and failed checks are told once each, to the log and to a webhook; the webhook's address to no one."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import dagster as dg
import pytest
from pydantic import SecretStr

from ratings_platform.orchestration.notifications import notifications, tell
from ratings_platform.settings import Settings
from ratings_platform_tests.conftest import Built
from ratings_platform_tests.orchestration.stand import Stand, put

pytestmark = pytest.mark.integration

IN_THE_ADDRESS = "hooks/T0P-S3CRET"


class Webhook(ThreadingHTTPServer):
    """A server that keeps what is posted to it, and answers with `answer`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.texts: list[str] = []
        self.answer = 200

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/{IN_THE_ADDRESS}"


class _Handler(BaseHTTPRequestHandler):
    server: Webhook

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert self.path == f"/{IN_THE_ADDRESS}"
        assert self.headers["Content-Type"] == "application/json"
        assert body.keys() == {"text"}
        self.server.texts.append(body["text"])
        if self.server.answer:
            self.send_response(self.server.answer)
            self.end_headers()
        else:
            self.wfile.write(b"this is no HTTP\r\n\r\n")

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def _served() -> Iterator[Webhook]:
    with Webhook() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with _served() as server:
        yield server


class Listener:
    """A sensor of the platform over the runs of a stand, tick by tick."""

    def __init__(self, stand: Stand, name: str, address: str | None):
        settings = stand.settings.model_copy(update={"webhook": SecretStr(address) if address else None})
        self._sensor = next(sensor for sensor in notifications(settings) if sensor.name == name)
        self._stand, self._cursor = stand, None
        self.tick()  # from here on

    def tick(self) -> None:
        context = dg.build_sensor_context(
            instance=self._stand.instance,
            cursor=self._cursor,
            definitions=self._stand.definitions,
            # The daemon's sensors are those of a repository; runs of the command line belong to none.
            repository_name="__repository__",
        )
        self._cursor = self._sensor.evaluate_tick(context).cursor


def test_a_failed_run_is_told_once(
    stand: Stand, webhook: Webhook, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    listener = Listener(stand, "tell_failed_runs", webhook.address)
    manifest = stand.settings.home / "lake" / "raw" / "netflix_prize.json"
    manifest.write_text(manifest.read_text().replace(str(stand.settings.source), "/no/such/folder"))
    shutil.rmtree(stand.table("bronze/movies_netflix").uri)
    result = stand.run("bronze/movies_netflix")
    assert not result.success
    listener.tick()
    listener.tick()
    (text,) = webhook.texts
    headline, reason = text.splitlines()
    assert headline == f"Run {result.run_id} of market_study failed"
    assert reason.startswith("bronze__movies_netflix: /no/such/folder/movie_titles.csv: ")
    assert text in caplog.messages
    assert IN_THE_ADDRESS not in caplog.text + "".join(capfd.readouterr())


def test_a_run_stopped_by_a_check_names_the_check(stand: Stand, webhook: Webhook) -> None:
    listener = Listener(stand, "tell_failed_runs", webhook.address)
    stand.spoil("gold/dim_product", put("year_released", -1))
    stand.failed_checks()
    listener.tick()
    (text,) = webhook.texts
    assert "gold/dim_product: allowed_values" in text


def test_other_runs_are_not_told(stand: Stand, webhook: Webhook, caplog: pytest.LogCaptureFixture) -> None:
    listeners = [Listener(stand, name, webhook.address) for name in ("tell_failed_runs", "tell_failed_checks")]
    assert stand.run("gold/dim_time").success
    for listener in listeners:
        listener.tick()
    assert not webhook.texts
    assert not [r for r in caplog.records if r.name == "ratings_platform.notifications"]


def test_failed_checks_of_a_run_that_went_through_are_told_once(
    new_stand: Callable[..., Stand], built: Built, webhook: Webhook, tmp_path: Path
) -> None:
    source = Path(shutil.copytree(built.source, tmp_path / "faulty"))
    with (source / "combined_data_1.txt").open("a") as ratings:
        ratings.write("17,9,2003-01-01\n" * 200)
    stand = new_stand(source=source)
    listener = Listener(stand, "tell_failed_checks", webhook.address)
    result = stand.run("raw/netflix_prize", "bronze/movies_netflix", "bronze/ratings_netflix")
    assert result.success
    listener.tick()
    listener.tick()
    (text,) = webhook.texts
    assert text.splitlines() == [
        f"Checks failed in run {result.run_id} of market_study",
        "bronze/ratings_netflix: few_rejects (WARN)",
    ]


@pytest.mark.parametrize("answer", [500, 404, 0])
def test_a_webhook_that_answers_with_an_error_is_logged(
    tmp_path: Path, webhook: Webhook, caplog: pytest.LogCaptureFixture, answer: int
) -> None:
    webhook.answer = answer
    tell(_settings(tmp_path, webhook.address), "Something failed", ["because"])
    assert webhook.texts == ["Something failed\nbecause"]
    _assert_told_and_logged(caplog)


@pytest.mark.parametrize("address", ["http://127.0.0.1:1/{}", "http://no-such-host.invalid/{}"])
def test_a_webhook_out_of_reach_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture, address: str) -> None:
    tell(_settings(tmp_path, address.format(IN_THE_ADDRESS)), "Something failed", ["because"])
    _assert_told_and_logged(caplog)


def test_without_a_webhook_the_log_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tell(_settings(tmp_path, None), "Something failed", ["because", "of this"])
    assert caplog.messages == ["Something failed\nbecause\nof this"]


def _settings(home: Path, address: str | None) -> Settings:
    return Settings(home=home, webhook=SecretStr(address) if address else None)


def _assert_told_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    told, complaint = caplog.records
    assert (told.levelno, told.getMessage()) == (logging.WARNING, "Something failed\nbecause")
    assert complaint.levelno == logging.ERROR
    assert complaint.getMessage().startswith("the webhook could not be told: ")
    assert IN_THE_ADDRESS not in caplog.text
