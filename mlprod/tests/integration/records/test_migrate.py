import subprocess
import sys

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import inspect, text

from mlprod.ops.migrate import config_of, migrate
from mlprod.records.database import engine_of, now
from mlprod.records.errors import StoreUnavailableError
from mlprod.records.sender import Sender
from mlprod.records.store import Store
from mlprod.records.tables import VERSIONS, metadata
from mlprod.records.usage_stats import usage

pytest_plugins = ["postgres"]

WAITING = """
import sys
from {module} import migrate
print("ready", flush=True)
sys.stdin.readline()
migrate(sys.argv[1])
"""


def tables(url: str) -> set[str]:
    engine = engine_of(url)
    result = set(inspect(engine).get_table_names())
    engine.dispose()
    return result


def differences(url: str) -> list[object]:
    """Return the differences between the database and the tables of the code."""
    engine = engine_of(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSIONS})
        result: list[object] = compare_metadata(context, metadata)
    engine.dispose()
    return result


def run(url: str, *statements: str) -> list[tuple[object, ...]]:
    """Execute statements; return the rows of the last one."""
    engine, matches = engine_of(url), []
    with engine.begin() as connection:
        for statement in statements:
            result = connection.execute(text(statement))
            matches = [tuple(row) for row in result] if result.returns_rows else []
    engine.dispose()
    return matches


def test_migration_of_an_empty_database_creates_all_tables(bare_url: str) -> None:
    assert migrate(bare_url)
    assert tables(bare_url) == {*metadata.tables, VERSIONS}
    assert differences(bare_url) == []


OLD_WRITES = (
    "INSERT INTO predictions (id, at, model_version, bundle, arm, mode, score, decision, row)"
    " VALUES ('ID', '2026-01-31 12:00:00', '7', 'f', 'champion', 'assist', 0.5, 'call', '[]')",
    "INSERT INTO outcomes (prediction_id, outcome, at, received_at) VALUES ('ID', 1, "
    "'2026-01-31 12:00:00', 'NOW')",
    "INSERT INTO feedback (id, prediction_id, verdict, pseudonym, at) VALUES ('ID', 'ID', "
    "'overridden', 'p', 'NOW')",
)


def write_as_before(url: str, id: str) -> None:
    """Write like older code: without caller, number of the prediction and mark of a smoke test."""
    at = f"{now():%Y-%m-%d %H:%M:%S}"
    run(url, *(statement.replace("ID", id).replace("NOW", at) for statement in OLD_WRITES))


def test_old_records_stay_and_old_code_may_still_write(
    bare_url: str,
) -> None:
    command.upgrade(config_of(bare_url), "0002")
    for id in ("a", "smoke-1"):
        write_as_before(bare_url, id)
    assert migrate(bare_url)
    assert differences(bare_url) == []
    for id in ("b", "smoke-2"):
        # a replica with the old code
        write_as_before(bare_url, id)
    store = Store(bare_url)
    result = usage(store, "assist")
    assert (result.cases, result.judged, result.outcomes) == (2, 2, 2), (
        "smoke tests are recognized by their ids"
    )
    store.add_outcomes(
        [{"prediction_id": "a", "outcome": 0.0, "at": now(), "correction": True}], Sender("desk")
    )
    store.engine.dispose()
    assert run(bare_url, "SELECT outcome, caller FROM outcome_history") == [(1.0, None)]
    assert run(bare_url, "SELECT outcome, caller FROM outcomes WHERE prediction_id = 'a'") == [
        (0.0, "desk")
    ]


def test_kill_switch_works_before_the_tables_are_migrated(bare_url: str) -> None:
    command.upgrade(config_of(bare_url), "0002")
    store = Store(bare_url)
    store.set_mode("shadow", "ops@example.org", "complaints since noon", request="r-1")
    held = store.mode()
    assert held is not None
    assert (held.mode, held.why, held.number) == ("shadow", "complaints since noon", 1)
    migrate(bare_url)
    store.set_mode("assist", "ops@example.org", "all is well", request="r-2")
    store.engine.dispose()
    assert run(bare_url, "SELECT mode, request FROM modes ORDER BY number") == [
        ("shadow", None),
        ("assist", "r-2"),
    ]


def test_second_migration_changes_nothing(records_url: str) -> None:
    store = Store(records_url)
    done = store.set_mode("shadow", "you", "a test")
    migrate(records_url)
    assert store.mode() == done
    assert differences(records_url) == []
    store.engine.dispose()


def test_changed_table_without_a_migration_is_detected(records_url: str) -> None:
    run(records_url, "DROP INDEX feedback_at")
    assert [change[0] for change in differences(records_url) if isinstance(change, tuple)] == [
        "add_index"
    ]
    run(records_url, "CREATE INDEX feedback_at ON feedback (at)")
    assert differences(records_url) == []


def test_concurrent_migrations_run_once(bare_url: str) -> None:
    code = [sys.executable, "-c", WAITING.format(module=migrate.__module__), bare_url]
    with subprocess.Popen(code, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin
        assert other.stdout
        assert other.stdout.readline() == "ready\n"
        other.stdin.write("go\n")
        other.stdin.flush()
        migrate(bare_url)
        other.communicate(timeout=30)
    assert other.returncode == 0
    assert differences(bare_url) == []
    assert len(run(bare_url, "SELECT version_num FROM records_version")) == 1


def test_database_may_be_shared_with_mlflow(bare_url: str) -> None:
    run(
        bare_url,
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)",
        "INSERT INTO alembic_version VALUES ('of another history')",
    )
    migrate(bare_url)
    migrate(bare_url)
    assert run(bare_url, "SELECT version_num FROM alembic_version") == [("of another history",)]
    assert tables(bare_url) == {*metadata.tables, VERSIONS, "alembic_version"}


def test_older_code_works_after_a_migration(bare_url: str) -> None:
    migrate(bare_url)
    newer = (
        "UPDATE records_version SET version_num = 'of next week'",
        "CREATE TABLE of_next_week (id INTEGER)",
    )
    run(bare_url, *newer)
    assert not migrate(bare_url)
    assert tables(bare_url) == {*metadata.tables, VERSIONS, "of_next_week"}
    store = Store(bare_url)
    assert store.set_mode("shadow", "you", "a test") == store.mode()
    store.engine.dispose()


def test_unknown_migration_history_is_refused(bare_url: str) -> None:
    run(
        bare_url,
        "CREATE TABLE records_version (version_num VARCHAR(32))",
        "INSERT INTO records_version VALUES ('of others')",
    )
    with pytest.raises(CommandError, match="of others"):
        migrate(bare_url)


def test_failed_migration_changes_nothing(bare_url: str) -> None:
    run(bare_url, "CREATE TABLE modes (mine INTEGER)", "INSERT INTO modes VALUES (7)")
    with pytest.raises(StoreUnavailableError, match="exists"):
        migrate(bare_url)
    assert tables(bare_url) == {"modes"}
    run(bare_url, "DROP TABLE modes")
    migrate(bare_url)
    assert differences(bare_url) == []
