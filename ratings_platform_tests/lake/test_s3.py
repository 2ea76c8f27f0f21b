"""A lake on S3 behind a network that fails: what passes is borne, what does not is told at once, nothing is lost."""

from __future__ import annotations

import json
import re
import time
import traceback
from collections.abc import Callable
from datetime import date
from functools import partial
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ratings_platform.lake import s3_faults, s3_uploads, tables
from ratings_platform.lake.raw import RawStore
from ratings_platform.lake.tables import LakeTable
from ratings_platform.schema.errors import PlatformError, TransientError
from ratings_platform.schema.files import DataFile, Scan
from ratings_platform_tests.aws_server import AWSServer
from ratings_platform_tests.lake.faulty_proxy import (
    COMMIT,
    LISTING,
    PATIENCE_SECONDS,
    FaultyProxy,
    delay,
    lose_answer,
    refuse,
    reset,
    stall,
    truncate,
)
from ratings_platform_tests.lake.samples import MARKS, PATIENCE, PLAIN, Lake, Row, error_of, put

pytestmark = pytest.mark.integration

OLD: list[Row] = [("a", 1, date(2001, 5, 1)), ("b", 2, date(2002, 5, 1))]
NEW: list[Row] = [("x", 5, date(2001, 6, 1)), ("y", 5, date(2002, 6, 1))]

DATA = r" .*data\.parquet"
LOG = r"GET .*/_delta_log/\d+\.json"
LAST_CHECKPOINT = "GET .*_last_checkpoint"
BUSY = refuse(503, "SlowDown")
BROKEN = refuse(500, "InternalError")
ENOUGH = PATIENCE.tries - 1


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "_WAITS", (0.02, 0.05))


@pytest.fixture
def table(far_lake: Lake) -> LakeTable:
    table = far_lake.table(MARKS)
    table.publish(put(table, OLD), info={"run": "old"})
    return table


# --- faults that pass ----------------------------------------------------------------------------------------------


def test_versions_are_published_once_through_faults_that_pass(
    table: LakeTable, far_lake: Lake, proxy: FaultyProxy
) -> None:
    faults = [
        (f"PUT{DATA}", BUSY, ENOUGH),
        (f"PUT{DATA}", reset, 1),
        (f"PUT{DATA}", lose_answer, 1),
        (COMMIT, BUSY, 2 * ENOUGH),
        (COMMIT, reset, 2),
        (COMMIT, lose_answer, 1),
        (LISTING, BROKEN, ENOUGH),
        (LISTING, truncate, 1),
        (LOG, reset, 1),
        (LAST_CHECKPOINT, BUSY, 1),
    ]
    for version, (request, fault, times) in enumerate(faults, 1):
        rows = [(str(version), 1, NEW[0][2]), NEW[1]]
        proxy.spoil(request, fault, times)
        assert table.publish(put(table, rows), info={"run": version}) == version
        assert (far_lake.rows(table.scan()), table.info()) == (rows, {"run": version})


def test_a_table_is_created_once_though_the_answer_is_lost(far_lake: Lake, proxy: FaultyProxy) -> None:
    table = far_lake.table(MARKS)
    proxy.spoil(COMMIT, lose_answer)
    assert table.publish(put(table, OLD), follows=table.scan()) == table.scan().version == 0
    assert far_lake.rows(table.scan()) == OLD


def test_content_that_follows_a_version_is_published_though_the_answer_is_lost(
    table: LakeTable, far_lake: Lake, proxy: FaultyProxy
) -> None:
    proxy.spoil(COMMIT, lose_answer)
    assert table.publish(put(table, NEW), follows=table.scan()) == 1
    assert far_lake.rows(table.scan()) == NEW


def test_rows_are_read_through_faults_that_pass(table: LakeTable, far_lake: Lake, proxy: FaultyProxy) -> None:
    for request, fault in product((f"GET{DATA}", LOG, LISTING), (BUSY, reset, truncate)):
        proxy.spoil(request, fault)
        assert _fetched(far_lake, table.scan()) == OLD


def test_an_answer_that_never_comes_is_asked_for_again(table: LakeTable, far_lake: Lake, proxy: FaultyProxy) -> None:
    begun = time.monotonic()
    for request in (f"GET{DATA}", LISTING, COMMIT):
        proxy.spoil(request, stall)
    assert table.publish(put(table, NEW)) == 1
    assert far_lake.rows(table.scan()) == NEW
    assert time.monotonic() - begun < PATIENCE_SECONDS / 2


