"""A local HTTP server that speaks the part of Kaggle that fetching files needs.

Belongs here: Kaggle's two requests (list a dataset's files, download one), its storage behind a redirect, and faults
on demand. Does not belong here: what is tested with it.
"""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import quote, unquote, urlsplit

Fault = Callable[["Handler"], None]
LIST, DOWNLOAD, STORAGE = "ListDatasetFiles", "DownloadDataset", "storage"


@dataclass
class KaggleServer:
    """What the server holds, how it fails, and what it was asked.

    `files` are as listed; `sent` overrides the bytes (and the storage's name for them) that are really sent.
    `faults` are used up in turn, by route, before proper answers are given.
    """

    dataset: str = "vendor/ratings"
    files: dict[str, bytes] = field(default_factory=dict)
    sent: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    faults: dict[str, list[Fault]] = field(default_factory=lambda: defaultdict(list))
    requests: list[tuple[str, dict[str, str], dict[str, Any]]] = field(default_factory=list)
    page_size: int = 200
    token: str = "s3cret-token"  # noqa: S105
    login: tuple[str, str] = ("ann", "s3cret-key")
    port: int = 0

    @property
    def address(self) -> str:
        return f"http://localhost:{self.port}"

    def asked(self, route: str) -> list[dict[str, str]]:
        """The headers of the requests that came to a route, in turn."""
        return [headers for name, headers, _ in self.requests if name == route]

    @contextmanager
    def running(self) -> Iterator[KaggleServer]:
        with ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"kaggle": self})) as server:
            self.port = server.server_port
            thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            try:
                yield self
            finally:
                server.shutdown()
                thread.join()


def status(code: int, **headers: str) -> Fault:
    def answer(handler: Handler) -> None:
        handler.refuse(code, **headers)

    return answer


def drop_after(count: int) -> Fault:
    """The connection breaks after that many bytes of the body."""

    def answer(handler: Handler) -> None:
        handler.serve(cut=count)

    return answer


def hang_up(handler: Handler) -> None:
    handler.close_connection = True


class Handler(BaseHTTPRequestHandler):
    kaggle: KaggleServer
    body: dict[str, Any]

    def do_POST(self) -> None:
        route = urlsplit(self.path).path.rpartition("/")[2]
        self.body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._handle(route, self._list if route == LIST else self._redirect)

    def do_GET(self) -> None:
        self.body = {}
        self._handle(STORAGE, self.serve)

    def answer(self, code: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(code)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, code: int, **headers: str) -> None:
        self.answer(code, json.dumps({"code": code, "message": "no"}).encode(), **headers)

    def serve(self, cut: int | None = None) -> None:
        name = unquote(urlsplit(self.path).path).removeprefix("/storage/")
        content = next(data for stored, data in self._stored().values() if stored == name)
        tag = f'"{sha256(content).hexdigest()[:8]}"'
        asked = self.headers.get("Range")
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(len(content) - start))
        self.send_header("ETag", tag)
        self.end_headers()
        self.wfile.write(content[start : None if cut is None else start + cut])
        self.close_connection = True

    def log_message(self, *args: Any) -> None:
        """Says nothing: what was asked is in `requests`."""

    def _handle(self, route: str, proper: Callable[[], None]) -> None:
        self.kaggle.requests.append((route, dict(self.headers), self.body))
        if self.kaggle.faults[route]:
            self.kaggle.faults[route].pop(0)(self)
        elif route != STORAGE and not self._authorized():
            self.refuse(401)
        else:
            proper()

    def _authorized(self) -> bool:
        basic = base64.b64encode(":".join(self.kaggle.login).encode()).decode()
        return self.headers.get("Authorization") in (f"Bearer {self.kaggle.token}", f"Basic {basic}")

    def _asks_for_the_dataset(self) -> bool:
        return f"{self.body['ownerSlug']}/{self.body['datasetSlug']}" == self.kaggle.dataset

    def _list(self) -> None:
        if not self._asks_for_the_dataset():
            return self.refuse(404)
        start = int(self.body.get("pageToken") or 0)
        end = start + self.kaggle.page_size
        names = sorted(self.kaggle.files)
        listed = [
            {"name": name, "totalBytes": len(self.kaggle.files[name]), "creationDate": "2019-11-13T16:31:03.570Z"}
            for name in names[start:end]
        ]
        page = {"datasetFiles": listed} | ({"nextPageToken": str(end)} if end < len(names) else {})
        return self.answer(200, json.dumps(page).encode())

    def _redirect(self) -> None:
        stored = self._stored().get(self.body["fileName"])
        if stored is None or not self._asks_for_the_dataset():
            return self.refuse(404)
        # Another host, as with Kaggle's storage: the client must not send its key there.
        place = f"http://127.0.0.1:{self.kaggle.port}/storage/{quote(stored[0])}?signature=s3cret-signature"
        return self.answer(302, b"{}", Location=place)

    def _stored(self) -> dict[str, tuple[str, bytes]]:
        return {name: (name, data) for name, data in self.kaggle.files.items()} | self.kaggle.sent
