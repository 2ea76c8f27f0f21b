"""Where a MySQL or MariaDB server is, and how to reach it.

Belongs here: reading `mysql://USER@HOST:PORT/DATABASE?OPTION=VALUE` and the TLS context that it asks for. Does not
belong here: connecting, and the password, which is never part of an address.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ssl import CERT_NONE, VERIFY_X509_STRICT, SSLContext, create_default_context
from typing import Any, Literal, get_args
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

from ratings_platform.schema.errors import PlatformError, SettingsError

TLSMode = Literal["disabled", "preferred", "required", "verify-ca", "verify-identity"]

_FORM = "Give mysql://USER@HOST:3306/DATABASE?ssl=verify-identity&ssl_ca=FILE"
_SECONDS = ("connect_timeout", "read_timeout", "write_timeout")
_TEXTS = ("socket", "ssl_ca", "ssl_cert", "ssl_key")


@dataclass(frozen=True)
class MySQLAddress:
    """A server, a user and a database.

    `ssl` works as in MySQL's own client: `preferred` encrypts where the server can, `required` insists, `verify-ca`
    also checks the certificate against `ssl_ca` (or the system's authorities), `verify-identity` the host name too. An
    `ssl_ca` alone means `verify-ca`. `socket` is the path of a local server's socket. Time-outs are in seconds.
    """

    host: str
    user: str
    database: str
    port: int = 3306
    socket: str | None = None
    ssl: TLSMode = "preferred"
    ssl_ca: str | None = None
    ssl_cert: str | None = None
    ssl_key: str | None = None
    connect_timeout: int = 10
    read_timeout: int = 3600
    # A server that ends a connection in the midst of a load may neither read on nor close it for minutes.
    write_timeout: int = 120

    @classmethod
    def parse(cls, url: str) -> MySQLAddress:
        """The address in a URL. Raises SettingsError, one line that never repeats a password."""
        try:
            parts = urlsplit(url)
            port = parts.port or 3306
        except ValueError:
            raise _wrong("the port or host makes no sense") from None
        if parts.password is not None:
            raise SettingsError(
                "the address of the warehouse holds a password",
                remedy="Take it out of the address and set RATINGS_WAREHOUSE_PASSWORD instead.",
            )
        database = unquote(parts.path.removeprefix("/"))
        if parts.scheme != "mysql":
            raise _wrong("the address does not start with mysql://")
        if not parts.hostname or not parts.username or not database or "/" in database or parts.fragment:
            raise _wrong("user, host or database is missing, or something follows them")
        options = _options(parts)
        found = cls(host=parts.hostname, user=unquote(parts.username), database=database, port=port, **options)
        if options.get("ssl") in ("disabled", "preferred") and (found.ssl_ca or found.ssl_cert):
            raise _wrong(f"ssl={found.ssl} does not go with a certificate")
        return found

    @property
    def uri(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"mysql://{quote(self.user, safe='')}@{host}:{self.port}/{quote(self.database, safe='')}"

    def tls(self) -> SSLContext | None:
        """The TLS context to insist on; None where the mode does not insist."""
        mode = "verify-ca" if self.ssl_ca and self.ssl in ("preferred", "required") else self.ssl
        if mode == "disabled" or (mode == "preferred" and not self.ssl_cert):
            return None
        try:
            context = create_default_context(cafile=self.ssl_ca)
            if self.ssl_cert:
                context.load_cert_chain(self.ssl_cert, self.ssl_key)
        except OSError as error:
            files = ", ".join(filter(None, (self.ssl_ca, self.ssl_cert, self.ssl_key)))
            raise PlatformError(
                f"the TLS files cannot be used: {files} ({error.strerror or error})",
                file=self.uri,
                remedy="Give PEM files that exist: ssl_ca, ssl_cert, ssl_key.",
            ) from error
        # The certificates that servers make for themselves do not pass the strict check.
        context.verify_flags &= ~VERIFY_X509_STRICT
        context.check_hostname = mode == "verify-identity"
        if mode in ("preferred", "required"):
            context.verify_mode = CERT_NONE
        return context


def _options(parts: SplitResult) -> dict[str, Any]:
    known = ("ssl", *_TEXTS, *_SECONDS)
    found: dict[str, Any] = {}
    for number, (name, value) in enumerate(parse_qsl(parts.query, keep_blank_values=True), 1):
        if name in ("password", "passwd"):
            raise _wrong("a password does not belong into the address; set RATINGS_WAREHOUSE_PASSWORD")
        if name not in known:
            # Letters alone, with a value behind them, are a name and no part of a password.
            told = name if value and re.fullmatch("[a-z_]+", name) else number
            raise _wrong(f"option {told} is not known; known are {', '.join(known)}")
        if name in found or not value:
            raise _wrong(f"option {name} is empty or given twice")
        if name in _SECONDS:
            if not value.isdecimal() or not 0 < int(value) <= 31_536_000:
                raise _wrong(f"{name} is not a number of seconds")
            found[name] = int(value)
        elif name == "ssl":
            if value not in get_args(TLSMode):
                raise _wrong(f"ssl is one of {', '.join(get_args(TLSMode))}")
            found[name] = value
        else:
            found[name] = value
    return found


def _wrong(problem: str) -> SettingsError:
    return SettingsError(f"the address of the warehouse cannot be used: {problem}", remedy=f"{_FORM}.")
