"""The services of a worker process."""

import pytest
from django.db import ProgrammingError

from config import services
from db.database import DatabaseUnavailable

pytestmark = [pytest.mark.once, pytest.mark.django_db(transaction=True)]

FIGURES = ("measure_tasks", "measure_backup", "measure_archive")


@pytest.mark.parametrize("fault", [ProgrammingError("no such column"), DatabaseUnavailable("away"), TimeoutError()])
@pytest.mark.parametrize("figure", FIGURES)
async def test_figures_that_cannot_be_asked_are_left_out(monkeypatch: pytest.MonkeyPatch, figure: str, fault: Exception) -> None:
    """/metrics answers with the others, during an outage and before migrations."""
    called: list[str] = []

    def measure(name: str) -> None:
        called.append(name)
        if name == figure:
            raise fault

    monkeypatch.setattr(services, "FIGURE_S", 60)  # a busy machine is no fault
    for name in FIGURES:
        monkeypatch.setattr(services, name, lambda name=name: measure(name))
    await services.DatabaseFigures().measure()
    assert called == list(FIGURES)
