"""scripts/check_words.py finds replaced names, long docstrings and too many vague words."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.once

# Where a line stands, and a line with a name that is held there.
OLD = [
    ("app/server/planted.py", "class Turn:"),
    ("app/server/planted.py", "class _Door:  # a door"),
    ("docs/planted.md", "The front door is nginx."),
    ("app/server/planted.py", "queue = HeldOutbox()"),
    ("app/realtime/planted.py", "class Outbox:"),
    ("app/realtime/planted.py", "    def wrote(self) -> None: ..."),
    ("app/db/planted.py", "class Answer:"),
    ("app/server/planted.py", "class Instance:"),
    ("docs/planted.md", "See `lean_protocol.py`."),
    ("app/server/planted.py", "left = grace.spread_s()"),
    ("docs/planted.md", "See `wiring.py`."),
    ("app/server/planted.py", "await end(tasks)"),
    ("app/server/websocket/planted.py", "    def judged(self) -> None: ..."),
    ("app/server/websocket/planted.py", "    def unread(self) -> int: ..."),
    ("app/realtime/planted.py", "class Later:"),
    ("app/realtime/planted.py", "from realtime.events import frame_of"),
    ("app/realtime/live_room.py", "    def take(self) -> None: ..."),
    ("app/realtime/planted.py", "repair.hole(room)"),
    ("app/realtime/presence/planted.py", "    def show(self) -> None: ..."),
    ("app/realtime/planted.py", "class LocalPerson:"),
    ("app/rooms/planted.py", "    upto = membership.upto"),
    ("tests/planted.py", f"def test_{'long_' * 12}() -> None: ..."),
    ("tests/planted.py", "Membership.objects.update(upto=0)"),
    ("frontend/src/rooms/planted.ts", "const readUpto = 0"),
    ("app/rooms/planted.py", 'seq__gt=F("room__memberships__upto")'),
    ("app/chat/planted.py", "class Writer:"),
    ("app/chat/planted.py", "LATE = 'too late'"),
    ("app/chat/planted.py", "class Append:"),
    ("app/chat/planted.py", "page = _fit(rows)"),
    ("app/realtime/planted.py", "    def frames() -> Table: ..."),
    ("app/realtime/planted.py", "class Room:"),
    ("docs/planted.md", "See `problems.py`."),
    ("app/rooms/planted.py", "access.ref(room)"),
    ("frontend/src/rooms/planted.ts", "if (row.lead) return"),
    ("docs/planted.md", "See scripts/lib/front.sh."),
    ("app/accounts/planted.py", "with hashers.turn_for(address):"),
    ("app/accounts/planted.py", "from accounts.people import checked_alias, person"),
    ("app/rooms/planted.py", "from accounts.people import person"),
    ("app/realtime/planted.py", "self._turn = asyncio.Lock()"),
    ("app/accounts/planted.py", "turn, into = divmod(int(time.time()), window)"),
    ("app/core/planted.py", 'logger.exception("a background turn failed", turn=tick.__qualname__)'),
    ("app/features/planted.py", '"""One turn of the background worker."""'),
    ("app/features/planted.py", "# A turn ends after BUSY_S."),
    ("docs/planted.md", "What is sent in one turn of the event loop leaves in one write."),
    ("tests/core/planted.py", "    await turns(3)"),
    ("tests/server/planted.py", "# in the second turn the byte has been read"),
    ("app/chat/planted.py", "ROOMS_A_TURN = 16"),
    ("app/server/planted.py", "UNREAD_S = 30.0"),
    ("app/server/planted.py", "        self._watch_unread()"),
    ("docs/planted.md", "A process may leave unread so many bytes."),
    ("tests/planted.py", "async def test_unread_stream_is_full() -> None: ..."),
    ("app/realtime/planted.py", "CUT_TO = 3 / 4"),
    ("app/realtime/planted.py", "    def _cut(self) -> None: ..."),
    ("docs/planted.md", "Above it the slowest are cut."),
    ("app/server/websocket/planted.py", "        guarded.guard()"),
    ("tests/realtime/planted.py", "    guarded = opened()"),
    ("docs/planted.md", "| 8 % | `Lookup` | credentials |"),
    ("tests/db/planted.py", "    lookup = BatchLoader(squares)"),
    ("app/realtime/planted.py", "self._find_losses(heads, passed_on)"),
    ("docs/planted.md", "The database lost events that were passed on."),
    ("app/features/sensors/planted.py", "heir = await database.run(_pass_on, alarm, room)"),
    ("app/rooms/planted.py", "def ownership_pass_on(*, user: int) -> list[Room]: ..."),
    ("docs/planted.md", "`cause`: `hole`, `poll`"),
    ("app/chat/planted.py", "    told: list[Result] = []"),
    ("app/realtime/planted.py", "    if not gap.counted and told[0]:"),
    ("app/chat/planted.py", "for append, result in told:\n    told.append(result)"),
    ("loadtest/planted.py", "def _failures(summary: Summary, told: dict[str, float]) -> Gate: ..."),
    ("tests/planted.py", '@pytest.mark.parametrize(("run", "told"), [])\ndef test_run(run: str, told: str) -> None: ...'),
    ("app/server/planted.py", "KEPT_S = 1.0"),
    ("app/config/planted.py", "WORKER_MEMORY_LOOK_S = 30.0"),
    ("app/server/planted.py", "LOOK_EVERY_S = 0.05"),
    ("frontend/src/planted.ts", "const LOOK_EVERY = 15_000"),
    ("app/config/planted.py", "run_forever(_ticker(name, one))"),
    ("app/planted.py", 'class Room:\n    """A room. And its head."""'),
    ("app/planted.py", '"""Read `.env`. (No other file.)\n\nMore.\n"""'),
]
# Lines in which the same words mean something else.
OTHER = [
    ("app/rooms/planted.py", '    return {"upto": membership.last_read_seq}'),
    ("app/rooms/planted.py", 'last_read_seq = models.BigIntegerField(default=0, db_column="upto")'),
    ("app/rooms/models.py", "class Room(models.Model):"),
    ("tests/planted.py", 'await socket.request("read", room=room, upto=3)'),
    ("frontend/src/stores/planted.ts", "rooms.put({ ...room, upto: room.head })"),
    ("loadtest/planted.py", "class Answer:"),
    ("app/features/chess/planted.py", "    turn: Any = game.turn"),
    ("app/features/chess/planted.py", "    turn = game.turn"),
    ("app/accounts/planted.py", "# Addresses take turns, and a card's turn comes in turn. TLS_KEY turns TLS on."),
    ("app/db/planted.py", "several hosts are tried in turn; each waits for its turn"),
    ("loadtest/planted.py", "turn = self.await_turn()  # one turn of a user"),
    ("bench/planted.py", "taken = rounds.take(3, {kind: turn(kind) for kind in kinds})"),
    ("app/server/planted.py", "# Closing with unread bytes makes the kernel send a reset."),
    ("app/server/planted.py", 'note_refusal("unread", address, "")'),
    ("app/realtime/planted.py", "room.send_unread()"),
    ("app/db/planted.py", "cut(connection)  # its network was cut"),
    ("tests/chaos/planted.py", "client.cut()"),
    ("app/config/planted.py", "def guard(get_response: Next) -> Next: ..."),
    ("app/db/planted.py", "class _InArray(Lookup[list[Any]]): ..."),
    ("app/chat/planted.py", "tasks.ownership_pass_on.enqueue(user)"),
    ("nginx/planted.conf", "# A WebSocket handshake is passed on as an upgrade."),
    ("app/features/planted.py", "# A person was told of it, and clients can be told apart; things told (twice) count."),
    ("app/features/planted.py", 'TOLD = "told"'),
    ("app/rooms/planted.py", "KEPT = timedelta(days=2)"),
    ("app/accounts/planted.py", "MAX_LOOK, LOOKS_TAKEN, LOOKUP_CONNECTIONS = 255, TAKEN, 1"),
    ("app/planted.py", '"""Read a setting, e.g. `PORT`: a number."""'),
    ("app/planted.py", '"""Read the settings of v1.2 and of `.env`."""'),
    ("app/planted.py", '        """,  # noqa: S608. Nothing of a client is in it.'),
]
LONG = f"Return {'a ' * 35}and b."
SHORT = f"Return {'a ' * 33}and b2."
# Strings that may begin with a long line.
NO_LONG_DOCSTRING = [
    ("app/planted.py", f'"""{SHORT}\n\n{LONG * 2}\n"""'),
    ("app/planted.py", f'"""{SHORT}"""'),
    ("app/planted.py", f'QUERY = (\n    """{LONG}"""\n)'),
]


