"""Whole runs of the shapes of features: each passes.

Each also finds a broken promise before its users do.

A run without a message fails, and these people write few: each run is long enough, or has others in it.
"""

import pytest

from tests.loadtest.runs import LoadRun

pytestmark = [pytest.mark.integration, pytest.mark.load(USERS="8", ROOMS="2", TIME="4s", SETTLE="5s", PATIENCE="10s")]


@pytest.mark.parametrize(
    ("counts", "figure"),
    [
        pytest.param(counts, figure, marks=pytest.mark.load(SHAPE=shape, **options), id=shape)
        for shape, counts, figure, options in (
            ("polls", ("votes",), "send → own acknowledgement", {"TIME": "8s"}),
            ("location", ("places", "shown to others"), "value → shown to others", {"TIME": "8s"}),
            ("sensors", ("pushes of readings", "shown to others"), "value → shown to others", {"TIME": "15s"}),
            ("notes", ("edits", "shown to others"), "value → shown to others", {"TIME": "12s"}),
            ("quiz", ("answers", "quizzes seen to their end"), "send → own acknowledgement", {"TIME": "16s"}),
            ("stream", ("deliveries",), "send → delivery to others", {}),
        )
    ],
)
def test_feature_holds_its_promises(counts: tuple[str, ...], figure: str, run: LoadRun) -> None:
    assert run.code == 0, run.output
    assert all(run.summary["counts"][what] > 0 for what in counts), run.summary["counts"]
    assert run.summary["figures"][figure]["count"] > 0


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        pytest.param(kind, expected, marks=pytest.mark.load(proxy=fault, SHAPE=shape, **options), id=fault)
        for fault, shape, kind, expected, options in (
            ("miscount", "polls", "altered", "are not the votes of", {"TIME": "12s"}),
            ("hide-places", "location", "lost", "was acknowledged;", {"TIME": "8s"}),
            ("move-places", "location", "altered", "is not where this person is", {"TIME": "8s"}),
            ("hide-values", "sensors", "lost", "was acknowledged;", {}),
            ("lose-readings", "sensors", "lost", "and is not in the history", {"TIME": "6s"}),
            ("swallow-edits", "notes", "lost", "is stored, and is not in this copy", {"TIME": "8s"}),
            ("hide-edits", "notes", "lost", "is stored, and is not in this copy", {"TIME": "6s"}),
            ("tell-answers", "quiz", "altered", "tells its answer before its time is up", {"TIME": "8s"}),
            ("lose-message", "stream", "lost", "seq ", {}),
        )
    ],
)
def test_broken_promise_of_a_feature_is_found(kind: str, expected: str, run: LoadRun) -> None:
    assert run.code == 1, run.output
    assert f"MISSED  {kind}: none" in run.output
    assert any(example.startswith(f"{kind}: ") and expected in example for example in run.summary["examples"]), run.output


@pytest.mark.load(proxy="none", SHAPE="location", RECONNECTS="0.1", PROFILES="walker:0.7,person:0.3")
def test_proxy_without_a_fault_passes(run: LoadRun) -> None:
    assert run.code == 0, run.output


@pytest.mark.load(SHAPE="notes", PROFILES="editor:0.7,person:0.3", RECONNECTS="0.5")
def test_lost_network_loses_no_edit(run: LoadRun) -> None:
    assert run.code == 0, run.output


@pytest.mark.load(SHAPE="sensors", PROCESSES="2", TIME="15s")
def test_values_of_another_process_are_no_faults(run: LoadRun) -> None:
    assert run.code == 0, run.output
    assert run.summary["counts"]["pushes of readings"] > 0
