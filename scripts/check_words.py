"""Fail on replaced names, on docstrings without a short first sentence, and on vague words.

The sentence is alone on its line. `make check` runs this file as the step `words`.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

# A pattern of a name → what to say in its place.
REPLACED = {
    r"\bTurn\.|class Turn\b|\bturn\(\)|\bturns\.py|_A_TURN\b|_TURNS\b|\bturn_for\b|\b_in_turn\b": (
        "WriteCoalescer; a loop's step is tick(), a slot of the hashers hash_slot()"
    ),
    r"\bCUT_TO\b|\b(slowest|slow readers) are cut\b|\bcuts a subscriber\b": "evict; of a reader that is too slow: close",
    r"\bKEPT_SHARE\b": "KEEPALIVE_LINGER_SHARE, KEEPALIVE_LINGER_S",
    r"\bUNREAD_S\b|(\b|_)unread[ _](response|stream|ping|data)(?![a-z])|\b(leave|too much) unread\b": (
        "unsent for bytes here, unacked for bytes at the kernel: unread is for messages"
    ),
    r"\b_ticker\b": "_periodic",
    r"\b_?[Dd]oors?\b|RoomDoor": "FrameWriter; loop_layer(); JoinRoomPrompt.vue",
    r"\bHeldOutbox\b|\bTransportOutbox\b|\bhalting\(|\bread_on\(|\bHALT_BYTES\b": "SendQueue, above_high_water(), drain()",
    r"\bBacklog\b": "SendBufferBudget",
    r"\b_Desk\b|class (Lookup|Among|Rows)\b|`Lookup`|\blookup = Batch|\bquestions\.py": "BatchLoader, WhereIn, Query, TableRead",
    r"class Instance\b": "RuntimeDirectory",
    r"\b(guarded|lean)_protocol\b|\b(Guarded|Lean)Protocol\b": "frame_limits.py, compact_protocol.py",
    r"\bkernel\.py": "tcp_options.py",
    r"\bgrace\.(all|whole|kept|spread|finish)_s\b": (
        "drain_deadline_s, kill_after_s, keepalive_linger_s, close_spread_s, http_finish_s"
    ),
    r"\b(forever|wiring|ticker)\.py|(server|ops)/closing\b|realtime/refresh\b|\bend\(tasks\)": (
        "supervise.py, ports.py, housekeeping.py, connection_close.py, presence/sync.py, cancel_all"
    ),
    r"\bturn_away\b|\bcut_off\b|\btake_over\b|\bstuck_for\b": "reject_handshake, fail_connection, upgrade_from, stalled_for",
    r"class Later\b": "DeferredReply",
    r"\bframe_of\b": "encode_text_frame (core/framing.py)",
    r"\bpass_on\(|\bmark_hot\b|\bevents that (were|are) passed on\b|passed_on\b": "LiveRoom.deliver, delivered",
    r"\b_pass_on\b|\bpass_ownership_on\b|\b(leaving\.|def )ownership_pass_on\b(?!\(user: int\))": (
        "_reassign, ownership_transfer; of bytes: forward"
    ),
    r"\bHole\b|\bHOLE_|\.hole\(|`hole`|\bholes_are_": "Gap, note_gap",
    r"\b_known_to_(?:all|some)\b|\b_heard\b": "_announced, _possibly_announced; for a callback _on_ and the event",
    r"\bLocalPerson\b": "LocalUser",
    r"^log = ": "logger",
    r"\b_telling\b|\b_told\b|(?<!MSG_)\bNOT_NOW\b": "_publishing, _wait_published, MSG_…",
    r"\bLOOK_(S|MS|EVERY|AGAIN|MIN)|_LOOK_S\b|_LOOKS_A_|\bFIRST_LOOK\b|^LOOK\b": "…_CHECK_S, CHECK_EVERY, PROBE_EVERY",
    r"class Append\b|\bfirsts\b|CannotStore\.passing": "PendingEvent, dedupe_by_key, transient",
    r"\bchat/wire\b|\bshown_to\(": "chat/encoding.py, encode_for",
    r"\b(problems|check_names|entering|revoking)\.py": "api_errors.py, check_env.py, join_flow.py, publish_revocation",
    r"\bconfig[./]frames\b|\bSOCKET_FRAMES\b": "the registry of features; config/ports.py, REALTIME_PORTS",
    r"\baccess\.ref\b|\bpeople\.person\b|\bpeople import (.*, )?person\b|\bdef person\(named": "access.to_ref, find_user",
    r"\bunborn\b|\bsettling\b|\bcolumns\.ts|\breplies\.ts": "isDraftDirect, awaitingEvent, layout.ts, requests.ts",
    r"lib/(front|starting)\.sh|\btest_(again|edges|sent_back|graces)\.py": "lib/nginx.sh, lib/preflight.sh; say what is tested",
    r"\b(?:receive|text|handle)_at_once\b": "receive, text, handle: they return what must be awaited",
}
# Words that have another meaning elsewhere: where they are held → a pattern of a name → what to say in its place.
IN_PLACES: dict[tuple[str, ...], dict[str, str]] = {
    ("*.py", "*.tmpl"): {
        r"""^\s*r?\"{3}(?![",)\s.%])(?:(?!\"{3}).)*?(?<!e\.g)(?<!i\.e)[.!?][)'`’]*\s+[^\sa-z]""": (
            "one sentence on a docstring's first line, and the rest below a blank line"
        ),
    },
    # Of a person the word may stay; a name says its contents.
    ("*.py",): {
        r"\btold(: [\w\[\], ]+)? [+|]?= |\b(for|nonlocal|global|def|return|if|await) told\b(?! \w)|\btold\.\w+\(|\btold\["
        r"|[(,*] ?told[),]|[(,] ?told: \w|\b_told_|\bwindow\.told\b": (
            "results, expected, sent, counted, …: the contents of the name"
        ),
    },
    # A side has its turn in chess, and things are done in turn.
    ("app", "tests/core", "tests/server", "tests/realtime", ":!app/features/chess"): {
        r"\b_turns?\b|(?<!for )\bturns? = |\bturn=|\bturn, |\bawait turns\(|\bdef turns\b": (
            "tick, iteration, slot, number, round: its unit or its contents"
        ),
    },
    ("app", "docs", "tests", ":!docs/features/chess.md", ":!docs/loadtest.md", ":!tests/loadtest"): {
        r"\bturns? of the (event )?loop\b|\b(background|missed|second) turns?\b"
        r"|\b([Oo]ne turn of|[Ee]ach turn|the next turn|A turn ends)\b": ("an iteration of the event loop, a tick, a run"),
    },
    ("app/realtime", "app/server"): {r"\b_cut\b": "_evict, fail_connection"},
    ("app/server", "tests/realtime"): {r"\bguard(ed|s)?\b": "limited, set_limits"},
    ("app",): {
        r"class (Outbox|LiveOutbox)\b": "SendQueue",
        r"^(LATE|AWAY|GOING)\b": "MSG_LATE, MSG_AWAY, MSG_GOING",
        r"\bchat[/.]log\b": "chat/group_commit.py",
    },
    # The wire, messages between servers and the column have `upto`.
    ("app", ":!app/*/migrations", ":!app/features/*/migrations", ":!app/realtime/server_frames.py"): {
        r"""(?<![\w"'{`])upto\b(?!["'`]|: Seq$|: \d|, silenced| = models\.|, entered)(?<!frame\.upto)""": (
            "last_read_seq for the read mark"
        ),
    },
    ("app", "tests", "bench", "loadtest"): {r"__upto\b": "__last_read_seq"},
    ("tests",): {r"\bdef test_\w{56,}": "a test's name in at most 60 characters"},
    ("tests", "bench", "loadtest"): {r"Membership.*\bupto\b|\bdef upto\b": "last_read_seq"},
    ("frontend/src/rooms",): {r"\b(read|seen)U?[uU]pto\b": "lastReadSeq", r"\.lead\b|\blead:": "groupStart"},
    ("app/db",): {r"class Answer\b": "BatchLoader, WhereIn, Query"},
    ("app", ":!app/rooms/models.py"): {
        r"class Room\b|\b(realtime|dialects)/room\.py|\bserver/protocol\b": "LiveRoom, live_room.py"
    },
    ("app/chat",): {r"class Writer\b": "GroupCommitter", r"\b_(fit|within)\(": "_fit_page, _events_in_spans"},
    ("app/realtime",): {
        r"\bdef (cut|wrote)\b": "SendBufferBudget.evict, record",
        r"\bdef frames\(\)|\bself\.frames\b": "frame_table(), frame_limiter",
    },
    ("app/realtime/live_room.py",): {
        r"\bdef (take|pass_on|holds|touch)\b|\bself\.(ahead|apart|hot|last)\b": (
            "LiveRoom.sequence, deliver, joining, caught_up_to, individual, busy, last_seq, mark_used"
        ),
    },
    ("app/realtime/presence",): {r"\bdef (show|due)\b": "snapshot, dirty"},
    ("app/server",): {
        r"\bKEPT_": "KEEPALIVE_LINGER_…",
        r"\bdef (judged|beat|answered|prepare|keep|behind)\b": (
            "ping_suspended, on_heartbeat, on_pong, configure, append_pending, on_unsent"
        ),
        r"\bunread\(|unread (frames|pongs)|_unread\b": "unsent or unacked_bytes() for bytes, pending_frames for frames",
    },
}
# Of a docstring's first line.
MOST_CHARACTERS = 80
# Words of sentences without a clear subject. A few are names or fit, so they are counted and not forbidden.
VAGUE = (
    r"\b(whoever|whatever|that of|those that|one that|nobody|somebody|(is|are) told"
    r"|what (waits|was|came|is left|it|they|the|a|has|had))\b"
)
SENTENCES = ("*.py", "*.ts", "*.vue")
# Lines with vague words in a thousand lines, and the most of them that are printed.
MOST_VAGUE = 1.0
PRINTED = 10
# History and decisions may use old names; generated files have no names of ours.
LEFT_OUT = ("CHANGELOG.md", "docs/decisions", "scripts/check_words.py", "tests/scripts/test_words.py", "*.svg", "*.json", "*.txt")


