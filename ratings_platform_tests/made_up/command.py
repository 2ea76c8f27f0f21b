"""`ratings-platform` where the made-up study is the only one: `python -m ratings_platform_tests.made_up.command`.

Belongs here: putting that study's folder in the place of the platform's own. Does not belong here: anything that the
command does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from ratings_platform import cli, studies

_FOLDER = str(Path(__file__).with_name("studies"))


@contextmanager
def only_weather() -> Iterator[None]:
    """While in the block, the platform finds this study where it looks for its own."""
    with patch.object(studies, "__path__", [_FOLDER]), patch.object(studies, "DEFAULT", "weather"):
        yield


if __name__ == "__main__":
    with only_weather():
        cli.main()
