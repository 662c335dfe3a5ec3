"""Fail on names that the project has replaced: one idea has one word.

`make check` runs it as the step `words`.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

# A pattern of a name → what to say in its place.
REPLACED = {
    r"\bTurn\.|class Turn\b|\bturn\(\)": "WriteCoalescer; a loop's step is tick(), a slot of the hashers hash_slot()",
    r"\bDoor\b|\b_door\b|RoomDoor": "FrameWriter; loop_layer(); JoinRoomPrompt.vue",
    r"\bHeldOutbox\b|\bTransportOutbox\b|\bhalting\(|\bread_on\(|\bHALT_BYTES\b": "SendQueue, above_high_water(), drain()",
    r"\bBacklog\b": "SendBufferBudget",
    r"\b_Desk\b|class (Lookup|Among|Rows)\b|\bquestions\.py": "BatchLoader, WhereIn, Query, TableRead",
    r"class Instance\b": "RuntimeDirectory",
    r"\b(guarded|lean)_protocol\b|\b(Guarded|Lean)Protocol\b": "frame_limits.py, compact_protocol.py",
    r"\bkernel\.py": "tcp_options.py",
    r"\bgrace\.(all|whole|kept|finish)_s\b": "drain_deadline_s, kill_after_s, keepalive_linger_s, http_finish_s",
    r"\b(forever|wiring|ticker)\.py|realtime/refresh\.py": "supervise.py, ports.py, housekeeping.py, presence/sync.py",
    r"\bturn_away\b|\bcut_off\b|\btake_over\b|\bstuck_for\b": "reject_handshake, fail_connection, upgrade_from, stalled_for",
    r"class Later\b": "DeferredReply",
    r"\bframe_of\b": "encode_text_frame (core/framing.py)",
    r"(?<!ownership_)\bpass_on\(|\bmark_hot\b": "LiveRoom.deliver",
    r"\bHole\b|\bHOLE_|\.hole\(": "Gap, note_gap",
    r"\b_known_to_(?:all|some)\b|\b_heard\b": "_announced, _possibly_announced; for a callback what it hears: _on_…",
    r"\bLocalPerson\b": "LocalUser",
    r"^log = ": "logger",
    r"\b_telling\b|\b_told\b|(?<!MSG_)\bNOT_NOW\b|\bLOOK_S\b": "_publishing, _wait_published, MSG_…, …_CHECK_S",
    r"class Append\b|\bfirsts\b|CannotStore\.passing": "PendingEvent, dedupe_by_key, transient",
    r"\bchat/wire\b|\bshown_to\(": "chat/encoding.py, encode_for",
    r"\b(problems|check_names|entering|revoking)\.py": "api_errors.py, check_env.py, join_flow.py, publish_revocation",
    r"\bconfig[./]frames\b|\bSOCKET_FRAMES\b": "the registry of features; config/ports.py, REALTIME_PORTS",
    r"\baccess\.ref\b|\bpeople\.person\b": "access.to_ref, find_user",
    r"\bunborn\b|\bsettling\b|\bcolumns\.ts|\breplies\.ts": "isDraftDirect, awaitingEvent, layout.ts, requests.ts",
    r"lib/(front|starting)\.sh|\btest_(again|edges|sent_back|graces)\.py": "lib/nginx.sh, lib/preflight.sh; say what is tested",
    r"\b(?:receive|text|handle)_at_once\b": "receive, text, handle: they return what must be awaited",
}
# History and decisions may use old names; generated files have no names of ours.
LEFT_OUT = ("CHANGELOG.md", "docs/decisions", "scripts/check_words.py", "*.svg", "*.json", "*.txt")


def main() -> int:
    """Print each replaced name with its place.

    Return 1 if there is one.
    """
    root = Path(__file__).resolve().parent.parent
    # git's search is thirty times as fast as ours.
    search = ["git", "grep", "--untracked", "-nIP", *(part for pattern in REPLACED for part in ("-e", pattern))]
    found = subprocess.run(
        [*search, "--", ".", *(f":!{name}" for name in LEFT_OUT)], cwd=root, capture_output=True, text=True, check=False
    )
    if found.returncode > 1:
        raise RuntimeError(found.stderr)
    for place in found.stdout.splitlines():
        file, number, line = place.split(":", 2)
        says = [say for pattern, say in REPLACED.items() if re.search(pattern, line)]
        print(f"{file}:{number}: {line.strip()[:100]!r}: say {'; or '.join(says)}")
    return 1 if found.stdout else 0


if __name__ == "__main__":
    sys.exit(main())
