"""AWS as far as the tests need it: a moto server of their own, spoken to over HTTP.

Belongs here: starting and stopping it, and what a program needs in its environment to find it. Does not belong here:
what is tested with it.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

PATIENCE_SECONDS = 60


@dataclass(frozen=True)
class AWSServer:
    """A server that all may use: take names of your own. It trusts every caller unless `checking_permissions`."""

    url: str
    region: str = "eu-central-1"
    key: str = "a-key"
    secret: str = "a-secret"  # noqa: S105

    @property
    def environment(self) -> dict[str, str]:
        """Everything that AWS's own clients read, so that nothing of this machine's is used."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": self.region,
            "AWS_ACCESS_KEY_ID": self.key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self, service: str) -> Any:
        import boto3

        return boto3.Session(self.key, self.secret, region_name=self.region).client(service, endpoint_url=self.url)

    def new_user(self, name: str) -> tuple[str, str]:
        """The key and secret of a user who may do nothing."""
        iam = self.client("iam")
        iam.create_user(UserName=name)
        made = iam.create_access_key(UserName=name)["AccessKey"]
        return made["AccessKeyId"], made["SecretAccessKey"]

    @contextmanager
    def checking_permissions(self) -> Iterator[None]:
        """While in the block, callers may do what their user may."""
        self._trust("0")
        try:
            yield
        finally:
            self._trust("inf")

    def _trust(self, calls: str) -> None:
        """For so many calls from now on."""
        asked = Request(f"{self.url}/moto-api/reset-auth", calls.encode(), {"Content-Type": "text/plain"})
        with urlopen(asked, timeout=PATIENCE_SECONDS) as answer:
            assert answer.status == 200


@contextmanager
def running(folder: Path) -> Iterator[AWSServer]:
    """A server in a process of its own, which writes its log into a folder."""
    port, log = _free_port(), folder / "log"
    command = [sys.executable, "-m", "moto.server", "-p", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        server = AWSServer(f"http://127.0.0.1:{port}")
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not _answers(server.url):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield server
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


def _answers(url: str) -> bool:
    try:
        with urlopen(f"{url}/moto-api/", timeout=PATIENCE_SECONDS):
            return True
    except URLError:
        return False


def _free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])
