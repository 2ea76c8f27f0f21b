"""The rooms: who may import whom, what the kernel must not know, and what stays unimported until it is needed."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import ratings_platform
from ratings_platform import studies

pytestmark = pytest.mark.unit

ROOT = Path(ratings_platform.__file__).parent
OURS = ratings_platform.__name__

STORES = ("lake", "warehouse", "engines", "sources")
# What each room may import of ours, beside itself.
MAY_IMPORT = {
    "schema": (),
    "settings": ("schema",),
    "scratch": (),
    "duckdb_session": (),
    "formats": ("schema",),
    **dict.fromkeys(STORES, ("schema", "duckdb_session")),
    "orchestration": (*STORES, "schema", "settings", "scratch"),
    "answering": (*STORES, "schema", "settings", "scratch"),
    "studies": ("formats", "schema"),
    "definitions": ("orchestration", "studies", "settings", "schema"),
    "cli": ("answering", "definitions", "studies", "orchestration", *STORES, "schema", "settings"),
}
# What modules of a study may import, beside what all of them may.
STUDY_MAY_IMPORT = {"assets": ("orchestration", "settings"), "settings": ("settings",)}

DAGSTER_ROOMS = ("orchestration", "definitions")
ENVIRONMENT_READERS = {"settings.declared", "settings.environment", "orchestration.running"}
DYNAMIC_IMPORTERS = {"definitions", "studies"}


class Import(NamedTuple):
    """One imported name, and whether only type checkers see it."""

    name: str
    typing_only: bool


class Module(NamedTuple):
    """A module by its name below the package, as `lake.tables`."""

    name: str
    source: str

    @property
    def room(self) -> str:
        return self.name.split(".")[0]

    @property
    def study(self) -> str | None:
        parts = self.name.split(".")
        return parts[1] if parts[0] == "studies" and len(parts) > 1 else None

    @property
    def is_wiring(self) -> bool:
        """Where Dagster may be imported."""
        return self.room in DAGSTER_ROOMS or (self.study is not None and self.name.split(".")[2:3] == ["assets"])

    def imports(self) -> Iterator[Import]:
        tree = ast.parse(self.source)
        guarded = [n for n in ast.walk(tree) if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.unparse(n.test)]
        hidden = {inner for guard in guarded for statement in guard.body for inner in ast.walk(statement)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                yield from (Import(alias.name, node in hidden) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{self.name} imports relatively"
                yield from (Import(f"{node.module}.{alias.name}", node in hidden) for alias in node.names)

    def may_import(self, name: str) -> bool:
        """Whether the direction of imports allows a name of ours."""
        parts = name.split(".")[1:]
        if not parts:
            return False
        if self.study is None:
            return parts[0] in (self.room, *MAY_IMPORT[self.room])
        if parts[0] == "studies":
            return parts[1:2] == [self.study]
        return parts[0] in (*MAY_IMPORT["studies"], *STUDY_MAY_IMPORT.get(self.name.split(".")[-1], ()))


def _modules() -> list[Module]:
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        source = path.read_text(encoding="utf-8")
        if source.strip():
            found.append(Module(name, source))
    return found


MODULES = _modules()
KERNEL = [module for module in MODULES if module.room != "studies"]


def wrong_directions(module: Module) -> list[str]:
    ours = [name for name, _ in module.imports() if name.split(".")[0] == OURS]
    return [name for name in ours if not module.may_import(name)]


def dagster_imports(module: Module) -> list[str]:
    if module.is_wiring:
        return []
    return [name for name, hidden in module.imports() if name.split(".")[0].startswith("dagster") and not hidden]


def words_of_studies(module: Module) -> list[str]:
    names = {word for name in studies.names() for word in (name, name.replace("-", "_"))}
    return re.findall("|".join({"netflix", "amazon", "market", *names}), module.source, re.IGNORECASE)


def environment_reads(module: Module) -> list[str]:
    if module.name in ENVIRONMENT_READERS:
        return []
    return re.findall(r"\benviron\b|\bgetenv\b", module.source)


def dynamic_imports(module: Module) -> list[str]:
    if module.name in DYNAMIC_IMPORTERS:
        return []
    return re.findall(r"\bimport_module\b|\b__import__\b", module.source)


def duckdb_sessions(module: Module) -> list[str]:
    """Opened elsewhere they would lack what results rest on."""
    if module.name == "duckdb_session":
        return []
    return re.findall(r"\bduckdb\.(?:connect|sql|query|execute)\b|\bfrom duckdb import\b", module.source)


def absolute_paths(module: Module) -> list[str]:
    texts = [n.value for n in ast.walk(ast.parse(module.source)) if isinstance(n, ast.Constant)]
    pattern = re.compile(r"(?:^|[\s'\"`=:(])/(?:home|root|usr|var|opt|etc|mnt|tmp|srv|Users|work)\b|\b[A-Z]:\\")
    return [text for text in texts if isinstance(text, str) and pattern.search(text)]


def missing_signposts(module: Module) -> list[str]:
    text = " ".join((ast.get_docstring(ast.parse(module.source)) or "").split())
    return [words for words in ("Belongs here: ", "Does not belong here: ") if words not in text]


RULES = (
    wrong_directions,
    dagster_imports,
    environment_reads,
    dynamic_imports,
    duckdb_sessions,
    absolute_paths,
    missing_signposts,
)


@pytest.mark.parametrize("rule", RULES)
def test_every_module_keeps_the_rule(rule: Callable[[Module], list[str]]) -> None:
    assert {module.name: faults for module in MODULES if (faults := rule(module))} == {}


def test_the_kernel_has_no_word_of_a_study() -> None:
    assert {module.name: words for module in KERNEL if (words := words_of_studies(module))} == {}


@pytest.mark.parametrize(
    ("rule", "name", "source"),
    [
        (wrong_directions, "lake.x", "from ratings_platform.engines.duckdb import DuckDBEngine"),
        (wrong_directions, "engines.x", "def f():\n    from ratings_platform.lake import tables"),
        (wrong_directions, "warehouse.x", "import ratings_platform.engines.text"),
        (wrong_directions, "sources.x", "from ratings_platform import settings"),
        (wrong_directions, "schema.x", "if TYPE_CHECKING:\n    from ratings_platform.lake import raw"),
        (wrong_directions, "orchestration.x", "from ratings_platform.studies.a import tables"),
        (wrong_directions, "settings", "from ratings_platform import studies"),
        (wrong_directions, "studies.a.readers", "from ratings_platform.engines.text import store"),
        (wrong_directions, "studies.a.models", "from ratings_platform import settings"),
        (wrong_directions, "studies.a.assets", "from ratings_platform.lake.tables import LakeTable"),
        (wrong_directions, "studies.a.assets", "from ratings_platform.studies.b import tables"),
        (dagster_imports, "lake.x", "def f():\n    import dagster as dg"),
        (dagster_imports, "cli", "from dagster import Definitions"),
        (dagster_imports, "studies.a.study", "import dagster_aws.s3"),
        (words_of_studies, "lake.x", "# as MARKET studies do"),
        (words_of_studies, "cli", 'DEFAULT_STUDY = "market-study"'),
        (environment_reads, "lake.x", "from os import getenv"),
        (environment_reads, "sources.kaggle", "import os\nos.environ['KAGGLE_KEY']"),
        (dynamic_imports, "lake.x", "importlib.import_module('dagster')"),
        (duckdb_sessions, "warehouse.x", "with duckdb.connect() as session: pass"),
        (duckdb_sessions, "studies.a.models", "from duckdb import sql"),
        (absolute_paths, "lake.x", "HOME = '/home/me'"),
        (absolute_paths, "lake.x", "url = f'file:{a} /var/lib'"),
        (missing_signposts, "lake.x", '"""Belongs here: all."""'),
        (missing_signposts, "lake.x", "# Belongs here: all. Does not belong here: nothing."),
    ],
)
def test_each_rule_finds_its_fault(rule: Callable[[Module], list[str]], name: str, source: str) -> None:
    assert rule(Module(name, source)) != []


def test_every_room_was_looked_at() -> None:
    assert {module.room for module in MODULES} == set(MAY_IMPORT)
    assert {(module.study or "").replace("_", "-") for module in MODULES} - {""} == set(studies.names())


def run(code: str, folder: Path) -> str:
    """What a program prints in a process of its own."""
    environment = {**os.environ, "RATINGS_HOME": str(folder / "home")}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]


def loaded(*names: str) -> str:
    """Code that prints which of some packages were imported."""
    return f"import sys; print(sorted({set(names)!r} & {{name.split('.')[0] for name in sys.modules}}))"


HEAVY = (
    "alembic", "dagster", "ibis", "duckdb", "polars", "pyspark", "py4j", "pyarrow", "deltalake", "pandas", "kaggle",
    "boto3",
)  # fmt: skip
HELP = "import contextlib\nwith contextlib.suppress(SystemExit): cli.app(['--help'])\n"


@pytest.mark.parametrize("then", ["", HELP], ids=["import", "--help"])
def test_the_command_line_answers_without_heavy_packages(tmp_path: Path, then: str) -> None:
    assert run(f"from ratings_platform import cli\n{then}{loaded(*HEAVY)}", tmp_path) == "[]"


def test_the_code_location_loads_without_clusters_clouds_or_other_programs(tmp_path: Path) -> None:
    """Nothing is connected to, started or written either."""
    watch = (
        "import sys\n"
        "seen = []\n"
        "watched = ('subprocess.Popen', 'os.exec', 'os.posix_spawn', 'os.system', 'socket.connect')\n"
        "sys.addaudithook(lambda event, args: seen.append(str(args[0])) if event in watched else None)\n"
    )
    # Dagster's cron parser asks the program `file` whether Python has 64 bits.
    load = (
        "import os; os.environ['RATINGS_LAKE'] = 's3://bucket/lake'\n"
        "from ratings_platform.definitions import defs\n"
        "assert defs().assets\n"
        "assert {*seen} <= {'file'}, seen\n"
    )
    absent = loaded("pyspark", "py4j", "kaggle", "kagglesdk", "boto3", "botocore", "pandas", "matplotlib")
    assert run(watch + load + absent, tmp_path) == "[]"
    assert list(tmp_path.iterdir()) == []
