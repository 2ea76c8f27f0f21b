"""A lake under a prefix of an S3 bucket, of AWS or any other server that speaks S3.

Belongs here: moving files between the bucket and a folder on this machine, and what the Delta library must know to
keep its log there. Does not belong here: what the files mean. Imported only when a lake lies on S3.

Engines never see S3: they write into a folder of this process, from which the files are sent, and read copies there.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, NoCredentialsError
from deltalake import DeltaTable
from s3transfer.manager import TransferConfig, TransferManager

from ratings_platform.lake import s3_uploads
from ratings_platform.lake.s3_faults import ADDRESS, CREDENTIALS, as_platform_errors
from ratings_platform.lake.storage import Progress
from ratings_platform.schema.credentials import as_token
from ratings_platform.schema.errors import PlatformError, is_disk_full
from ratings_platform.schema.files import Scan

# Requests at the same time, and how many of them may look for a file's size before it is fetched.
_AT_ONCE, _LOOKING = 8, 2
_MISSING = {"404", "NoSuchKey", "NotFound"}


@dataclass(frozen=True)
class Patience:
    """How often a request is made whose fault may pass; seconds for a connection, for an answer, and before a retry.

    `wait` is the Delta library's first wait; AWS's own library has waits of its own.
    """

    tries: int = 6
    connect: int = 10
    answer: int = 60
    wait: float = 0.2


class _Log(NamedTuple):
    """A table's log as it was opened, with what, and its last commit."""

    delta: DeltaTable
    options: dict[str, str]
    last: dict[str, str]


