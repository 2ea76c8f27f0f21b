"""The Dagster UI on the platform's data, in a real browser."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
from selenium.common.exceptions import (
    ElementClickInterceptedException,
    StaleElementReferenceException,
    TimeoutException,
)
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support import expected_conditions
from selenium.webdriver.support.ui import WebDriverWait

from ratings_platform_tests.e2e.conftest import RATINGS, Sample
from ratings_platform_tests.e2e.support import Home, rounded

pytestmark = pytest.mark.e2e

YEAR = "2004"
PATIENCE_SECONDS = 60
FLAGS = (
    *("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "disable-background-networking"),
    *("disable-component-update", "disable-sync", "no-first-run", "window-size=1600,1200"),
)

_PASSING = (StaleElementReferenceException, ElementClickInterceptedException)

T = TypeVar("T")


@dataclass(frozen=True)
class Server:
    """The UI at work on a home."""

    home: Home
    address: str

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """What the UI's own GraphQL answers."""
        request = urllib.request.Request(
            f"{self.address}/graphql",
            json.dumps({"query": query, "variables": variables}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
            found = json.load(answer)
        assert "errors" not in found, found
        return found["data"]

    def runs(self) -> list[dict[str, Any]]:
        query = "{ runsOrError { ... on Runs { results { runId jobName status tags { key value } } } } }"
        return self.ask(query)["runsOrError"]["results"]


@pytest.fixture(scope="module")
def server(good_home: Home, clean: Sample, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    place = tmp_path_factory.mktemp("ui")
    home = good_home.copy(place / "home")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = place / "ui.log"
    server = Server(home, f"http://127.0.0.1:{port}")
    with log.open("w") as out:
        program = subprocess.Popen(
            home.command("ui", "--port", port),
            env=home.environment(source=clean.folder),
            stdout=out,
            stderr=out,
            cwd=place,
            start_new_session=True,
        )
    try:
        _until(lambda: _serves(server), lambda: log.read_text())
        yield server
    finally:
        os.killpg(program.pid, signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            program.wait(20)
        with suppress(ProcessLookupError):
            os.killpg(program.pid, signal.SIGKILL)
        program.wait()


def _serves(server: Server) -> bool:
    with suppress(urllib.error.URLError, ConnectionError):
        return bool(server.ask("{ assetNodes { id } }")["assetNodes"])
    return False


def _until(happens: Callable[[], T], told: Callable[[], object]) -> T:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if found := happens():
            return found
        time.sleep(0.3)
    raise AssertionError(told())


@dataclass(frozen=True)
class Page:
    """A browser window. What is not seen in time fails the test and leaves a screenshot."""

    browser: Chrome
    address: str
    place: Path

    def open(self, path: str) -> None:
        self.browser.get(self.address + path)

    def see(self, *texts: str) -> None:
        for text in texts:
            self._wait(lambda _, text=text: text in self.text, text)

    def click(self, xpath: str) -> None:
        self._with(xpath, lambda element: element.click())

    def see_element(self, xpath: str) -> None:
        self._wait(expected_conditions.visibility_of_element_located((By.XPATH, xpath)), xpath)

    def write(self, xpath: str, text: str) -> None:
        self._with(xpath, lambda field: field.send_keys(text, Keys.TAB))

    @property
    def text(self) -> str:
        return self.browser.execute_script("return document.body.innerText")

    def _with(self, xpath: str, act: Callable[[WebElement], None]) -> None:
        """Act on an element once it can be used; the page may put a new one in its place meanwhile."""

        def acted(browser: Chrome) -> bool:
            element = expected_conditions.element_to_be_clickable((By.XPATH, xpath))(browser)
            if element:
                act(element)
            return bool(element)

        self._wait(acted, xpath)

    def _wait(self, condition: Callable[[Chrome], Any], what: str) -> Any:
        try:
            return WebDriverWait(self.browser, PATIENCE_SECONDS, ignored_exceptions=_PASSING).until(condition)
        except TimeoutException:
            picture = self.place / "not-seen.png"
            self.browser.save_screenshot(str(picture))
            raise AssertionError(f"{what!r} is not to be seen; see {picture}\n{self.text}") from None


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.fail("chromium and chromedriver are needed: apt-get install chromium chromium-driver")
    options = ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"user-data-dir={tmp_path_factory.mktemp('browser')}"):
        options.add_argument(f"--{flag}")
    browser = Chrome(options, Service(driver))
    yield browser
    browser.quit()


@pytest.fixture
def page(browser: Chrome, server: Server, tmp_path: Path) -> Page:
    return Page(browser, server.address, tmp_path)


def test_graph_shows_the_layers(page: Page):
    page.open("/asset-groups")
    page.see("Global asset lineage", "raw", "bronze", "silver", "gold", "answers", "warehouse")
    assert "newsletter" not in page.text


def test_it_opens_without_warnings_of_dagsters_own(server: Server):
    assert "Warning" not in (server.home.path.parent / "ui.log").read_text()


def test_run_of_the_command_line_is_listed(page: Page, server: Server):
    (run,) = server.runs()
    assert (run["jobName"], run["status"]) == ("market_study", "SUCCESS")
    page.open("/runs")
    page.see(run["runId"][:8], "market_study", "Success")


def test_asset_page_tells_what_the_table_is(page: Page):
    page.open("/assets/silver/ratings")
    page.see("One row per rating, both vendors together.", "Row count", f"{RATINGS:,}", "Ratings by stars")
    page.see("star_rating", "Stars given, 1 (worst) to 5 (best).", "at most 5")
    page.see("Upstream assets", "bronze / ratings_netflix", "Downstream assets", "gold / fact_rating")
    page.click("//*[contains(text(), 'Ratings by stars')]/following::*[contains(text(), 'Show Markdown')][1]")
    page.see_element("//img[@alt='Ratings by stars' and starts-with(@src, 'data:image/png')]")


def test_checks_have_passed(page: Page):
    page.open("/assets/silver/ratings?view=checks")
    page.see(
        "Checks (5)",
        "columns_and_types",
        "no_row_lost_or_added",
        "years_of_one_delivery",
        "Passed",
        "This is a blocking asset check.",
    )
    assert page.text.count("Succeeded") == 5


def test_year_is_filled_back_from_its_page(page: Page, server: Server, clean: Sample):
    before = {run["runId"] for run in server.runs()}
    page.open("/assets/silver/ratings")
    page.click("//button[contains(., 'Materialize')]")
    page.write("//input[contains(@placeholder, '1995')]", YEAR)
    page.click("//button[contains(., 'Launch')]")

    def ended() -> list[dict[str, Any]]:
        new = [run for run in server.runs() if run["runId"] not in before]
        return [run for run in new if run["status"] in ("SUCCESS", "FAILURE", "CANCELED")]

    (run,) = _until(ended, server.runs)
    assert run["status"] == "SUCCESS"
    tags = {tag["key"]: tag["value"] for tag in run["tags"]}
    assert YEAR in (tags.get("dagster/partition"), tags.get("dagster/asset_partition_range_start"))
    page.open(f"/assets/silver/ratings?view=partitions&partition={YEAR}")
    page.see(f"{YEAR}", run["runId"][:8], "Materialized (21)")
    assert server.home.ratings_everywhere() == {RATINGS}
    assert rounded(server.home.answers()) == clean.answers