def test_a_fault_that_lasts_is_left_to_the_caller_and_readers_see_the_last_version(
    table: LakeTable, far_lake: Lake, proxy: FaultyProxy, aws: AWSServer
) -> None:
    for request in (f"PUT{DATA}", COMMIT):
        proxy.spoil(request, BUSY, 1000)
        with pytest.raises(TransientError, match=r"^s3://.*: S3 cannot do this now \(SlowDown\)$"):
            table.publish(put(table, NEW))
        proxy.begin(aws.url)
        assert far_lake.rows(table.scan()) == OLD


# --- faults that do not --------------------------------------------------------------------------------------------


def test_what_does_not_pass_is_told_at_once(table: LakeTable, proxy: FaultyProxy, aws: AWSServer) -> None:
    """Whether the Delta library made the request or AWS's own; no request is made twice."""
    answers = {
        (403, "AccessDenied"): "access is denied .* Allow s3:ListBucket",
        (403, "InvalidAccessKeyId"): "credentials are not accepted .* AWS_ACCESS_KEY_ID",
        (403, "SignatureDoesNotMatch"): "credentials are not accepted .* AWS_SECRET_ACCESS_KEY",
        (400, "ExpiredToken"): "credentials are not accepted .* AWS_PROFILE",
        (404, "NoSuchBucket"): "there is no such bucket .* Create it, or correct RATINGS_LAKE",
        (400, "AuthorizationHeaderMalformed"): "another region .* AWS_REGION",
        (403, "RequestTimeTooSkewed"): "clock is wrong",
        (403, "QuotaExceeded"): "storage is full",
        (400, "InvalidArgument"): "S3 refuses this .* reference",
    }
    files = put(table, NEW)
    calls = {LISTING: table.scan, COMMIT: lambda: table.publish([]), f"PUT{DATA}": lambda: table.publish(files)}
    for ((status, code), remedy), (request, call) in product(answers.items(), calls.items()):
        proxy.begin(aws.url)
        proxy.spoil(request, refuse(status, code), 1000)
        told = _error_of(call)
        assert re.search(rf"^s3://\S+: .*{remedy}", told), told
        assert code in told
        seen = [line for line, _ in proxy.seen(request)]
        assert len(set(seen)) == len(seen)


