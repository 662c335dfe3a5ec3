"""The table of the report agrees with the records."""

from dataclasses import replace
from pathlib import Path

from tests.chaos import report
from tests.chaos.figures import in_a_row, measure, not_ended
from tests.chaos.records import Life, Receipt, Row, Run, Sight, Span, Window


def run() -> Run:
    """One event a second for 20 s.

    A fault excuses from 5 to 8; the client is offline from 5 to 9.
    """
    log = [Row("r", seq, 7, f"k{seq}", "text", float(seq)) for seq in range(1, 21)]
    view = [Receipt(row.seq, 7, "text", max(row.at, 9.5) if 5 <= row.at <= 9 else row.at + 0.1) for row in log]
    sight = Sight("c", -1.0, {"r": view}, [Life(0.0, 5.0, 1006), Life(9.0)])
    return Run({"r": log}, [], [sight], [Window("a", Span(5.0, 8.0), excuses=True)], 50.0, 60.0)


def test_figures_follow_from_the_records() -> None:
    row = measure(run(), fault="a", title="title", problems=["broken"], during=Span(5.0, 30.0), gaps=0)
    assert (row.events, row.deliveries, row.reconnects, row.codes) == (16, 16, 1, {"1006": 1})
    assert row.fault_s == 3.0
    assert row.behind_s == 4.5
    assert round(row.waited_s, 3) == 0.5
    assert round(row.p50) == 100
    assert round(row.p99) == 4500


def test_stalled_reader_is_not_counted_as_behind() -> None:
    seen = run()
    seen.sights[0].blind = [Span(4.0, 9.4)]
    row = measure(seen, fault="a", title="title", problems=[], during=Span(0.0, 30.0), gaps=0)
    assert round(row.behind_s, 3) == 0.1


def test_runs_in_a_row_may_grow_no_more_than_one() -> None:
    row = measure(run(), fault="a", title="title", problems=[], during=Span(0.0, 30.0), gaps=0)
    rows = [replace(row, memory_before=50.0 + 20 * number, memory_after=70.0 + 20 * number) for number in range(3)]
    assert in_a_row(rows[:1]) == in_a_row(rows[:2]) == []  # a run that begins with 50 MiB may end with 97
    assert in_a_row([not_ended("a", "title", "broken"), *rows]) == [
        "memory: a worker ends with 110 MiB, it began with 50, over 3 runs in a row"
    ]


def test_table_is_written_between_its_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    row = measure(run(), fault="a", title="a planted fault", problems=["broken"], during=Span(5.0, 30.0), gaps=0)
    for _ in range(2):
        report.keep(page, [row], how="on a machine")
    text = page.read_text()
    assert text.startswith(f"before\n{report.BEGIN}\n20")
    assert text.endswith(f"|\n{report.END}\nafter\n")
    assert "old" not in text
    assert text.count("| a planted fault | 16 | 3.0 | 4.5 | 0.5 | 1 | 1006 × 1 | 100 / 4,500 | 0 | 50 → 60 | **1 broken** |") == 1
