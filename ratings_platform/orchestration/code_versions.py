"""Which version of the code reads a vendor's files.

Belongs here: what tells that a reader, or anything that it rests on, has changed. Does not belong here: what follows
from that (`ingestion`).
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import sys
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any


def reader_version(reader: Callable[..., Any]) -> str:
    """Changes with the text of the reader's module, and of every module of its package that it reaches by imports.

    The package is the outermost one, and imports count wherever they stand: a constant, a rule or a helper can change
    what is read however far away it is. Nothing is imported to find out.
    """
    function = reader.func if isinstance(reader, partial) else reader
    return _version(function.__module__)


@cache
def _version(reader_module: str) -> str:
    module = sys.modules[reader_module]
    package = module.__name__.partition(".")[0]
    roots = [Path(path) for path in getattr(sys.modules[package], "__path__", ())]
    texts: dict[str, str] = {}
    waiting = {module.__name__: Path(inspect.getfile(module))}
    while waiting:
        name, file = waiting.popitem()
        texts[name] = file.read_text(encoding="utf-8")
        within = name if file.name == "__init__.py" else name.rpartition(".")[0]
        for imported in set(_imports(texts[name], within)) - texts.keys():
            if found := _file(imported, package, roots):
                waiting[imported] = found
    return hashlib.sha256("\n".join(f"{name}\n{texts[name]}" for name in sorted(texts)).encode()).hexdigest()[:12]


def _imports(text: str, package: str) -> Iterator[str]:
    """Names that a module imports, or that an import runs; some may be no modules but what a module holds."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _with_parents(alias.name)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: 1 - node.level or None] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            yield from _with_parents(base)
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _with_parents(name: str) -> Iterator[str]:
    parts = name.split(".")
    yield from (".".join(parts[:end]) for end in range(1, len(parts) + 1))


def _file(name: str, package: str, roots: list[Path]) -> Path | None:
    """The file of a module of the package; None for others, and for names that are no module's."""
    first, *below = name.split(".")
    if first != package:
        return None
    found = (root.joinpath(*below, "__init__.py") for root in roots)
    plain = (root.joinpath(*below).with_suffix(".py") for root in roots if below)
    return next((file for file in (*found, *plain) if file.is_file()), None)