def main() -> int:
    """Print each replaced name and each docstring's long first line with its place.

    Print the first lines with vague words if there are too many. Return 1 if anything is printed.
    """
    root = Path(__file__).resolve().parent.parent
    found = 0
    for places, replaced in {(".",): REPLACED, **IN_PLACES}.items():
        for place in _search(root, places, replaced):
            found += 1
            file, number, line = place.split(":", 2)
            says = [say for pattern, say in replaced.items() if re.search(pattern, line)]
            print(f"{file}:{number}: {line.strip()[:100]!r}: say {'; or '.join(says)}")
    for file, begin, length in _long_first_lines(root):
        found += 1
        print(f"{file}:{begin}: a docstring's first line has {length} characters: use at most {MOST_CHARACTERS}")
    vague, lines = _search(root, SENTENCES, [VAGUE]), _lines(root)
    if len(vague) * 1_000 > lines * MOST_VAGUE:
        found += 1
        print(
            f"{len(vague)} of {lines:,} lines have vague words (whoever, those that, what was, nobody, is told, …), "
            f"which is more than {MOST_VAGUE:g} in a thousand: name the subject, then its verb. The first:"
        )
        for place in vague[:PRINTED]:
            file, number, line = place.split(":", 2)
            print(f"  {file}:{number}: {line.strip()[:100]!r}")
    return 1 if found else 0


