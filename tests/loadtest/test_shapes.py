"""Shapes define the number of users over time, and the gates of a run."""

from dataclasses import replace
from typing import Any

import pytest

from loadtest import options, profiles, shapes
from loadtest.values import BadOption
from tests.loadtest.options import settings


def shape(name: str, **changes: str) -> shapes.Shape:
    return shapes.of(settings(shape=name, **{"time": "100s"} | changes))


def over_time(one: shapes.Shape) -> list[int]:
    return [one.users_at(moment) for moment in (0, 24, 49, 74, 99)]


def test_every_shape_has_a_name_and_a_purpose() -> None:
    assert tuple(shapes.SHAPES) == options.SHAPES
    assert all(kind.__doc__ for kind in shapes.SHAPES.values())


@pytest.mark.parametrize(
    ("name", "users"),
    [
        ("smoke", [100, 100, 100, 100, 100]),
        ("ramp", [10, 37, 65, 93, 100]),
        ("steps", [25, 25, 50, 75, 100]),
        ("soak", [100, 100, 100, 100, 100]),
        ("spike", [20, 20, 100, 20, 20]),
        ("storm", [100, 100, 100, 100, 100]),
    ],
)
def test_number_of_users_follows_the_shape(name: str, users: list[int]) -> None:
    assert over_time(shape(name)) == users


def test_options_shape_the_shapes() -> None:
    assert over_time(shape("steps", steps="2")) == [50, 50, 50, 100, 100]
    assert over_time(shape("spike", spike="100"))[:3] == [1, 1, 100]
    assert shape("ramp", ramp="0").users_at(0) == 100
    assert shape("storm", storms="3").cuts == (25, 50, 75)


def test_steps_are_reported_by_their_second_half() -> None:
    assert shape("steps", steps="2").steps() == ((25, 50), (75, 100))


@pytest.mark.parametrize(("name", "rooms"), [("smoke", 7), ("stadium", 1), ("village", 20)])
def test_number_of_rooms_follows_the_options(name: str, rooms: int) -> None:
    assert shape(name).rooms == rooms
    assert shape(name, rooms="3").rooms == 3


def share_of(mix: profiles.Mix, name: str) -> float:
    return sum(share for profile, share in mix if profile.name == name)


def test_guests_reduce_all_other_shares_equally() -> None:
    slow = shape("slow-readers", slow="0.2").profiles()
    assert share_of(slow, "slow") == 0.2
    assert share_of(slow, "lurker") == pytest.approx(0.72)
    assert sum(share for _, share in shape("flood").profiles()) == pytest.approx(1)
    assert share_of(shape("flood").profiles(), "flooder") == 0.05


def test_mix_and_user_follow_the_options() -> None:
    asked = replace(settings(), profiles=profiles.mix("PROFILES", "person:3,bot:1"), think=(7.0, 7.0), reconnects=0.25)
    mix = shapes.Soak(asked).profiles()
    person = next(profile for profile, _ in mix if profile.name == "person")
    assert (share_of(mix, "person"), share_of(mix, "bot")) == (0.75, 0.25)
    assert (person.think(), person.reconnects, person.writes) == (7.0, 0.25, 0.7)


@pytest.mark.parametrize("text", ["ghost", "person:x", "person:-1", "person:0", "person:inf"])
def test_a_wrong_mix_is_refused_by_name(text: str) -> None:
    with pytest.raises(BadOption, match="PROFILES="):
        profiles.mix("PROFILES", text)


@pytest.mark.parametrize(
    "wrong",
    [{"steps": "0"}, {"spike": "0.5"}, {"storms": "many"}, {"storm_jitter": "-1"}, {"slow": "2"}, {"as_json": "perhaps"},
     {"reconnects": "0.6", "history": "0.6"}],
)  # fmt: skip
def test_a_wrong_option_is_refused_by_name(wrong: dict[str, str]) -> None:
    with pytest.raises(BadOption, match=f"^{next(iter(wrong)).upper()}="):
        settings(**wrong)


def test_shares_hold_in_every_stretch_of_users() -> None:
    for start in (0, 17, 1000):
        drawn = [profiles.of(number, profiles.CROWD).name for number in range(start, start + 1000)]
        assert 895 <= drawn.count("lurker") <= 905
        assert 8 <= drawn.count("bot") <= 12


