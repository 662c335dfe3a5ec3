"""scripts/check_words.py finds replaced names and long docstrings, and no others."""

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
    """Return what the check says of a checkout with this line alone."""
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