def _long_first_lines(root: Path) -> Iterator[tuple[str, int, int]]:
    """Yield file, line and length of each docstring's first line that is too long."""
    # Only files with a long line after quotes are parsed; that line may be of another string.
    long = rf'^\s*[rRuU]?"{{3}}.{{{MOST_CHARACTERS + 1}}}'
    for file in dict.fromkeys(place.partition(":")[0] for place in _search(root, ("*.py",), [long])):
        for node in ast.walk(ast.parse((root / file).read_text())):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                length = len((ast.get_docstring(node) or "").partition("\n")[0])
                if length > MOST_CHARACTERS:
                    yield file, node.body[0].lineno, length


def _lines(root: Path) -> int:
    """Return the number of lines of all files with sentences."""
    return sum(int(count.rpartition(":")[2]) for count in _search(root, SENTENCES, [""], "-cIP"))


def _search(root: Path, places: tuple[str, ...], patterns: Iterable[str], flags: str = "-nIP") -> list[str]:
    """Return each line that has one of the patterns, as `file:number:line`."""
    # git's search is thirty times as fast as ours.
    command = ["git", "grep", "--untracked", flags, *(part for pattern in patterns for part in ("-e", pattern))]
    left_out = (f":!{name}" for name in LEFT_OUT)
    found = subprocess.run([*command, "--", *places, *left_out], cwd=root, capture_output=True, text=True, check=False)
    if found.returncode > 1:
        raise RuntimeError(found.stderr)
    return found.stdout.splitlines()


if __name__ == "__main__":
    sys.exit(main())
