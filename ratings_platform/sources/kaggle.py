"""Files of Kaggle datasets.

Belongs here: fetching named files through Kaggle's own client, with resume, and its faults in words. Does not belong
here: which dataset and which files a study uses.
"""

from __future__ import annotations

import fcntl
import glob
import hashlib
import logging
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, TypeVar

import requests
from pydantic import SecretStr
from requests.adapters import HTTPAdapter
from urllib3 import Retry
from urllib3.exceptions import InvalidHeader

from ratings_platform.schema.errors import PlatformError, TransientError
from ratings_platform.sources.disk import room_for

# Called with a file's name, its bytes so far, and its bytes in all.
Progress = Callable[[str, int, int], None]
# A token, or a user name and its key; each as a header of HTTP can hold it.
Login = SecretStr | tuple[str, SecretStr]
T = TypeVar("T")

_CHUNK = 1 << 20
_TIMEOUT = (10, 60)  # seconds to connect, and between two packets
_LONGEST_WAIT = 120.0  # seconds; a server that asks for more is left to the caller's retry
# 416: a part file was completed by another run between two looks at it.
_PASSING = {408, 416, 425, 429, 500, 502, 503, 504}
_LOGIN = (
    "Make a token at https://www.kaggle.com/settings/api and set KAGGLE_API_TOKEN, or KAGGLE_USERNAME and KAGGLE_KEY."
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Patience:
    """How often a request is made whose fault may pass, and the seconds before the second; before each next, double."""

    tries: int = 5
    wait: float = 1.0


_PATIENCE = Patience()


def fetch(
    dataset: str,
    names: Sequence[str],
    directory: Path,
    *,
    login: Login | None = None,
    progress: Progress | None = None,
    patience: Patience = _PATIENCE,
) -> list[Path]:
    """Fetches the named files of `owner/dataset` into the directory, as plain files or as the .zip that Kaggle sends.

    Files that are there already in full size are kept. A broken download goes on where it stopped, in this call or in
    a later one.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with _signed_in(login) as (client, session):
        source = _Dataset(dataset, client, session, patience)
        return [source.fetch(file, directory, progress) for file in source.choose(names)]


def require(dataset: str, names: Sequence[str], *, login: Login | None = None, patience: Patience = _PATIENCE) -> None:
    """Raise as `fetch` does when the dataset lacks one of the files; nothing is fetched."""
    with _signed_in(login) as (client, session):
        _Dataset(dataset, client, session, patience).choose(names)


@contextmanager
def _signed_in(login: Login | None) -> Iterator[tuple[Any, requests.Session]]:
    """Kaggle's client and its HTTP session.

    Importing the package `kaggle` signs in, prints, and without credentials exits; the client beneath it does not.
    """
    from kagglesdk.kaggle_client import KaggleClient

    if login is None:
        raise PlatformError("no Kaggle credentials are set", remedy=_LOGIN)
    # With a token, be it an empty one, the client looks for no other.
    with KaggleClient(api_token=login.get_secret_value() if isinstance(login, SecretStr) else "") as client:
        # The client offers no other way to limit time or to ask for a range of bytes.
        session: requests.Session = client.http_client()._session
        if isinstance(login, tuple):
            session.auth = login[0], login[1].get_secret_value()
        session.mount("http://", _TimeLimited())
        session.mount("https://", _TimeLimited())
        # Packed on the way, a file would not have the size that is announced.
        session.headers["Accept-Encoding"] = "identity"
        yield client, session


class _TimeLimited(HTTPAdapter):
    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        return super().send(*args, **kwargs | {"timeout": kwargs.get("timeout") or _TIMEOUT})


@dataclass(frozen=True)
class _Offered:
    """A file that the dataset offers: its path there, and the size and date that tell one version from another."""

    path: str
    size: int
    created: str

    @property
    def name(self) -> str:
        return PurePosixPath(self.path).name


class _Dataset:
    def __init__(self, dataset: str, client: Any, session: requests.Session, patience: Patience):
        self.name, self.session, self.patience = dataset, session, patience
        self.api = client.datasets.dataset_api_client
        self.owner, _, self.slug = dataset.partition("/")
        if not self.owner or not self.slug or "/" in self.slug:
            raise PlatformError(f"{dataset!r} is not a Kaggle dataset's name", remedy="Name it as OWNER/DATASET.")

    def files(self) -> list[_Offered]:
        from kagglesdk.datasets.types.dataset_api_service import ApiListDatasetFilesRequest

        request = ApiListDatasetFilesRequest()
        request.owner_slug, request.dataset_slug, request.page_size = self.owner, self.slug, 200
        offered: list[_Offered] = []
        while True:
            page = self._patiently(lambda: self.api.list_dataset_files(request))
            offered += [_Offered(file.name, file.total_bytes, str(file.creation_date)) for file in page.files]
            if not page.next_page_token:
                return offered
            request.page_token = page.next_page_token

    def choose(self, names: Sequence[str]) -> list[_Offered]:
        offered = self.files()
        return [self._choose(name, offered) for name in names]

    def _choose(self, name: str, offered: Sequence[_Offered]) -> _Offered:
        """The file of that base name, plain or packed, wherever in the dataset's folders it lies."""
        for ending in ("", ".zip", ".gz"):
            same = [file for file in offered if file.name.casefold() == (name + ending).casefold()]
            if same:
                return min(same, key=lambda file: (file.path.count("/"), file.path))
        raise PlatformError(
            f"Kaggle dataset {self.name} has no file {name}",
            remedy=f"Compare the name with the list at https://www.kaggle.com/datasets/{self.name}/data.",
        )

    def fetch(self, file: _Offered, directory: Path, progress: Progress | None) -> Path:
        return self._patiently(lambda: _present(file, directory) or self._download(file, directory, progress))

    def _download(self, file: _Offered, directory: Path, progress: Progress | None) -> Path:
        from kagglesdk.datasets.types.dataset_api_service import ApiDownloadDatasetRequest

        request = ApiDownloadDatasetRequest()
        request.owner_slug, request.dataset_slug, request.file_name = self.owner, self.slug, file.path
        # The answer's headers are here, its body comes as it is read.
        with self.api.download_dataset(request) as whole:
            total = int(whole.headers.get("Content-Length", file.size))
            part = _part(file, directory, whole)
            missing = total - (part.stat().st_size if part.exists() else 0)
            if missing < 0:
                part.unlink()
                missing = total
            with room_for(missing, directory), _locked(part) as out:
                if missing:
                    self._receive(whole, out, lambda done: progress and progress(file.name, done, total))
        return _publish(part, file)

    def _receive(self, whole: requests.Response, out: BinaryIO, report: Callable[[int], object]) -> None:
        """Appends to `out` what it lacks of the whole."""
        with self._rest(whole, out.tell()) if out.tell() else whole as body:
            if out.tell() and body.status_code != requests.codes.partial_content:
                out.seek(0)
                out.truncate()
            for chunk in body.iter_content(_CHUNK):
                out.write(chunk)
                report(out.tell())

    def _rest(self, whole: requests.Response, start: int) -> requests.Response:
        whole.close()
        request = whole.request.copy()
        request.headers["Range"] = f"bytes={start}-"
        settings = self.session.merge_environment_settings(request.url or "", {}, True, None, None)
        rest = self.session.send(request, **settings)
        rest.raise_for_status()
        return rest

    def _patiently(self, call: Callable[[], T]) -> T:
        attempt = 0
        while True:
            attempt += 1
            try:
                return call()
            except (requests.RequestException, TransientError) as error:
                failure = self._failure(error)
                wait = _asked_wait(error) or self.patience.wait * 2 ** (attempt - 1)
                if isinstance(failure, PlatformError) or attempt == self.patience.tries or wait > _LONGEST_WAIT:
                    # The cause is left out: it holds addresses whose signature opens the file to anyone.
                    raise failure from None
            _log.warning("%s; trying again in %.1f s", failure, wait)
            time.sleep(wait)

    def _failure(self, error: Exception) -> PlatformError | TransientError:
        if isinstance(error, TransientError):
            return error
        if not isinstance(error, requests.HTTPError) or error.response is None:
            return TransientError(f"Kaggle dataset {self.name}: the connection failed ({type(error).__name__})")
        status = error.response.status_code
        if status in _PASSING:
            return TransientError(f"Kaggle dataset {self.name}: Kaggle answered {status} {error.response.reason}")
        page = f"https://www.kaggle.com/datasets/{self.name}"
        problem, remedy = {
            401: ("Kaggle refuses the credentials (401)", _LOGIN),
            403: ("Kaggle refuses access (403)", f"Open {page} and accept its terms, then try again."),
            404: ("Kaggle has no such dataset or file (404)", f"Compare the names with {page}."),
        }.get(status, (f"Kaggle answered {status} {error.response.reason}", f"See whether {page} opens."))
        return PlatformError(problem, file=f"Kaggle dataset {self.name}", remedy=remedy)


def _asked_wait(error: Exception) -> float | None:
    response = getattr(error, "response", None)
    try:
        return None if response is None else Retry().get_retry_after(response.raw)
    except InvalidHeader:
        return None


def _ending(path: Path, file: _Offered) -> str | None:
    """What the bytes at the path are: the file in full (no ending), the file in a .zip, or neither (None).

    Kaggle lists the size of the plain file, though it may send it in a .zip.
    """
    if not path.is_file():
        return None
    if path.stat().st_size == file.size:
        return ""
    try:
        with zipfile.ZipFile(path) as unzipped:
            return ".zip" if sum(member.file_size for member in unzipped.infolist()) == file.size else None
    except zipfile.BadZipFile:
        return None


def _present(file: _Offered, directory: Path) -> Path | None:
    stored = ((ending, directory / f"{file.name}{ending}") for ending in ("", ".zip"))
    return next((path for ending, path in stored if _ending(path, file) == ending), None)


def _part(file: _Offered, directory: Path, whole: requests.Response) -> Path:
    """Where the download is gathered; the name holds the version, so that two versions are never mixed."""
    version = [file.path, file.created, file.size, *map(whole.headers.get, ("Content-Length", "ETag", "Last-Modified"))]
    mark = hashlib.sha256(repr(version).encode()).hexdigest()[:12]
    part = directory / f"{file.name}.{mark}.part"
    for other in directory.glob(f"{glob.escape(file.name)}.*.part"):
        if other != part:
            other.unlink()
    return part


@contextmanager
def _locked(part: Path) -> Iterator[BinaryIO]:
    with part.open("ab") as out:
        try:
            fcntl.flock(out, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TransientError(f"{part}: another run is downloading this file") from None
        yield out


def _publish(part: Path, file: _Offered) -> Path:
    ending = _ending(part, file)
    if ending is None:
        size = part.stat().st_size if part.exists() else 0
        part.unlink(missing_ok=True)
        raise TransientError(f"{part}: {size:,} bytes came where Kaggle lists {file.size:,}")
    return part.replace(part.with_name(f"{file.name}{ending}"))
