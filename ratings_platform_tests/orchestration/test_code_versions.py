"""A reader's version follows everything that it rests on, seen on a package made up on disk."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ratings_platform.orchestration import code_versions
from ratings_platform.orchestration.code_versions import reader_version
from ratings_platform.studies.market_study.study import STUDY

pytestmark = pytest.mark.unit

# Each module is reached from the reader's by another kind of import.
FILES = {
    "__init__.py": "",
    "kit/__init__.py": "from . import lines\n",
    "kit/lines.py": "from ..deep.rules import LONGEST\n",
    "kit/lazily.py": "ONLY_WHEN_CALLED = 1\n",
    "deep/__init__.py": "HERE = 1\n",
    "deep/rules.py": "import made_up_study.deep.limits as limits\nLONGEST = limits.MOST\n",
    "deep/limits.py": "MOST = 80\n",
    "unrelated.py": "import made_up_study.study.readers\n",
    "study/__init__.py": "",
    "study/reasons.py": "WHY = 'no number'\n",
    "study/names.py": "TITLE = 'title'\n",
    "study/readers.py": (
        "import json\n"
        "import polars as pl\n"
        "from made_up_study import kit\n"
        "from made_up_study.study import names, reasons as r\n"
        "def read(files, known):\n"
        "    from made_up_study.kit.lazily import ONLY_WHEN_CALLED\n"
        "    return names.TITLE, r.WHY, kit.lines.LONGEST, ONLY_WHEN_CALLED\n"
    ),
}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name, text in FILES.items():
        file = tmp_path / "made_up_study" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path / "made_up_study"
    _forget()


def _forget() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "made_up_study"]:
        del sys.modules[name]
    code_versions._version.cache_clear()


@pytest.fixture
def read(package: Path) -> Callable[[], Any]:
    """The reader as a new process would have it."""

    def fresh() -> Any:
        _forget()
        importlib.invalidate_caches()
        return importlib.import_module("made_up_study.study.readers").read

    return fresh


@pytest.mark.parametrize("changed", sorted(FILES.keys() - {"unrelated.py"}))
def test_a_change_in_any_module_that_is_reached_makes_another_version(
    package: Path, read: Callable[[], Any], changed: str
) -> None:
    before = reader_version(read())
    (package / changed).write_text(FILES[changed].replace("80", "90").replace("= 1", "= 2") + "# changed\n")
    assert reader_version(read()) != before
    (package / changed).write_text(FILES[changed])
    assert reader_version(read()) == before


def test_what_the_reader_does_not_reach_changes_nothing(package: Path, read: Callable[[], Any]) -> None:
    before = reader_version(read())
    (package / "unrelated.py").write_text("WHATEVER = 2\n")
    (package / "study" / "assets.py").write_text("from made_up_study.study import readers\n")
    assert reader_version(read()) == before


def test_nothing_is_imported_to_find_out(read: Callable[[], Any]) -> None:
    reader = read()
    before = set(sys.modules)
    assert "made_up_study.kit.lazily" not in before
    reader_version(reader)
    assert set(sys.modules) == before


def test_a_reader_with_some_arguments_set_is_known_by_its_function(read: Callable[[], Any]) -> None:
    reader = read()
    assert reader_version(partial(reader, known={})) == reader_version(reader)


def test_the_readers_of_the_study_rest_on_its_tables_and_reasons(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setattr(code_versions, "_imports", lambda text, within: seen.append(text) or real(text, within))
    code_versions._version.cache_clear()
    reader_version(STUDY.ingests[0].reader)
    assert any("class Reason(" in text for text in seen)
    assert any("LAST_YEAR = " in text for text in seen)
    assert not any("def write_sample(" in text for text in seen)


real = code_versions._imports
