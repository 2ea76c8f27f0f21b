"""The errors that people read: what is wrong, where, and what to do about it.

Belongs here: the two kinds of failure, their one-line form, and telling them apart. Does not belong here: how an
orchestrator treats them (see `orchestration.failures`).
"""

from __future__ import annotations

import errno
import os
from functools import partial

# Libraries hand on the system's words, not its error number.
_NO_ROOM = tuple(map(os.strerror, (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)))


class PlatformError(Exception):
    """Something is wrong that only a person can mend: a bad file, a wrong setting, a schema that drifted.

    Trying again cannot help, so nothing retries it. `str()` gives one line: `place: problem. Remedy`.
    """

    def __init__(self, problem: str, *, remedy: str, file: str | None = None, line: int | None = None):
        self.problem, self.remedy, self.file, self.line = problem, remedy, file, line
        place = ", ".join(p for p in (file, f"line {line}" if line is not None else None) if p)
        super().__init__(f"{place + ': ' if place else ''}{problem.rstrip('.')}. {remedy}")

    def __reduce__(self) -> tuple[partial[PlatformError], tuple[()]]:
        """By what it was made from, so that other processes can hand it on."""
        return partial(type(self), self.problem, remedy=self.remedy, file=self.file, line=self.line), ()


class SettingsError(PlatformError):
    """A setting is missing or makes no sense."""


class SourceError(PlatformError):
    """A source file as a whole cannot be used: missing, empty, truncated, of another vendor, wrongly encoded."""


class TransientError(Exception):
    """A fault that may be gone at the next try: a dropped connection, HTTP 429 or 5xx, a file locked for a moment."""


def is_disk_full(error: BaseException) -> bool:
    """Whether an error, of whichever library, says that there is no room to write."""
    return any(words in str(error) for words in _NO_ROOM)