def found(root: Path, place: str, line: str) -> str:
    """Return the check's output for a checkout with this line alone."""
    for folder in ("scripts", Path(place).parent):
        (root / folder).mkdir(parents=True, exist_ok=True)
    shutil.copy2(ROOT / "scripts" / "check_words.py", root / "scripts")
    (root / place).write_text(f"{line}\n")
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    command: list[str | Path] = [sys.executable, root / "scripts" / "check_words.py"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == (1 if done.stdout else 0), done.stderr
    return done.stdout


@pytest.mark.parametrize(("place", "line"), OLD)
def test_replaced_name_is_found(tmp_path: Path, place: str, line: str) -> None:
    assert f"{place}:" in found(tmp_path, place, line)


@pytest.mark.parametrize(("place", "line"), OTHER)
def test_word_with_another_meaning_is_let_through(tmp_path: Path, place: str, line: str) -> None:
    assert not found(tmp_path, place, line)


@pytest.mark.parametrize("folder", ["app/chat", "loadtest", "bench", "scripts", "k8s", "docker", "monitoring", "tests"])
def test_long_docstring_is_named_with_line_and_length(tmp_path: Path, folder: str) -> None:
    code = f'class Chart:\n    """A chart."""\n\n    def draw(self) -> None:\n        """{LONG}"""'
    said = found(tmp_path, f"{folder}/planted.py", code)
    assert said == f"{folder}/planted.py:5: a docstring's first line has 83 characters: use at most 80\n"


@pytest.mark.parametrize(("place", "text"), NO_LONG_DOCSTRING)
def test_short_docstring_and_other_string_are_let_through(tmp_path: Path, place: str, text: str) -> None:
    assert not found(tmp_path, place, text)


@pytest.mark.parametrize("vague", ["whoever waits", "those that wait", "what it was", "nobody waits", "they are told"])
def test_too_many_vague_words_are_named(tmp_path: Path, vague: str) -> None:
    """Two lines of 1,999 are more than one in a thousand, and two of 2,000 are not."""
    lines = ["pass", f"# {vague}", *["pass"] * 996, f"pass  # {vague}", *["pass"] * 1_000]
    said = found(tmp_path, "app/planted.py", "\n".join(lines)).splitlines()
    assert said[0].startswith("2 of 1,999 lines have vague words")
    assert said[1:] == [f"  app/planted.py:2: '# {vague}'", f"  app/planted.py:999: 'pass  # {vague}'"]
    assert not found(tmp_path, "app/planted.py", "\n".join([*lines, "pass"]))


def test_only_the_first_vague_lines_are_printed(tmp_path: Path) -> None:
    said = found(tmp_path, "frontend/src/planted.ts", "// nobody\n" * 50).splitlines()
    assert (len(said), said[-1]) == (11, "  frontend/src/planted.ts:10: '// nobody'")


@pytest.mark.parametrize("place", ["docs/planted.md", "scripts/planted.sh"])
def test_vague_words_outside_code_are_let_through(tmp_path: Path, place: str) -> None:
    assert not found(tmp_path, place, "nobody")
