"""Vendor files to S3: once each, whole or not at all, and going on where a killed upload stopped."""

from __future__ import annotations

import hashlib
import random
import re
import signal
import time
from collections.abc import Callable
from datetime import timedelta
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import pytest

from ratings_platform.lake import s3_uploads
from ratings_platform.lake.raw import RawStore
from ratings_platform.schema.errors import PlatformError, SourceError, TransientError
from ratings_platform_tests.aws_server import AWSServer
from ratings_platform_tests.lake.faulty_proxy import PART, FaultyProxy, lose_answer, refuse, reset, stall
from ratings_platform_tests.lake.samples import PROCESSES, Lake

pytestmark = pytest.mark.integration

PART_BYTES = 5 << 20  # S3's least
PARTS = 6


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_uploads, "PART_BYTES", PART_BYTES)


@pytest.fixture
def large(tmp_path: Path) -> Path:
    file = tmp_path / "ratings é.tsv"
    file.write_bytes(random.Random(1).randbytes(PART_BYTES * (PARTS - 1) + 1000))  # noqa: S311
    return file


@pytest.fixture
def small(tmp_path: Path) -> Path:
    file = tmp_path / "movies.csv"
    file.write_text("1,2003,A film")
    return file


@pytest.fixture
def raw(far_lake: Lake) -> RawStore:
    return RawStore(far_lake.storage, far_lake.scratch)


def test_a_file_is_kept_under_its_checksum_and_sent_once(
    raw: RawStore, small: Path, large: Path, far_lake: Lake, proxy: FaultyProxy, aws: AWSServer
) -> None:
    for file in (small, large):
        _keep(raw, file)
    names = {re.sub(".*/some/prefix/", "", line.split("?")[0]) for line, _ in proxy.seen("PUT ")}
    assert names == {f"raw/vendor/{_digest(file)[:16]}/{file.name}" for file in (small, large)}
    proxy.begin(aws.url)
    for file in (small, large):
        _keep(raw, file)
    assert proxy.seen("(PUT|POST)") == []


def test_another_machine_reads_the_copy(raw: RawStore, large: Path, far_lake: Lake) -> None:
    _keep(raw, large)
    elsewhere = RawStore(Lake(far_lake.root, far_lake.scratch / "elsewhere").storage, far_lake.scratch)
    copy = elsewhere.copy("vendor", large.name, _digest(large))
    assert copy
    assert (copy.name, copy.read_bytes()) == (large.name, large.read_bytes())


def test_a_copy_that_was_tampered_with_is_refused(
    raw: RawStore, small: Path, far_lake: Lake, bucket: str, s3_client: Any
) -> None:
    _keep(raw, small)
    s3_client.put_object(Bucket=bucket, Key=f"some/prefix/raw/vendor/{_digest(small)[:16]}/{small.name}", Body=b"x")
    with pytest.raises(PlatformError, match=r"movies\.csv: the copy has the checksum 2d71.*Materialise the raw asset"):
        raw.copy("vendor", small.name, _digest(small))
    # What stands there in the name of the file is put right.
    _keep(raw, small)
    copy = raw.copy("vendor", small.name, _digest(small))
    assert copy
    assert copy.read_bytes() == small.read_bytes()


