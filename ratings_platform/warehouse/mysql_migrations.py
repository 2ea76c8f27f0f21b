"""A study's numbered migrations: their files, which of them a server has had, and applying the others.

Belongs here: all that knows of Alembic. Does not belong here: what a migration should do (`mysql_changes`), and locks.

MySQL commits each statement by itself, so a process may be killed between any two of a migration. The next one runs
the whole migration again: what is there already is passed over, which suits statements that add.
"""

from __future__ import annotations

import hashlib
import logging
import re
import threading
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pymysql
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext, MigrationStep
from alembic.script import Script, ScriptDirectory
from pymysql.constants import ER
from sqlalchemy import create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from ratings_platform.schema.errors import PlatformError
from ratings_platform.schema.study import Study
from ratings_platform.warehouse import mysql_changes
from ratings_platform.warehouse.mysql_address import MySQLAddress
from ratings_platform.warehouse.mysql_ddl import mysql_name
from ratings_platform.warehouse.mysql_faults import fault
from ratings_platform.warehouse.mysql_session import Session

logger = logging.getLogger(__name__)

# Alembic's `op`, by which migrations speak to the server, belongs to the whole process.
_OP = threading.Lock()

EDITED_REMEDY = (
    "Put the file back as it was, and write what is to change as a new one: ratings-platform migrations new 'what "
    "changes'"
)

_THERE_ALREADY = {ER.TABLE_EXISTS_ERROR, ER.DUP_FIELDNAME, ER.DUP_KEYNAME, ER.CANT_DROP_FIELD_OR_KEY}


class Migration(NamedTuple):
    """One step of a study's tables: its number, what it does, and whether the server has had it.

    `content` is the checksum of its file, `applied_content` that of the file as it was applied; empty where the server
    does not know.
    """

    number: str
    about: str
    applied: bool
    content: str
    applied_content: str = ""

    @property
    def edited(self) -> bool:
        """Whether the file is no longer the one that was applied: another server would get other tables."""
        return self.applied_content not in ("", self.content)

    @property
    def state(self) -> str:
        return "applied, edited since" if self.edited else "applied" if self.applied else "pending"

    @property
    def warning(self) -> str:
        """What is told of an edited one, in one line."""
        return f"migration {self} was edited after it was applied. {EDITED_REMEDY}"

    def __str__(self) -> str:
        return f"{self.number} {self.about}"


def version_table(study: Study) -> str:
    """Where a server keeps the number of the last migration that it has had; each study has a table of its own."""
    return f"{study.name.replace('-', '_')}_migrations"


def checksum_table(study: Study) -> str:
    """Where a server keeps the checksums of the migrations that it has had."""
    return f"{version_table(study)}_checksums"


def migrations(session: Session, study: Study) -> list[Migration]:
    """All migrations of a study, in order. Asks the server one thing, unless it has no checksums yet."""
    scripts, (last, checksums) = _scripts(study), _applied(session, study)
    if last and last not in {script.revision for script in scripts}:
        raise PlatformError(
            f"the tables of {study.name} are at migration {last}, which this version of the platform does not know",
            file=f"{version_table(study)}",
            remedy="Use the version that brought them there, or a later one; nothing was changed.",
        )
    return [
        Migration(s.revision, s.doc.rstrip("."), s.revision <= last, _checksum(s), checksums.get(s.revision, ""))
        for s in scripts
    ]


def remember(session: Session, study: Study, applied: Sequence[Migration]) -> None:
    """Keep the checksums of migrations that the server has had; what it knows already stays."""
    table = mysql_name(checksum_table(study))
    session.execute(
        f"CREATE TABLE IF NOT EXISTS {table} (number VARCHAR(32) NOT NULL PRIMARY KEY, checksum CHAR(64) NOT NULL)"
        " ENGINE=InnoDB DEFAULT CHARSET=ascii"
    )
    for migration in applied:
        session.execute(f"INSERT IGNORE INTO {table} VALUES (%s, %s)", (migration.number, migration.content))


def apply(session: Session, study: Study, address: MySQLAddress) -> list[Migration]:
    """Apply what is pending, over the session's own connection; returns what was applied."""
    pending = [migration for migration in migrations(session, study) if not migration.applied]
    done: list[Migration] = []
    if not pending:
        return done

    def tell(**_: Any) -> None:
        done.append(pending[len(done)]._replace(applied=True))
        remember(session, study, done[-1:])
        logger.info("migration %s applied: %s", done[-1].number, done[-1].about)

    try:
        _run(session, study, [migration.number for migration in pending], tell)
    except pymysql.err.MySQLError as error:
        failed = pending[len(done)]
        raise fault(
            error,
            address,
            doing=f"migration {failed.number} ({failed.about}) failed",
            remedy="Correct the tables or the migration (the server's manual explains the number), and then: "
            "ratings-platform migrations apply",
        ) from error
    return done


