from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from kagglesdk import kaggle_env
from pydantic import SecretStr

from ratings_platform.schema.errors import PlatformError, TransientError
from ratings_platform.settings import kaggle_login
from ratings_platform.sources import kaggle
from ratings_platform.sources.kaggle import Patience, fetch
from ratings_platform_tests.sources.kaggle_server import (
    DOWNLOAD,
    LIST,
    STORAGE,
    KaggleServer,
    drop_after,
    hang_up,
    status,
)

pytestmark = pytest.mark.integration

TITLES = b"1,2003,Dinosaur Planet\n"
RATINGS = bytes(range(256)) * 12_000  # about 3 MB: several chunks
QUICK = Patience(tries=4, wait=0.01)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[KaggleServer]:
    for name in [name for name in os.environ if name.startswith("KAGGLE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KAGGLE_API_TOKEN", "s3cret-token")
    held = {"movie_titles.csv": TITLES, "deep/down/combined_data_1.txt": RATINGS, "huge.bin": b"never asked for"}
    with KaggleServer(files=held).running() as running:
        monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, running.address)
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "raw"


def one(server: KaggleServer, folder: Path, name: str = "combined_data_1.txt", patience: Patience = QUICK) -> Path:
    (path,) = fetch(server.dataset, [name], folder, login=kaggle_login(), patience=patience)
    return path


