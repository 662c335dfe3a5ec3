"""Faults of Postgres: no commits and no reads meanwhile; open sockets stay open."""

from tests.chaos.faults.fault import Fault
from tests.chaos.faults.parts import PartFault, Pause, Restart, Stop

#: Locks every room's row for a moment, so that writers wait inside a transaction, and kills them.
KILL_IN_TRANSACTION = """
    BEGIN;
    SELECT count(*) FROM (SELECT 1 FROM rooms_room ORDER BY id FOR UPDATE) AS held;
    SELECT pg_sleep(1);
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL AND wait_event_type = 'Lock';
    COMMIT
"""


class PostgresFault(PartFault):
    service = "postgres"
    excuses = True

    async def process(self) -> str:
        answer = await self.ask(self.stack.psql, "SELECT pg_postmaster_start_time()")
        return answer.stdout.strip()


class RestartPostgres(Restart, PostgresFault):
    name, title = "postgres-restart", "Postgres restarted"


class StopPostgres(Stop, PostgresFault):
    name, title = "postgres-stop", "Postgres stopped for 10 s"


class PausePostgres(Pause, PostgresFault):
    name, title = "postgres-pause", "Postgres paused for 10 s"


class KillBackends(PostgresFault):
    name, title = "postgres-kill-backend", "backends killed in mid-transaction"
    excuses = False
    killed = 0

    async def begin(self) -> None:
        answer = await self.ask(self.stack.psql, KILL_IN_TRANSACTION)
        assert answer.returncode == 0, answer.stderr
        self.killed = int(answer.stdout.split()[-1])

    def without_effect(self) -> str:
        return "" if self.killed else "no backend was in a transaction"


FAULTS: tuple[type[Fault], ...] = (RestartPostgres, StopPostgres, PausePostgres, KillBackends)
