"""The errors that people read: one line, which survives the way from one process to another."""

from __future__ import annotations

import pickle

import pytest

from ratings_platform.schema.errors import PlatformError, SettingsError, SourceError, TransientError

pytestmark = pytest.mark.unit


def test_an_error_is_one_line_with_its_place() -> None:
    error = SourceError("is odd.", file="a.txt", line=3, remedy="Mend it.")
    assert str(error) == "a.txt, line 3: is odd. Mend it."
    assert str(PlatformError("it is odd", remedy="Mend it.")) == "it is odd. Mend it."


@pytest.mark.parametrize(
    "error",
    [
        PlatformError("it is odd", remedy="Mend it."),
        SettingsError("it is odd", remedy="Mend it.", file=".env"),
        SourceError("is odd", remedy="Mend it.", file="a.txt", line=0),
        TransientError("it is slow"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_is_the_same_in_another_process(error: Exception) -> None:
    found = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert (type(found), vars(found), str(found)) == (type(error), vars(error), str(error))
