"""A poll's result as a table for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping

from features.polls.events import Poll, tally

# A spreadsheet takes a cell that begins so for a formula, and runs it on its reader's machine.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\N{FULLWIDTH EQUALS SIGN}", "\N{FULLWIDTH PLUS SIGN}",
            "\N{FULLWIDTH HYPHEN-MINUS}", "\N{FULLWIDTH COMMERCIAL AT}")  # fmt: skip


def table(poll: Poll, names: Mapping[int, str]) -> str:
    """Return the CSV of a poll: a line for each option; who chose it, too, unless the poll is secret.

    `names`: user → name. It begins with a byte order mark, without which spreadsheets misread anything but ASCII.
    """
    text = io.StringIO(newline="")
    lines = csv.writer(text)
    lines.writerow(["option", "votes"] if poll.secret else ["option", "votes", "voters"])
    for index, (option, votes) in enumerate(zip(poll.options, tally(poll), strict=True)):
        line = [harmless(option), votes]
        if not poll.secret:
            voters = sorted(names.get(int(person), person) for person, chosen in poll.votes.items() if index in chosen)
            line.append(harmless("; ".join(voters)))
        lines.writerow(line)
    return "\N{BOM}" + text.getvalue()


def harmless(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.lstrip(" ").startswith(_FORMULA) else cell