def test_a_killed_upload_goes_on_with_the_parts_that_are_missing(
    large: Path, far_lake: Lake, proxy: FaultyProxy, bucket: str, s3_client: Any, aws: AWSServer
) -> None:
    proxy.spoil("PUT .*partNumber=[456]", stall, 1000)
    ready: Event = PROCESSES.Event()
    process = PROCESSES.Process(target=_upload, args=(ready, far_lake, large))
    process.start()
    assert ready.wait(60)
    _wait_for(lambda: len(proxy.seen("PUT .*partNumber=[456]")) == 3 and len(_parts(s3_client, bucket)) == 3)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL

    proxy.begin(aws.url)
    told: list[int] = []
    raw = RawStore(Lake(far_lake.root, far_lake.scratch / "next").storage, far_lake.scratch)
    raw.keep("vendor", large, _digest(large), lambda: None, lambda _, done, total: told.append(done * 100 // total))
    sent = sorted(int(re.findall(r"partNumber=(\d+)", line)[0]) for line, _ in proxy.seen(PART))
    assert sent == [4, 5, 6]
    assert (told[-1], told) == (100, sorted(told))
    assert _content(s3_client, bucket) == large.read_bytes()
    assert _uploads(s3_client, bucket) == []


def _upload(ready: Event, lake: Lake, file: Path) -> None:
    s3_uploads.PART_BYTES = PART_BYTES
    ready.set()
    _keep(RawStore(lake.storage, lake.scratch), file)


def test_parts_of_other_bytes_are_sent_again(
    raw: RawStore, large: Path, bucket: str, s3_client: Any, proxy: FaultyProxy
) -> None:
    place = {"Bucket": bucket, "Key": f"some/prefix/raw/vendor/{_digest(large)[:16]}/{large.name}"}
    upload = s3_client.create_multipart_upload(**place)["UploadId"]
    content = large.read_bytes()[PART_BYTES : 2 * PART_BYTES]
    for number, body in {1: b"x" * PART_BYTES, 2: content, 3: b"short"}.items():
        s3_client.upload_part(**place, UploadId=upload, PartNumber=number, Body=body)
    _keep(raw, large)
    sent = sorted(int(re.findall(r"partNumber=(\d+)", line)[0]) for line, _ in proxy.seen(PART))
    assert sent == [1, 3, 4, 5, 6]
    assert _content(s3_client, bucket) == large.read_bytes()


def test_parts_are_sent_through_faults_that_pass(
    raw: RawStore, large: Path, bucket: str, s3_client: Any, proxy: FaultyProxy
) -> None:
    proxy.spoil(PART, refuse(503, "SlowDown"))
    proxy.spoil(PART, reset)
    proxy.spoil(PART, lose_answer)
    proxy.spoil("POST .*uploadId=", refuse(500, "InternalError"))
    _keep(raw, large)
    assert len(proxy.seen(PART)) == PARTS + 3
    assert _content(s3_client, bucket) == large.read_bytes()


def test_an_upload_that_fails_midway_sends_no_more_parts_and_goes_on_later(
    raw: RawStore, large: Path, bucket: str, s3_client: Any, proxy: FaultyProxy, aws: AWSServer
) -> None:
    proxy.spoil(PART, refuse(503, "SlowDown"), 1000)
    with pytest.raises(TransientError, match="SlowDown"):
        _keep(raw, large)
    proxy.begin(aws.url)
    _keep(raw, large)
    assert len(proxy.seen(PART)) == PARTS
    assert _content(s3_client, bucket) == large.read_bytes()


@pytest.mark.parametrize("kind", ["small", "large"])
def test_a_file_that_changes_meanwhile_is_not_kept(
    raw: RawStore, kind: str, request: pytest.FixtureRequest, bucket: str, s3_client: Any
) -> None:
    file: Path = request.getfixturevalue(kind)

    def changed() -> None:
        raise SourceError("changed since it was registered", file=str(file), remedy="Again.")

    with pytest.raises(SourceError, match="changed"):
        raw.keep("vendor", file, _digest(file), changed, lambda *_: None)
    assert s3_client.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_uploads_that_nobody_goes_on_with_are_dropped_and_those_of_others_are_not(
    raw: RawStore, bucket: str, s3_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = ("some/prefix/raw/vendor/1/a", "some/prefix/gold/x/b.parquet", "some/prefixed/c", "d")
    for key in keys:
        s3_client.create_multipart_upload(Bucket=bucket, Key=key)
    # The stand-in says of every upload that it began in 2010.
    monkeypatch.setattr(s3_uploads, "_LONGEST_UPLOAD", timedelta(days=365 * 100))
    raw.drop_unfinished()
    assert _uploads(s3_client, bucket) == sorted(keys)
    monkeypatch.undo()
    raw.drop_unfinished()
    assert _uploads(s3_client, bucket) == ["d", "some/prefixed/c"]


def _keep(raw: RawStore, file: Path) -> None:
    raw.keep("vendor", file, _digest(file), lambda: None, lambda *_: None)


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _uploads(client: Any, bucket: str) -> list[str]:
    return sorted(begun["Key"] for begun in client.list_multipart_uploads(Bucket=bucket).get("Uploads", ()))


def _parts(client: Any, bucket: str) -> list[int]:
    """The parts of the only upload that goes on."""
    [begun] = client.list_multipart_uploads(Bucket=bucket)["Uploads"]
    listed = client.list_parts(Bucket=bucket, Key=begun["Key"], UploadId=begun["UploadId"])
    return [part["PartNumber"] for part in listed.get("Parts", ())]


def _content(client: Any, bucket: str) -> bytes:
    """That of the only object."""
    [found] = client.list_objects_v2(Bucket=bucket)["Contents"]
    content = client.get_object(Bucket=bucket, Key=found["Key"])["Body"].read()
    assert isinstance(content, bytes)
    return content


def _wait_for(event: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not event():
        assert time.monotonic() < deadline
        time.sleep(0.05)
