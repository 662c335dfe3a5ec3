from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db import connections
from django.db.migrations.executor import MigrationExecutor
from django.db.models.signals import post_migrate, pre_migrate

from changes import triggers


class Changes(AppConfig):
    name = "changes"

    def ready(self) -> None:
        pre_migrate.connect(_before, sender=self)
        post_migrate.connect(_after, sender=self)


def _before(using: str, **_: Any) -> None:
    triggers.uninstall(connections[using])


def _after(using: str, plan: list[Any] | None = None, **_: Any) -> None:
    connection = connections[using]
    executor = MigrationExecutor(connection)
    # After a partial or reversed migration the columns that the triggers name may be missing.
    if not executor.migration_plan(executor.loader.graph.leaf_nodes()):
        triggers.install(connection)