def write(study: Study, about: str) -> tuple[Path, list[str]]:
    """Write the next migration from what was declared since the last; its file, and what is left to do by hand in it.

    Raises PlatformError when nothing has changed, and when the words cannot be the head of a Python file.
    """
    if not about.strip() or not about.isprintable() or {'"', "\\"} & set(about):
        raise PlatformError(
            f"{about!r} cannot name a migration",
            remedy="Say in one line, without double quotes and backslashes, what has changed.",
        )
    changes = mysql_changes.changes(study)
    if not changes:
        raise PlatformError(
            "the declared tables have not changed since the last migration",
            file=str(study.migrations),
            remedy="Change a table's declaration first.",
        )
    by_hand = [change.by_hand for change in changes if change.by_hand]
    number = f"{len(_scripts(study)) + 1:04}"
    statements = [_literal(change.statement) for change in changes if change.statement]
    _directory(study).generate_revision(number, about, statements=statements, by_hand=by_hand)
    (_folder(study) / mysql_changes.FILE).write_text(mysql_changes.written(study), encoding="utf-8")
    return next(_folder(study).glob(f"{number}_*.py")), by_hand


def _run(session: Session, study: Study, numbers: Sequence[str], tell: Any) -> None:
    directory = _directory(study)
    scripts = directory.get_revisions(tuple(numbers))
    steps = [MigrationStep.upgrade_from_script(directory.revision_map, script) for script in scripts]
    # The session stays its maker's: nothing here connects, knows a password or closes.
    engine = create_engine("mysql+pymysql://", creator=lambda: session.connection, poolclass=StaticPool)
    event.listen(engine, "do_execute", _unless_there)
    options = {
        "version_table": version_table(study),
        "collation": session.collation,
        "fn": lambda *_: steps,
        "on_version_apply": [tell],
    }
    try:
        with _OP, engine.connect() as connection:
            context = MigrationContext.configure(connection, opts=options)
            with Operations.context(context):
                context.run_migrations()
    except DBAPIError as error:
        raise error.orig or error from None


def _unless_there(cursor: Any, statement: str, values: Any, _: Any) -> bool:
    """Run a statement; pass over it when an earlier try, which was killed, has done its work."""
    try:
        cursor.execute(statement, values)
    except pymysql.err.MySQLError as error:
        if error.args[0] not in _THERE_ALREADY:
            raise
        logger.info("passed over, as it was done before: %s", error.args[1])
    return True


def _applied(session: Session, study: Study) -> tuple[str, dict[str, str]]:
    """The number of the last migration that the server has had, empty before the first, and checksums by number."""
    versions, checksums = mysql_name(version_table(study)), mysql_name(checksum_table(study))
    for sql in (
        f"SELECT version_num, number, checksum FROM {versions} LEFT JOIN {checksums} ON TRUE",
        # A server whose migrations were applied before checksums were kept.
        f"SELECT version_num, NULL, NULL FROM {versions}",
    ):
        try:
            found = session.fetch(sql)
        except pymysql.err.ProgrammingError as error:
            if error.args[0] != ER.NO_SUCH_TABLE:
                raise
        else:
            return str(found[0][0]) if found else "", {n: checksum for _, n, checksum in found if n is not None}
    return "", {}


def _checksum(script: Script) -> str:
    """Of the file's lines: how they end is a matter of the system that they were checked out on."""
    lines = Path(script.path).read_text(encoding="utf-8").splitlines()
    return hashlib.sha256("\n".join(map(str.rstrip, lines)).encode()).hexdigest()


def _scripts(study: Study) -> list[Script]:
    """The migrations in order. Raises PlatformError when their files are not one line of numbers."""
    try:
        with warnings.catch_warnings(action="error", category=UserWarning):
            found = list(_directory(study).walk_revisions())[::-1]
    except SyntaxError as error:
        raise PlatformError(
            f"the migration is not Python ({error.msg})",
            file=error.filename,
            line=error.lineno,
            remedy="Correct the file.",
        ) from error
    except UserWarning:  # a number that is there twice, or not there
        found = []
    files = sorted(file.name for file in _folder(study).glob("[0-9]*.py"))
    numbers = [f"{n:04}" for n in range(1, len(files) + 1)]
    line = [(script.down_revision, script.revision) for script in found]
    if [name[:4] for name in files] != numbers or line != list(zip([None, *numbers], numbers, strict=False)):
        raise PlatformError(
            f"the migrations are not one line of numbers: {', '.join(files)}",
            file=str(study.migrations),
            remedy="Number them 0001, 0002 … in their names and in `revision`, each with the one before it as "
            "`down_revision`.",
        )
    return found


def _directory(study: Study) -> ScriptDirectory:
    return ScriptDirectory(
        str(Path(__file__).parent),
        file_template="%(rev)s_%(slug)s",
        version_locations=[str(_folder(study))],
        messaging_opts={"quiet": True},
    )


def _folder(study: Study) -> Path:
    if study.migrations is None:
        raise PlatformError(
            f"the study {study.name} has no migrations", remedy="Give its STUDY a folder for them: `migrations`."
        )
    return study.migrations


def _literal(statement: str) -> str:
    """A statement as Python source. Alembic would take a colon before a word for a parameter."""
    text = re.sub(r":(?=\w)", r"\\:", statement)
    if mysql_changes.COLLATION not in text:
        return f'r"""\n{text}\n"""'
    text = text.replace("{", "{{").replace("}", "}}")
    text = text.replace("{" + mysql_changes.COLLATION + "}", mysql_changes.COLLATION)
    return f'rf"""\n{text}\n"""'