def contents(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def zipped(**members: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return packed.getvalue()


def test_fetches_the_named_files_only(server: KaggleServer, folder: Path) -> None:
    server.page_size = 1
    seen: list[tuple[str, int, int]] = []
    paths = fetch(
        server.dataset,
        ["movie_titles.csv", "COMBINED_data_1.txt"],
        folder,
        login=kaggle_login(),
        progress=lambda *step: seen.append(step),
        patience=QUICK,
    )
    assert [path.name for path in paths] == ["movie_titles.csv", "combined_data_1.txt"]
    assert [path.read_bytes() for path in paths] == [TITLES, RATINGS]
    assert contents(folder) == ["combined_data_1.txt", "movie_titles.csv"]
    assert len(server.asked(LIST)) == 3
    assert seen[-1] == ("combined_data_1.txt", len(RATINGS), len(RATINGS))
    done = [step[1] for step in seen[1:]]
    assert len(done) > 1
    assert done == sorted(done)


def test_a_complete_file_is_not_fetched_again(server: KaggleServer, folder: Path) -> None:
    before = one(server, folder).stat().st_mtime_ns
    assert one(server, folder).stat().st_mtime_ns == before
    assert len(server.asked(DOWNLOAD)) == 1


def test_a_file_of_another_size_is_fetched_again(server: KaggleServer, folder: Path) -> None:
    folder.mkdir()
    (folder / "combined_data_1.txt").write_bytes(RATINGS[:-1])
    assert one(server, folder).read_bytes() == RATINGS


def test_keeps_the_zip_that_kaggle_sends(server: KaggleServer, folder: Path) -> None:
    server.sent["deep/down/combined_data_1.txt"] = (
        "deep/down/combined_data_1.txt.zip",
        zipped(**{"combined_data_1.txt": RATINGS}),
    )
    path = one(server, folder)
    assert path.name == "combined_data_1.txt.zip"
    with zipfile.ZipFile(path) as archive:
        assert archive.read("combined_data_1.txt") == RATINGS
    assert one(server, folder) == path
    assert len(server.asked(DOWNLOAD)) == 1


def test_takes_a_file_that_is_offered_as_a_zip(server: KaggleServer, folder: Path) -> None:
    server.files["ratings.tsv.zip"] = zipped(**{"ratings.tsv": RATINGS})
    path = one(server, folder, "ratings.tsv")
    assert path.name == "ratings.tsv.zip"
    assert path.read_bytes() == server.files["ratings.tsv.zip"]
    assert one(server, folder, "ratings.tsv") == path
    assert len(server.asked(DOWNLOAD)) == 1


def test_the_key_stays_with_kaggle(
    server: KaggleServer, folder: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    server.faults[STORAGE] = [status(503), drop_after(10)]
    with caplog.at_level(logging.INFO):
        one(server, folder)
    assert all("Authorization" in headers for headers in server.asked(LIST) + server.asked(DOWNLOAD))
    assert not any("Authorization" in headers for headers in server.asked(STORAGE))
    assert len(caplog.records) == 2
    printed = capsys.readouterr()
    assert "s3cret" not in caplog.text + printed.out + printed.err


def test_a_broken_download_goes_on_where_it_stopped(server: KaggleServer, folder: Path) -> None:
    server.faults[STORAGE] = [drop_after(2_000_000)]
    assert one(server, folder).read_bytes() == RATINGS
    first, *_, last = server.asked(STORAGE)
    assert "Range" not in first
    start = int(last["Range"].removeprefix("bytes=").removesuffix("-"))
    assert 0 < start <= 2_000_000
    assert contents(folder) == ["combined_data_1.txt"]


def test_a_later_call_goes_on_where_an_earlier_stopped(server: KaggleServer, folder: Path) -> None:
    server.faults[STORAGE] = [drop_after(2_000_000)]
    with pytest.raises(TransientError, match="connection failed"):
        one(server, folder, patience=Patience(tries=1))
    (part,) = folder.glob("*.part")
    had = part.stat().st_size
    assert had > 0
    assert one(server, folder).read_bytes() == RATINGS
    assert server.asked(STORAGE)[-1]["Range"] == f"bytes={had}-"


def test_two_versions_are_never_mixed(server: KaggleServer, folder: Path) -> None:
    server.faults[STORAGE] = [drop_after(2_000_000)]
    with pytest.raises(TransientError):
        one(server, folder, patience=Patience(tries=1))
    server.files["deep/down/combined_data_1.txt"] = newer = RATINGS[::-1]
    assert one(server, folder).read_bytes() == newer
    assert server.asked(STORAGE)[-1].get("Range") is None
    assert contents(folder) == ["combined_data_1.txt"]


def test_a_server_that_knows_no_ranges_sends_all_again(server: KaggleServer, folder: Path) -> None:
    def whole(handler) -> None:
        del handler.headers["Range"]
        handler.serve()

    # The second request asks for the whole, before the range is asked for.
    server.faults[STORAGE] = [drop_after(2_000_000), lambda handler: handler.serve(), whole]
    assert one(server, folder, patience=Patience(tries=2, wait=0.01)).read_bytes() == RATINGS


def test_a_file_of_the_wrong_size_is_refused(server: KaggleServer, folder: Path) -> None:
    server.sent["movie_titles.csv"] = ("movie_titles.csv", b"<html>")
    with pytest.raises(TransientError, match=r"6 bytes came where Kaggle lists 23"):
        one(server, folder, "movie_titles.csv")
    assert contents(folder) == []


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (401, "credentials.*kaggle.com/settings/api"),
        (403, "https://www.kaggle.com/datasets/vendor/ratings and accept its terms"),
        (404, "no such dataset or file"),
        (418, "418"),
    ],
)
@pytest.mark.parametrize("route", [LIST, DOWNLOAD])
def test_a_refusal_is_explained_and_not_repeated(
    server: KaggleServer, folder: Path, route: str, code: int, says: str
) -> None:
    server.faults[route] = [status(code)]
    with pytest.raises(PlatformError, match=says) as caught:
        one(server, folder)
    assert len(server.asked(route)) == 1
    assert "\n" not in str(caught.value)


def test_a_dataset_that_is_not_there(server: KaggleServer, folder: Path) -> None:
    with pytest.raises(PlatformError, match="no such dataset"):
        fetch("vendor/other", ["movie_titles.csv"], folder, login=kaggle_login(), patience=QUICK)


def test_a_name_that_is_no_dataset(server: KaggleServer, folder: Path) -> None:
    with pytest.raises(PlatformError, match="OWNER/DATASET"):
        fetch("ratings", ["movie_titles.csv"], folder, login=kaggle_login(), patience=QUICK)


def test_a_file_that_the_dataset_lacks_stops_before_any_download(server: KaggleServer, folder: Path) -> None:
    names = ["movie_titles.csv", "combined_data_9.txt"]
    with pytest.raises(PlatformError, match=r"has no file combined_data_9\.txt"):
        fetch(server.dataset, names, folder, login=kaggle_login(), patience=QUICK)
    assert not server.asked(DOWNLOAD)


@pytest.mark.parametrize("route", [LIST, DOWNLOAD, STORAGE])
def test_passing_faults_are_met_with_patience(server: KaggleServer, folder: Path, route: str) -> None:
    server.faults[route] = [status(500), status(500), hang_up]
    assert one(server, folder).read_bytes() == RATINGS
    assert len(server.asked(route)) == 4


@pytest.mark.parametrize("fault", [status(500), status(429), hang_up])
def test_patience_ends(server: KaggleServer, folder: Path, fault) -> None:
    server.faults[LIST] = [fault] * 10
    with pytest.raises(TransientError):
        one(server, folder)
    assert len(server.asked(LIST)) == QUICK.tries


def test_a_server_that_says_nothing(server: KaggleServer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kaggle, "_TIMEOUT", (1, 0.1))
    server.faults[STORAGE] = [lambda handler: time.sleep(0.5)]
    with pytest.raises(TransientError, match="ReadTimeout"):
        one(server, folder, patience=Patience(tries=1))


def test_asks_for_bytes_that_are_not_packed_on_the_way(server: KaggleServer, folder: Path) -> None:
    one(server, folder)
    assert server.asked(STORAGE)[0]["Accept-Encoding"] == "identity"


def test_waits_as_long_as_kaggle_asks(server: KaggleServer, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    server.faults[LIST] = [status(429, Retry_After="1")]
    assert one(server, folder).read_bytes() == RATINGS
    assert "429" in caplog.text
    assert "trying again in 1.0 s" in caplog.text


def test_leaves_a_long_wait_to_the_caller(server: KaggleServer, folder: Path) -> None:
    server.faults[LIST] = [status(429, Retry_After="3600")]
    with pytest.raises(TransientError, match="429"):
        one(server, folder)
    assert len(server.asked(LIST)) == 1


def test_nobody_answers(server: KaggleServer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, "http://127.0.0.1:9")
    with pytest.raises(TransientError, match="connection failed"):
        one(server, folder)


def test_missing_credentials_ask_nobody(
    server: KaggleServer, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("KAGGLE_API_TOKEN")
    with pytest.raises(PlatformError, match=r"no Kaggle credentials are set.*KAGGLE_API_TOKEN"):
        one(server, folder)
    assert server.requests == []
    assert capsys.readouterr() == ("", "")


def test_wrong_credentials(server: KaggleServer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", "s3cret-but-wrong")
    with pytest.raises(PlatformError, match="refuses the credentials") as caught:
        one(server, folder)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("way", ["kaggle.json", "access_token"])
def test_other_ways_to_sign_in(
    server: KaggleServer, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, way: str
) -> None:
    monkeypatch.delenv("KAGGLE_API_TOKEN")
    kept = tmp_path / "home" / ".kaggle"
    kept.mkdir(parents=True)
    match way:
        case "kaggle.json":
            (kept / way).write_text('{"username": "ann", "key": "s3cret-key"}')
        case "access_token":
            (kept / way).write_text("s3cret-token\n")
    assert one(server, folder).read_bytes() == RATINGS


def test_signs_in_with_the_login_that_it_is_given_and_reads_none_itself(
    server: KaggleServer, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", "s3cret-but-wrong")
    kept = tmp_path / "home" / ".kaggle"
    kept.mkdir(parents=True)
    (kept / "access_token").write_bytes("s3cret-but-wrong".encode("utf-16"))
    (kept / "kaggle.json").write_text('["s3cret"]')
    with pytest.raises(PlatformError, match="no Kaggle credentials are set"):
        fetch(server.dataset, ["movie_titles.csv"], folder, patience=QUICK)
    for login in (SecretStr("s3cret-token"), ("ann", SecretStr("s3cret-key"))):
        (path,) = fetch(server.dataset, ["movie_titles.csv"], folder, login=login, patience=QUICK)
        assert path.read_bytes() == TITLES
        path.unlink()


@pytest.mark.parametrize("token", ["s3cret-token\r", " s3cret-token\n", "\ufeffs3cret-token"])
def test_a_token_with_what_was_copied_along_will_do(
    server: KaggleServer, folder: Path, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", token)
    assert one(server, folder).read_bytes() == RATINGS


def test_more_bytes_than_the_disk_has_are_refused_before_they_come(server: KaggleServer, folder: Path) -> None:
    def announce(handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(10**18))
        handler.end_headers()
        handler.close_connection = True

    server.faults[STORAGE] = [announce]
    with pytest.raises(PlatformError, match=r"1,000,000,000,000,000,000 bytes are needed"):
        one(server, folder)


def test_a_full_disk(server: KaggleServer, folder: Path) -> None:
    server.faults[STORAGE] = [drop_after(10)]
    with pytest.raises(TransientError):
        one(server, folder, patience=Patience(tries=1))
    (part,) = folder.glob("*.part")
    part.unlink()
    part.symlink_to("/dev/full")
    with pytest.raises(PlatformError, match="the disk is full") as caught:
        one(server, folder)
    assert str(folder) in str(caught.value)
    part.unlink()
    assert one(server, folder).read_bytes() == RATINGS


def test_two_runs_do_not_write_one_file(server: KaggleServer, folder: Path) -> None:
    second: list[str] = []

    def meanwhile(handler) -> None:
        with pytest.raises(TransientError) as caught:
            one(server, folder, patience=Patience(tries=1))
        second.append(str(caught.value))
        handler.serve()

    # The first run holds its lock while it asks for the rest of a file.
    server.faults[STORAGE] = [drop_after(2_000_000), lambda handler: handler.serve(), meanwhile]
    assert one(server, folder).read_bytes() == RATINGS
    assert "another run is downloading" in second[0]


def test_fetching_neither_signs_in_nor_prints_on_import() -> None:
    program = (
        "import sys, ratings_platform.sources.kaggle; print('kaggle' in sys.modules or 'kagglesdk' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (result.stdout, result.stderr) == ("False\n", "")
