"""The generator checks itself, in short and in long runs."""

import pytest

from loadtest.generator import CHECK_S, WINDOW, Generator, percentile


def watched(seconds: float, *, asleep: tuple[float, float] = (0, 0), busy: tuple[float, float] = (0, 0)) -> Generator:
    """A run in which the loop stood still with a busy core between two moments.

    Otherwise 10 % busy.
    """
    generator, now, cpu = Generator(), 100.0, 0.0
    generator.begin(now, cpu)
    while now < 100 + seconds:
        pause = generator.check(now, cpu)
        if asleep[0] <= now - 100 < asleep[1]:
            pause = 100 + asleep[1] - now
        now += pause
        cpu += pause * (1.0 if busy[0] <= now - 100 < busy[1] else 0.1)
    generator.end(now, cpu)
    return generator


def test_punctual_loop_is_sampled_20_times_a_second() -> None:
    quiet = watched(10)
    assert len(quiet.lags) == pytest.approx(10 / CHECK_S, abs=1)
    assert quiet.lag_ms(1.0) < 1
    assert quiet.cpu_percent() == pytest.approx(10)
    assert quiet.cpu_percent_worst() == pytest.approx(10)


def test_stalled_loop_is_late_for_every_missed_sample() -> None:
    stalled = watched(10, asleep=(4, 6))
    late = sorted(lag for lag in stalled.lags if lag > 0.01)
    assert len(late) == pytest.approx(2 / CHECK_S, abs=2)
    assert late[-1] == pytest.approx(2, abs=3 * CHECK_S)
    assert sum(late) / len(late) == pytest.approx(1, abs=3 * CHECK_S), "they were due during the whole stall"
    assert stalled.lag_ms(0.99) > 1500


def test_sample_due_at_the_end_counts() -> None:
    generator = Generator()
    generator.begin(0.0, 0.0)
    generator.end(3.0, 0.5)
    assert generator.lag_ms(1.0) == pytest.approx(3000, abs=1000 * CHECK_S)
    assert generator.cpu_percent() == pytest.approx(100 * 0.5 / 3)


def test_a_long_run_hides_neither_a_stall_nor_a_busy_stretch() -> None:
    stalled, busy = watched(600, asleep=(300, 302)), watched(600, busy=(300, 300 + WINDOW + 1))
    assert stalled.lag_ms(0.99) < 1, "forty samples in twelve thousand"
    assert stalled.lag_ms_worst() > 1500
    assert busy.cpu_percent() < 12
    assert busy.cpu_percent_worst() > 95


def test_worst_stretch_of_a_short_run_is_the_whole_run() -> None:
    short = watched(2, busy=(1, 2))
    assert short.cpu_percent_worst() == short.cpu_percent() == pytest.approx(55, abs=5)


def test_a_run_that_never_began_used_nothing() -> None:
    assert Generator().as_dict() == {
        "cpu_percent": 0.0, "cpu_percent_worst": 0.0, "lag_ms": {"p50": 0.0, "p99": 0.0, "max": 0.0, "worst_p99": 0.0},
    }  # fmt: skip


def test_percentiles_are_nearest_rank() -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert [percentile(values, part) for part in (0.5, 0.95, 0.99, 1.0)] == [50, 95, 99, 100]
    assert percentile([], 0.5) == 0
