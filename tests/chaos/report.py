"""The table of a run, for the terminal and docs/reliability.md."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.chaos.figures import Figures

BEGIN, END = "<!-- results: written by scripts/chaos --write -->", "<!-- end of results -->"
HEAD = (
    "fault", "events", "fault lasted, s", "slowest client behind, s", "longest wait that counts, s", "sockets lost",
    "close codes", "p50 / p99 of a delivery, ms", "sent again", "memory, MiB", "promises",
)  # fmt: skip


def markdown(figures: Sequence[Figures]) -> str:
    """Format the rows as a Markdown table."""
    lines = [_line(HEAD), _line(["---", *["---:"] * 5, "---", *["---:"] * 3, "---"])]
    return "\n".join(lines + [_line(_cells(row)) for row in figures])


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cells(row: Figures) -> list[str]:
    codes = ", ".join(f"{code} × {count}" for code, count in sorted(row.codes.items()))
    return [
        row.title,
        f"{row.events:,}",
        f"{row.fault_s:.1f}",
        f"{row.behind_s:.1f}",
        f"{row.waited_s:.1f}",
        f"{row.reconnects}",
        codes or "–",
        f"{row.p50:.0f} / {row.p99:,.0f}",
        f"{row.retries}",
        f"{row.memory_before:.0f} → {row.memory_after:.0f}",
        "kept" if not row.problems else f"**{len(row.problems)} broken**",
    ]


def keep(page: Path, figures: Sequence[Figures], *, how: str) -> None:
    """Write the table between the two marks of the page."""
    text = page.read_text()
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    day = datetime.now(UTC).date().isoformat()
    page.write_text(f"{before}{BEGIN}\n{day}, {how}.\n\n{markdown(figures)}\n{END}{after}")


def save(file: Path, figures: Sequence[Figures]) -> None:
    """Save all figures and problems for a closer look."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps([row.wire() for row in figures], indent=1))