class S3Storage:
    """Nothing is connected to before it is used. Credentials, region and endpoint are found as AWS's programs do."""

    remote = True

    def __init__(
        self,
        root: str,
        scratch: Callable[[], Path],
        region: Callable[[], str | None] = lambda: None,
        patience: Patience = Patience(),
    ):
        self.root = root.rstrip("/")
        self._bucket, _, self._prefix = self.root.removeprefix("s3://").partition("/")
        self._scratch, self._region, self._patience = scratch, region, patience
        self._there: set[str] = set()
        self._logs: dict[str, _Log] = {}

    def folder(self, path: str) -> str:
        folder = f"{self._scratch()}/lake"
        return f"{folder}/{path}" if path else folder

    def local(self, scan: Scan) -> Scan:
        if not f"{scan.root}/".startswith(f"{self.root}/"):
            return scan
        below = scan.root.removeprefix(self.root).strip("/")
        self.fetch(f"{below}/{file.path}".lstrip("/") for file in scan.files)
        return replace(scan, root=self.folder(below))

    def fetch(self, paths: Iterable[str]) -> None:
        missing = [path for path in dict.fromkeys(paths) if not Path(self.folder(path)).exists()]
        for path in missing:
            Path(self.folder(path)).parent.mkdir(parents=True, exist_ok=True)
        # A file appears under its name when it is whole.
        self._transfer(
            missing, lambda manager, path: manager.download(self._bucket, self._key(path), self.folder(path))
        )

    def send(self, paths: Iterable[str]) -> list[str]:
        named = list(dict.fromkeys(paths))
        written = [path for path in named if Path(self.folder(path)).exists()]
        waiting = [path for path in written if path not in self._there]
        self._transfer(waiting, lambda manager, path: manager.upload(self.folder(path), self._bucket, self._key(path)))
        return [path for path in named if path not in written]

    def has(self, path: str) -> bool:
        with self.faults():
            return self._head(self._key(path)) is not None

    def read(self, path: str) -> bytes | None:
        with self.faults():
            try:
                answer = self._client.get_object(Bucket=self._bucket, Key=self._key(path))
            except ClientError as error:
                if error.response["Error"]["Code"] in _MISSING:
                    return None
                raise
            return bytes(answer["Body"].read())

    def replace(self, path: str, content: bytes) -> None:
        with self.faults():
            self._client.put_object(Bucket=self._bucket, Key=self._key(path), Body=content)

    def keep(self, file: Path, path: str, sha256: str, check: Callable[[], None], progress: Progress) -> None:
        key, size, metadata = self._key(path), file.stat().st_size, {"sha256": sha256}
        with self.faults():
            found = self._head(key)
            if found and (found["ContentLength"], found["Metadata"].get("sha256")) == (size, sha256):
                return
            if size > s3_uploads.PART_BYTES:
                s3_uploads.upload(
                    self._client,
                    self._bucket,
                    key,
                    file,
                    metadata,
                    check,
                    lambda done: progress(file.name, done, size),
                )
                return
            content = file.read_bytes()
            check()
            digest = b64encode(hashlib.sha256(content).digest()).decode()
            self._client.put_object(
                Bucket=self._bucket, Key=key, Body=content, ChecksumSHA256=digest, Metadata=metadata
            )

    def ages(self, folder: str) -> dict[str, float]:
        pages = self._client.get_paginator("list_objects_v2")
        start = len(self._key(""))
        with self.faults():
            return {
                found["Key"][start:]: found["LastModified"].timestamp()
                for page in pages.paginate(Bucket=self._bucket, Prefix=f"{self._key(folder)}/")
                for found in page.get("Contents", ())
            }

    def remove(self, paths: Iterable[str]) -> None:
        with self.faults():
            for path in paths:
                self._client.delete_object(Bucket=self._bucket, Key=self._key(path))

    def drop_unfinished(self) -> None:
        with self.faults():
            s3_uploads.drop_abandoned(self._client, self._bucket, self._key(""))

    def open_log(self, path: str) -> DeltaTable:
        # To open a log takes five requests and more, to see that it is the one that was opened before takes one.
        options, known = self.delta_options(), self._logs.get(path)
        if known and known.options == options and self._commits(path, known.delta.version()) == known.last:
            return known.delta
        delta = DeltaTable(f"{self.root}/{path}", storage_options=options)
        last = self._commits(path, delta.version())
        if len(last) == 1:  # else another writer was quicker
            self._logs[path] = _Log(delta, options, last)
        return delta

    def delta_options(self) -> dict[str, str]:
        with self.faults():
            found = self._session.get_credentials()
            if found is None:
                raise NoCredentialsError
            credentials, client = found.get_frozen_credentials(), self._client.meta
        key, secret, token = map(self._sendable, (credentials.access_key, credentials.secret_key, credentials.token))
        given = {
            "aws_access_key_id": key,
            "aws_secret_access_key": secret,
            "aws_session_token": token,
            "aws_region": client.region_name if client.region_name != "aws-global" else "us-east-1",
            "aws_endpoint_url": client.endpoint_url,
            "allow_http": "true" if client.endpoint_url.startswith("http:") else None,
            # Of two writers of one version the second is refused.
            "aws_conditional_put": "etag",
            "connect_timeout": f"{self._patience.connect}s",
            "timeout": f"{self._patience.answer}s",
            "max_retries": str(self._patience.tries - 1),
            "retry_timeout": f"{self._patience.tries * self._patience.answer}s",
            "backoff_config.init_backoff": f"{self._patience.wait * 1000:.0f}ms",
            "backoff_config.max_backoff": "8s",
        }
        return {name: value for name, value in given.items() if value is not None}

    def faults(self) -> AbstractContextManager[None]:
        return as_platform_errors(self.root)

    def _sendable(self, credential: str | None) -> str | None:
        """A credential that a request can hold; the Delta library crashes over others."""
        try:
            return as_token(credential) if credential else None
        except ValueError as error:
            raise PlatformError(f"a credential cannot be used: {error}", file=self.root, remedy=CREDENTIALS) from None

    def _commits(self, path: str, version: int) -> dict[str, str]:
        """The commits of a table's log from a version on, with the marks that tell them from others of that name."""
        log = self._key(f"{path}/_delta_log/")
        found = self._client.list_objects_v2(Bucket=self._bucket, Prefix=log, StartAfter=f"{log}{version:020}")
        return {one["Key"]: one["ETag"] for one in found.get("Contents", ()) if one["Key"].endswith(".json")}

    def _key(self, path: str) -> str:
        return f"{self._prefix}/{path}" if self._prefix else path

    def _head(self, key: str) -> dict[str, Any] | None:
        try:
            return dict(self._client.head_object(Bucket=self._bucket, Key=key))
        except ClientError as error:
            if error.response["Error"]["Code"] in _MISSING:
                return None
            raise

    def _transfer(self, paths: list[str], submit: Callable[[Any, str], Any]) -> None:
        """Move files side by side, so many at once; from now on they are known to be in both places."""
        if not paths:
            return
        config = TransferConfig(
            max_request_concurrency=_AT_ONCE - _LOOKING,
            max_submission_concurrency=_LOOKING,
            multipart_threshold=s3_uploads.PART_BYTES,
            multipart_chunksize=s3_uploads.PART_BYTES,
            num_download_attempts=self._patience.tries,
        )
        try:
            with self.faults(), TransferManager(self._client, config) as manager:
                for path, moving in [(path, submit(manager, path)) for path in paths]:
                    with as_platform_errors(f"{self.root}/{path}"):
                        moving.result()
        except OSError as error:
            if is_disk_full(error):
                remedy = "Free some space there and run again; readers still see the last version."
                raise PlatformError("the disk is full", file=self.folder(""), remedy=remedy) from error
            raise
        self._there.update(paths)

    @cached_property
    def _session(self) -> Any:
        return boto3.Session(region_name=self._region())

    @cached_property
    def _client(self) -> Any:
        config = Config(
            connect_timeout=self._patience.connect,
            read_timeout=self._patience.answer,
            max_pool_connections=_AT_ONCE,
            retries={"mode": "standard", "total_max_attempts": self._patience.tries},
        )
        try:
            return self._session.client("s3", config=config)
        except ValueError as error:  # the endpoint is no address
            raise PlatformError(str(error), file=self.root, remedy=ADDRESS) from None
