"""A network that fails: an HTTP proxy before a server, which keeps count and spoils what it is told to.

Belongs here: what can go wrong between a client and a server. Does not belong here: what either of them does.

It is a process of its own: the Delta library lets no other thread of its process run while it waits for an answer.
"""

from __future__ import annotations

import re
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

PATIENCE_SECONDS = 60
_OF_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}

# What requests look like: `METHOD /path?query`.
LISTING = "GET .*list-type=2"
PART = "PUT .*partNumber="
COMMIT = r"PUT .*/_delta_log/\d+\.json"


class Request(NamedTuple):
    """What a client asked for, and the bytes that it sent with it."""

    line: str
    size: int


class Handler(BaseHTTPRequestHandler):
    """One connection of a client."""

    protocol_version = "HTTP/1.1"
    server: _Server
    timeout = PATIENCE_SECONDS

    def handle_any(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fault = self.server.fault_for(Request(f"{self.command} {unquote(self.path)}", len(self.body)))
        try:
            with self.server.at_work():
                fault(self)
        except (BrokenPipeError, ConnectionResetError):  # the client lost its patience
            self.close_connection = True

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_any  # noqa: N815

    def fetch(self) -> tuple[HTTPResponse, bytes]:
        """The server's own answer."""
        headers = {name: value for name, value in self.headers.items() if name.lower() != "expect"}
        connection = HTTPConnection(self.server.behind, timeout=PATIENCE_SECONDS)
        # The stand-in looks whether there is such an object, and then puts it; what it stands in for does both at once.
        with self.server.one_at_a_time if "If-None-Match" in self.headers else nullcontext():
            connection.request(self.command, self.path, self.body, headers)
            answer = connection.getresponse()
            content = answer.read()
        connection.close()
        return answer, content

    def answer(self, status: int, headers: list[tuple[str, str]], content: bytes, length: int | None = None) -> None:
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in _OF_CONNECTION:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        self.wfile.write(content)

    def hang_up(self) -> None:
        """With a reset, as a server that dies does."""
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.rfile.close()
        self.connection.close()

    def log_message(self, format: str, *args: object) -> None:
        pass


Fault = Callable[[Handler], None]


def forward(handler: Handler) -> None:
    """No fault."""
    answer, content = handler.fetch()
    length = int(answer.headers.get("Content-Length") or 0) if handler.command == "HEAD" else None
    handler.answer(answer.status, answer.getheaders(), content, length)


def refuse(status: int, code: str, words: str = "") -> Fault:
    """The server says no, and why."""
    return partial(_refuse, status, code, words)


def _refuse(status: int, code: str, words: str, handler: Handler) -> None:
    text = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>{words}</Message></Error>'
    handler.answer(status, [("Content-Type", "application/xml")], text.encode())


def delay(seconds: float) -> Fault:
    """The server takes its time."""
    return partial(_delay, seconds)


def _delay(seconds: float, handler: Handler) -> None:
    time.sleep(seconds)
    forward(handler)


def stall(handler: Handler) -> None:
    """Nothing is ever heard again."""
    time.sleep(PATIENCE_SECONDS)
    handler.hang_up()


def reset(handler: Handler) -> None:
    """The connection breaks before the server hears of anything."""
    handler.hang_up()


def lose_answer(handler: Handler) -> None:
    """The server does what it was asked to do, and the connection breaks before it can say so."""
    handler.fetch()
    handler.hang_up()


def truncate(handler: Handler) -> None:
    """Half of the answer's content comes, then the connection breaks."""
    answer, content = handler.fetch()
    handler.answer(answer.status, answer.getheaders(), content[: len(content) // 2], len(content))
    handler.hang_up()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.behind = ""
        self.one_at_a_time = threading.Lock()
        self._turn = threading.Lock()
        self._faults: list[tuple[re.Pattern[str], Iterator[Fault]]] = []
        self._requests: list[Request] = []
        self._at_work: Counter[str] = Counter()

    def begin(self, behind: str) -> None:
        with self._turn:
            # What stalls since before is counted apart.
            self.behind, self._faults, self._requests, self._at_work = behind, [], [], Counter()

    def spoil(self, pattern: str, fault: Fault, times: int) -> None:
        with self._turn:
            self._faults.append((re.compile(pattern), iter([fault] * times)))

    def seen(self) -> list[Request]:
        with self._turn:
            return list(self._requests)

    def fault_for(self, request: Request) -> Fault:
        with self._turn:
            self._requests.append(request)
            for pattern, faults in self._faults:
                if pattern.match(request.line) and (fault := next(faults, None)):
                    return fault
        return forward

    @contextmanager
    def at_work(self) -> Iterator[None]:
        with self._turn:
            counted = self._at_work
            counted["now"] += 1
            counted["most"] = max(counted["most"], counted["now"])
        try:
            yield
        finally:
            with self._turn:
                counted["now"] -= 1

    def most_at_once(self) -> int:
        return self._at_work["most"]

    def handle_error(self, request: object, client_address: object) -> None:
        pass


def _serve(told: Connection) -> None:
    server = _Server()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    told.send(f"http://127.0.0.1:{server.server_address[1]}")
    while order := told.recv():
        told.send(getattr(server, order[0])(*order[1:]))


@dataclass
class FaultyProxy:
    """Stands at `url`, keeps count of the requests, and does to some of them what `spoil` said."""

    url: str
    _told: Connection = field(repr=False)

    def begin(self, behind: str) -> None:
        """Stand before the server at an address; forget all that was said and seen."""
        self._order("begin", urlsplit(behind).netloc)

    def spoil(self, pattern: str, fault: Fault, times: int = 1) -> None:
        """Do this to the next requests of a kind, so many times."""
        self._order("spoil", pattern, fault, times)

    def seen(self, pattern: str = "") -> list[Request]:
        """The requests of a kind until now, in their order."""
        return [request for request in self._order("seen") if re.match(pattern, request.line)]

    def most_at_once(self) -> int:
        """How many requests were answered at the same time, at most."""
        return int(self._order("most_at_once"))

    def _order(self, *order: object) -> Any:
        self._told.send(order)
        return self._told.recv()


@contextmanager
def running() -> Iterator[FaultyProxy]:
    """A proxy in a process of its own."""
    processes = get_context("spawn")
    here, there = processes.Pipe()
    process = processes.Process(target=_serve, args=(there,), daemon=True)
    process.start()
    there.close()
    try:
        yield FaultyProxy(here.recv(), here)
    finally:
        here.send(None)
        process.join(PATIENCE_SECONDS)