@pytest.mark.parametrize("users", [3, 10, 20, 60])
def test_small_crowd_has_a_writer(users: int) -> None:
    drawn = [profiles.of(number, profiles.CROWD).name for number in range(users)]
    assert drawn[:3] == ["bot", "talker", "lurker"]
    assert drawn.count("lurker") >= users / 3


def test_kind_without_a_share_has_no_users() -> None:
    mix = shape("slow-readers", slow="0").profiles()
    assert "slow" not in [profiles.of(number, mix).name for number in range(200)]


def test_only_slow_readers_may_be_late() -> None:
    assert (shape("soak", patience="5s", settle="3s").patience, shape("soak", settle="3s").settle) == (5, 3)
    slow = shape("slow-readers", patience="5s", settle="3s")
    assert slow.patience == slow.settle == profiles.SLOWLY
    assert shape("slow-readers", slow="0", settle="3s").settle == 3


def test_message_lengths_follow_their_source() -> None:
    drawn = sorted(profiles.letters() for _ in range(20_000))
    assert 16 <= drawn[10_000] <= 18
    assert 30 <= sum(drawn) / len(drawn) <= 36
    assert drawn[0] >= 1


def test_run_must_have_the_certain_events_of_its_shape() -> None:
    assert shape("steps").certain == {"sign-up", "handshake", "join", "send → own acknowledgement", "send → delivery to others"}
    assert "send → delivery to others" not in shape("steps", rooms="100").certain, "each user is alone in a room"
    assert shape("storm").certain - shape("steps").certain == {"reconnect → resynchronised"}


def summary(**changes: Any) -> dict[str, Any]:
    return {"counts": {}, "figures": {}, "connections_ended": {}, "steps": []} | changes


def test_users_due_at_the_very_end_may_be_missing() -> None:
    assert [shape(name).asked for name in ("smoke", "spike", "steps", "storm")] == [100] * 4
    assert shape("ramp", ramp="1").asked == 98
    assert shape("steps", steps="4", time="2s").asked == 25, "a step starts with its users"


def test_run_must_reach_its_number_of_users() -> None:
    def missed(came: int, *there: int) -> list[str]:
        steps = [{"from_s": 25.0, "to_s": 50.0, "users": 100, "there": there or None}]
        ended = summary(counts={"users who came": came}, steps=steps)
        return [gate.asked for gate in shape("steps").crowd_gates(ended) if not gate.held]

    assert missed(90, 60, 75) == missed(100) == []
    assert missed(89, 75, 75) == ["users who came: at least 90% of 100"]
    assert missed(100, 60, 74) == ["users there from 25 to 50 s: at least 75% of 100"]


def test_storm_requires_all_users_back() -> None:
    def missed(**counts: int) -> list[str]:
        # Two storms over a hundred people; other returns are counted, but prove nothing.
        figures = {"reconnect → resynchronised": {"count": 900, "failures": 0}}
        ended = summary(users=100, figures=figures, counts={name.replace("_", " "): count for name, count in counts.items()})
        return [gate.asked for gate in shape("storm").gates(ended) if not gate.held]

    assert missed(cut=200, back_after_a_cut=200) == []
    assert missed(cut=150, back_after_a_cut=150, away_at_a_cut=50) == []
    assert missed(cut=200, back_after_a_cut=199) == ["everybody who was cut came back"]
    assert missed(cut=99, back_after_a_cut=99, away_at_a_cut=101) == ["everybody was cut"]
    assert missed() == ["everybody was cut"]


def test_slow_reader_run_requires_a_slow_reader() -> None:
    slow = shape("slow-readers")
    assert [gate.asked for gate in slow.gates(summary()) if not gate.held] == ["a user read slowly"]
    for what in ("read late", "slow readers sent away"):
        assert slow.gates(summary(counts={what: 1}))[0].held


def test_deploy_run_requires_a_deploy() -> None:
    deploy = shape("deploy")
    assert not deploy.gates(summary(connections_ended={"dropped 1006": 5}))[0].held
    assert deploy.gates(summary(connections_ended={"server 1012": 1}))[0].held
    assert deploy.gates(summary(counts={"drains": 3}))[0].held