def test_a_bucket_in_another_region_is_told_at_once(table: LakeTable, proxy: FaultyProxy) -> None:
    proxy.spoil(LISTING, refuse(301, "PermanentRedirect"), 1000)
    assert "another region" in _error_of(table.scan)
    assert "AWS_REGION" in _error_of(table.scan)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"AWS_ENDPOINT_URL": "http://no-such-host.invalid"}, "the server's name is not known.* AWS_ENDPOINT_URL"),
        ({"AWS_ENDPOINT_URL": "nonsense"}, "Invalid endpoint: nonsense.* AWS_ENDPOINT_URL"),
        ({"AWS_PROFILE": "nobody"}, "nobody.* could not be found.* AWS_PROFILE"),
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "Unable to locate credentials.* AWS_ACCESS_KEY_ID"),
        ({"AWS_REGION": "not a region"}, "not a region.* AWS_REGION"),
        (
            {"AWS_SESSION_TOKEN": "s3cret\ns3cret"},
            "(a credential cannot be used|with these credentials).* AWS_ACCESS_KEY_ID",
        ),
    ],
    ids=["unknown host", "no address", "unknown profile", "no credentials", "no region", "no token"],
)
def test_wrong_settings_are_told_at_once(
    s3_lake: Lake, settings: dict[str, str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    table = s3_lake.table(MARKS)
    for call in (table.scan, partial(s3_lake.storage.read, "raw/x.json"), partial(table.publish, put(table, OLD))):
        begun = time.monotonic()
        error = _error_of(call)
        assert re.search(rf"^{s3_lake.root}\S*: .*{told}", error), error
        assert "s3cret" not in error
        assert time.monotonic() - begun < 8


def test_a_bucket_that_is_not_there(aws: AWSServer, tmp_path: Path) -> None:
    lake = Lake("s3://there-is-no-such-bucket/lake", tmp_path)
    for call in (lake.table(MARKS).scan, partial(lake.storage.read, "raw/x.json")):
        assert _error_of(call) == (
            "s3://there-is-no-such-bucket/lake: there is no such bucket (NoSuchBucket). "
            "Create it, or correct RATINGS_LAKE."
        )


def test_a_user_who_may_do_nothing(aws: AWSServer, s3_lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    key, secret = aws.new_user(f"user-of-{s3_lake.root[5:22]}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    with aws.checking_permissions():
        for call in (s3_lake.table(MARKS).scan, partial(s3_lake.storage.read, "raw/x.json")):
            error = _error_of(call)
            assert "access is denied (AccessDenied). Allow s3:ListBucket" in error
            assert key not in error


def test_the_rights_that_are_asked_for_are_enough(
    aws: AWSServer, s3_lake: Lake, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"user-of-{bucket}"
    key, secret = aws.new_user(name)
    allowed = [
        {"Action": re.findall(r"s3:\w+", words), "Resource": f"arn:aws:s3:::{bucket}{below}", "Effect": "Allow"}
        for words, below in zip(s3_faults.PERMISSIONS.split(" on the bucket, "), ("", "/some/prefix/*"), strict=True)
    ]
    # The stand-in asks for the right to remove many files on the bucket itself.
    allowed.append({"Action": "s3:DeleteObject", "Resource": f"arn:aws:s3:::{bucket}", "Effect": "Allow"})
    policy = json.dumps({"Version": "2012-10-17", "Statement": allowed})
    aws.client("iam").put_user_policy(UserName=name, PolicyName="lake", PolicyDocument=policy)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    monkeypatch.setattr(s3_uploads, "PART_BYTES", 5 << 20)
    file = tmp_path / "vendor.csv"
    file.write_bytes(b"x" * (6 << 20))
    with aws.checking_permissions():
        table, raw = s3_lake.table(MARKS), RawStore(s3_lake.storage, tmp_path)
        table.publish(put(table, OLD))
        table.publish(put(table, NEW))
        assert s3_lake.rows(table.scan()) == NEW
        assert len(table.vacuum(hours=0)) == len(OLD)
        raw.keep("vendor", file, "digest", lambda: None, lambda *_: None)
        raw.save("vendor", [])
        assert raw.load("vendor") == []
        s3_lake.storage._client.create_multipart_upload(Bucket=bucket, Key="some/prefix/raw/left")
        raw.drop_unfinished()


def test_a_disk_without_room_for_copies_is_named(table: LakeTable, far_lake: Lake) -> None:
    told = error_of(_fetch, far_lake, largest_file=100)
    assert re.match("PlatformError: /.*/lake: the disk is full. Free some space there", told)


def _fetch(lake: Lake) -> None:
    _fetched(lake, lake.table(MARKS).scan())


def test_what_servers_repeat_of_a_request_is_told_to_nobody(table: LakeTable, proxy: FaultyProxy) -> None:
    for request, call in {LISTING: table.scan, f"PUT{DATA}": lambda: table.publish(put(table, NEW))}.items():
        proxy.spoil(request, refuse(403, "SignatureDoesNotMatch", "x-amz-security-token:s3cret"), 1000)
        with pytest.raises(PlatformError) as caught:
            call()
        assert "s3cret" not in "".join(traceback.format_exception(caught.value))


def test_a_data_file_that_is_gone_is_named(table: LakeTable, far_lake: Lake) -> None:
    gone = Scan(MARKS, table.uri, (DataFile("part-1/year=2001/data.parquet", 1, 1, year=2001),))
    with pytest.raises(PlatformError, match=r"s3://.*/silver/marks/part-1/year=2001/data\.parquet: a file .* is gone"):
        far_lake.rows(gone)


# --- how much is asked for -----------------------------------------------------------------------------------------


def test_a_table_is_read_without_listing_anything_but_its_own_log(
    table: LakeTable, far_lake: Lake, proxy: FaultyProxy, aws: AWSServer
) -> None:
    far_lake.table(PLAIN).publish([])
    proxy.begin(aws.url)
    assert far_lake.rows(table.scan()) == OLD
    prefixes = {re.search("prefix=([^&]*)", request.line)[1] for request in proxy.seen(LISTING)}  # type: ignore[index]
    assert prefixes == {"some/prefix/silver/marks/_delta_log/"}
    assert {request.line.split()[1].split("?")[0] for request in proxy.seen("GET .*parquet")} == {
        f"/{far_lake.root[5:]}/silver/marks/{file.path}" for file in table.scan().files
    }


def test_a_log_that_was_opened_before_is_opened_again_only_when_it_is_another(
    table: LakeTable, far_lake: Lake, proxy: FaultyProxy, aws: AWSServer, bucket: str, s3_client: Any
) -> None:
    reader = Lake(far_lake.root, far_lake.scratch / "another").table(MARKS)
    assert reader.scan() == table.scan()
    proxy.begin(aws.url)
    assert reader.scan() == table.scan()
    assert len(proxy.seen()) == len(proxy.seen(LISTING))
    table.publish(put(table, NEW))
    assert reader.scan() == table.scan()
    assert reader.scan().version == 1
    # Someone removes the table and makes another one with as many versions.
    found = s3_client.list_objects_v2(Bucket=bucket, Prefix="some/prefix/silver/marks/_delta_log/")["Contents"]
    s3_client.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": one["Key"]} for one in found]})
    assert reader.scan().version is None
    for _ in range(2):
        table.publish(put(table, OLD))
    assert (reader.scan().version, far_lake.rows(reader.scan())) == (1, OLD)


def test_files_are_fetched_once_and_those_just_written_never(
    table: LakeTable, far_lake: Lake, proxy: FaultyProxy, aws: AWSServer
) -> None:
    local = far_lake.storage.local(table.scan())
    assert all(Path(path).is_file() for path in local.paths)
    assert proxy.seen("GET .*parquet") == []
    for _ in range(2):
        far_lake.rows(table.scan())
        far_lake.rows(table.scan([2001]))
    assert len(proxy.seen("GET .*parquet")) == len(local.paths)


def test_credentials_and_endpoint_may_stand_in_a_profile(
    s3_lake: Lake, aws: AWSServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config"
    config.write_text(
        f"[profile me]\nregion = {aws.region}\nendpoint_url = {aws.url}\n"
        f"aws_access_key_id = {aws.key}\naws_secret_access_key = {aws.secret}\n"
    )
    for name in ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_PROFILE", "me")
    table = s3_lake.table(MARKS)
    table.publish(put(table, OLD))
    assert s3_lake.rows(table.scan()) == OLD


def test_an_endpoint_for_s3_alone_comes_first(s3_lake: Lake, aws: AWSServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://no-such-host.invalid")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", aws.url)
    table = s3_lake.table(MARKS)
    table.publish(put(table, OLD))
    assert s3_lake.rows(table.scan()) == OLD


def test_files_that_the_lake_has_are_not_sent_again(
    table: LakeTable, far_lake: Lake, proxy: FaultyProxy, aws: AWSServer
) -> None:
    reader = Lake(far_lake.root, far_lake.scratch / "another")
    for storage in (far_lake.storage, reader.storage):
        storage.local(table.scan())
        LakeTable(storage, MARKS).publish(table.scan().files)
    assert len(proxy.seen("PUT .*parquet")) == len(OLD)


def test_only_the_files_that_a_scan_names_are_fetched(table: LakeTable, far_lake: Lake, proxy: FaultyProxy) -> None:
    assert far_lake.rows(table.scan([2002])) == OLD[1:]
    assert [line for line, _ in proxy.seen("GET .*parquet") if "year=2001" in line] == []


def test_many_files_are_moved_side_by_side_but_not_all_at_once(
    far_lake: Lake, proxy: FaultyProxy, aws: AWSServer
) -> None:
    table = far_lake.table(PLAIN)
    files = []
    for n in range(24):
        file = Path(table.local_root, f"new/{n}.parquet")
        file.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({"name": [str(n)]}), file)
        files.append(DataFile(f"new/{n}.parquet", 1, file.stat().st_size))
    reader = Lake(far_lake.root, far_lake.scratch / "another")
    calls = {"PUT": lambda: table.publish(files), "GET": lambda: reader.storage.local(table.scan())}
    for pattern, call in calls.items():
        proxy.begin(aws.url)
        proxy.spoil(f"(HEAD|{pattern}) .*parquet", delay(0.1), 1000)
        call()
        assert len(proxy.seen(f"{pattern} .*parquet")) == 24
        assert 4 <= proxy.most_at_once() <= 8


def _fetched(lake: Lake, scan: Scan) -> list[Row]:
    """A scan's rows, for a process that has none of its files yet."""
    with TemporaryDirectory() as folder:
        return Lake(lake.root, Path(folder)).rows(scan)


def _error_of(call: Callable[[], object]) -> str:
    with pytest.raises(PlatformError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)
