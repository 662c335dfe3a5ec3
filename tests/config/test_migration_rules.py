"""Each rule over migrations finds its planted fault, and squawk's rules run."""

import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.db import migrations, models

from db.indexes import OnPostgres
from tests.support.server import ROOT, base_environment

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def lint() -> ModuleType:
    spec = spec_from_file_location("lint_migrations", ROOT / "scripts" / "lint_migrations.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def migration(*operations: Any, atomic: bool = True, allowed: dict[str, str] | None = None) -> Any:
    made: Any = migrations.Migration("0099_planted", "rooms")
    made.operations, made.atomic, made.allowed = list(operations), atomic, allowed or {}
    return made


def index(name: str = "i") -> models.Index:
    return models.Index(fields=["title"], name=name)


def move_rows(apps: Any, schema_editor: Any) -> None:
    apps.get_model("rooms", "Room").objects.update(title="")


def execute_one(apps: Any, schema_editor: Any) -> None:
    schema_editor.execute("ALTER TABLE rooms_room ALTER COLUMN title TYPE text")


NEW_TABLE = migrations.CreateModel("Thing", [("id", models.BigAutoField(primary_key=True)), ("title", models.TextField())])
UNIQUE = models.UniqueConstraint(fields=["title"], name="u")
CHECK = models.CheckConstraint(condition=models.Q(title=""), name="c")
FAULTS = [
    ("new_column_has_a_default", migrations.AddField("room", "mood", models.TextField())),
    ("new_column_has_a_default", migrations.AddField("room", "mood", models.TextField(default=""))),
    ("index_is_built_beside_writers", migrations.AddIndex("room", index())),
    ("index_is_built_beside_writers", migrations.AddField("room", "mood", models.TextField(null=True, db_index=True))),
    ("index_is_built_beside_writers", migrations.AddField("room", "mood", models.TextField(null=True, unique=True))),
    ("constraint_is_checked_later", migrations.AddConstraint("room", UNIQUE)),
    ("constraint_is_checked_later", migrations.AddConstraint("room", CHECK)),
    ("nothing_is_taken_away", migrations.RemoveField("room", "title")),
    ("nothing_is_taken_away", migrations.DeleteModel("Room")),
    ("nothing_is_taken_away", migrations.RenameField("room", "title", "name")),
    ("nothing_is_taken_away", migrations.RenameModel("Room", "Place")),
    ("nothing_is_taken_away", migrations.AlterModelTable("room", "places")),
    ("nothing_is_taken_away", migrations.SeparateDatabaseAndState([migrations.RenameField("room", "title", "name")])),
    ("changing-column-type", migrations.SeparateDatabaseAndState([migrations.RunPython(execute_one)])),
    ("column_is_not_rewritten", migrations.AlterField("room", "title", models.IntegerField())),
    ("data_is_moved_alone", migrations.RunPython(move_rows)),
    ("require-concurrent-index-creation", migrations.RunSQL("CREATE INDEX i ON rooms_room (title)")),
    ("changing-column-type", migrations.RunPython(execute_one)),
    ("ban-drop-column", OnPostgres([], forwards=["ALTER TABLE rooms_room DROP COLUMN title"], backwards=[])),
]


@pytest.mark.parametrize(("rule", "operation"), FAULTS, ids=[f"{rule}-{number}" for number, (rule, _) in enumerate(FAULTS)])
def test_rule_finds_its_planted_fault(lint: ModuleType, rule: str, operation: Any) -> None:
    planted = migration(operation)
    assert rule in {fault.rule for fault in lint.faults_of(planted)}
    everything = {fault.rule: "for a test" for fault in lint.faults_of(planted)}
    assert list(lint.faults_of(migration(operation, allowed=everything))) == []


def test_every_rule_has_a_planted_fault(lint: ModuleType) -> None:
    assert {rule.__name__ for rule in lint.RULES} <= {rule for rule, _ in FAULTS}
    page = (ROOT / "docs" / "upgrading.md").read_text()
    assert all(f"| `{rule.__name__}` |" in page for rule in lint.RULES)


@pytest.mark.parametrize(
    "operations",
    [
        [NEW_TABLE, migrations.AddIndex("thing", index()), migrations.AddConstraint("thing", UNIQUE)],
        [migrations.AddField("room", "mood", models.TextField(null=True))],
        [migrations.AddField("room", "mood", models.TextField(db_default=""))],
        [migrations.SeparateDatabaseAndState(state_operations=[migrations.RenameField("room", "title", "name")])],
    ],
)
def test_changes_that_disturb_nobody_are_no_faults(lint: ModuleType, operations: list[Any]) -> None:
    assert list(lint.faults_of(migration(*operations))) == []


def test_index_beside_writers_is_no_fault(lint: ModuleType) -> None:
    forwards = ["DROP INDEX CONCURRENTLY IF EXISTS i", "CREATE INDEX CONCURRENTLY i ON rooms_room (title)"]
    built = OnPostgres([migrations.AddIndex("room", index())], forwards=forwards, backwards=[])
    assert list(lint.faults_of(migration(built, atomic=False))) == []
    assert list(lint.faults_of(migration(built))), "CONCURRENTLY needs a migration that is no transaction"


def test_exception_that_nothing_needs_is_a_fault(lint: ModuleType) -> None:
    (fault,) = lint.faults_of(migration(NEW_TABLE, allowed={"nothing_is_taken_away": "because"}))
    assert "nothing needs it" in fault.says


def test_our_migrations_fit(tmp_path: Path) -> None:
    env = base_environment() | {"DATA_DIR": str(tmp_path)}
    command: list[str | Path] = [sys.executable, ROOT / "scripts" / "lint_migrations.py"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[0]) > 30
