"""How many users there are when, who they are, how they are spread over rooms, and what is done to them.

A shape is a class; a run makes one of it. To add one, subclass `Shape`, give it a name, and list it in `SHAPES`. Pure.

    shape.users_at(0)      users that must be connected before the timed run begins
    shape.users_at(30)     users 30 s into it
    shape.cuts             moments at which every connection is cut at once
    shape.gates(summary)   what a run of this shape must show besides correctness
"""

import math
from typing import Any, ClassVar

from loadtest import figures, profiles
from loadtest.gates import Gate
from loadtest.options import Settings
from loadtest.profiles import Mix

_ARRIVING = 2.0  # seconds before its end from which a run asks for no more users: Locust looks once a second, and they connect
_CAME = 0.9  # share of the users asked for that must have come
_THERE = 0.75  # share of a step's users that must have been there in the stretch that is reported


class Shape:
    """All users from the beginning to the end: the base of the others."""

    name: ClassVar[str] = ""
    mix: ClassVar[Mix] = profiles.CROWD
    people_a_room: ClassVar[float] = 15

    def __init__(self, settings: Settings) -> None:
        self.users = settings.users
        self.seconds = settings.seconds
        self.settings = settings

    @property
    def rooms(self) -> int:
        """Number of rooms: ROOMS, or one for every `people_a_room`; never more than users."""
        return self.settings.rooms or min(self.users, max(1, round(self.users / self.people_a_room)))

    def profiles(self) -> Mix:
        """Who they are: PROFILES, or the shape's own mix; what a `person` does is in the options."""
        told = self.settings
        person: dict[str, Any] = {
            "think": profiles.between(*told.think),
            "reconnects": told.reconnects,
            "reads_history": told.history,
        }
        person["writes"] = 1 - told.reconnects - told.history
        return profiles.adjusted(told.profiles or self.mix, person)

    @property
    def patience(self) -> float:
        """Seconds that the most patient of its users waits for an answer, resending included."""
        return self._with_slow(self.settings.patience)

    @property
    def settle(self) -> float:
        """Seconds that the most patient of its users waits, after the last message, for what it has not seen."""
        return self._with_slow(self.settings.settle)

    def _with_slow(self, seconds: float) -> float:
        slow = any(profile.slow and share for profile, share in self.profiles())
        return max(seconds, profiles.SLOWLY) if slow else seconds

    def users_at(self, moment: float) -> int:
        """Users wanted `moment` seconds into the timed run."""
        return self.users

    @property
    def asked(self) -> int:
        """The most users wanted at a time, those aside who are wanted so late that the run may be over before they come."""
        last = max(0.0, self.seconds - _ARRIVING)
        return max(self.users_at(last * part / 100) for part in range(101))

    @property
    def cuts(self) -> tuple[float, ...]:
        """Moments at which every connection is cut."""
        return ()

    def steps(self) -> tuple[tuple[float, float], ...]:
        """Stretches (begin, end) to be reported each on its own."""
        return ()

    @property
    def certain(self) -> frozenset[str]:
        """Figures that every run of this shape has a sample of; the others are a matter of options and of chance."""
        certain = {figures.HANDSHAKE, figures.JOIN, figures.ACKNOWLEDGED}
        if not self.settings.tokens:
            certain.add(figures.SIGN_UP)
        if self.users > self.rooms:
            certain.add(figures.DELIVERED)
        return frozenset(certain)

    def crowd_gates(self, summary: dict[str, Any]) -> list[Gate]:
        """The users asked for were there: else the figures are those of a smaller load."""
        came = summary["counts"].get("users who came", 0)
        found = [Gate(f"users who came: at least {_CAME:.0%} of {self.asked}", f"{came}", came >= _CAME * self.asked)]
        for step in summary["steps"]:
            if step["there"]:
                asked = f"users there from {step['from_s']:g} to {step['to_s']:g} s: at least {_THERE:.0%} of {step['users']}"
                least, most = step["there"]
                found.append(Gate(asked, f"{least} to {most}", most >= _THERE * step["users"]))
        return found

    def gates(self, summary: dict[str, Any]) -> list[Gate]:
        """Conditions of this shape alone."""
        return []


class Smoke(Shape):
    """Everybody writes every THINK seconds and loses the network now and then: is it correct at all?"""

    name = "smoke"
    mix = profiles.PEOPLE


class Ramp(Shape):
    """From one tenth of USERS to all of them in a straight line over RAMP of the run, then level."""

    name = "ramp"

    def users_at(self, moment: float) -> int:
        """A line, then a level."""
        over = self.seconds * self.settings.ramp
        share = 1.0 if over <= 0 else min(1.0, max(0.0, moment / over))
        return max(1, round(self.users * (0.1 + 0.9 * share)))


class Steps(Shape):
    """STEPS equal steps up to USERS; each is reported on its own."""

    name = "steps"

    def users_at(self, moment: float) -> int:
        """One more step after each equal part of the run."""
        count = self.settings.steps
        step = min(count, math.floor(max(0.0, moment) / self.seconds * count) + 1)
        return max(1, round(self.users * step / count))

    def steps(self) -> tuple[tuple[float, float], ...]:
        """The second half of each: the first is for arriving."""
        length = self.seconds / self.settings.steps
        return tuple(((number + 0.5) * length, (number + 1) * length) for number in range(self.settings.steps))


class Soak(Shape):
    """The same load for a long time: TIME=8h. What grows, leaks."""

    name = "soak"


class Spike(Shape):
    """USERS / SPIKE; in the middle third all USERS; then few again."""

    name = "spike"

    def users_at(self, moment: float) -> int:
        """Low, high, low."""
        high = self.seconds / 3 <= moment < 2 * self.seconds / 3
        return self.users if high else max(1, round(self.users / self.settings.spike))

    def steps(self) -> tuple[tuple[float, float], ...]:
        """The second half of each part: the first is for arriving and leaving."""
        third = self.seconds / 3
        return tuple(((number + 0.5) * third, (number + 1) * third) for number in range(3))


class Storm(Shape):
    """Everybody is cut at once, STORMS times, and back at once (within STORM_JITTER): the worst moment of a chat server."""

    name = "storm"

    @property
    def cuts(self) -> tuple[float, ...]:
        """Evenly spread over the run, none at its ends."""
        count = self.settings.storms
        return tuple(self.seconds * (number + 1) / (count + 1) for number in range(count))

    @property
    def certain(self) -> frozenset[str]:
        """Returns, too."""
        return super().certain | {figures.RESYNCHRONISED}

    def gates(self, summary: dict[str, Any]) -> list[Gate]:
        """It was a storm, and whoever was cut came back by themselves with everything they missed.

        Returns of those who lost their network for other reasons are none of these. Some may be away when the cut comes; a
        run in which most were had no storm to show.
        """
        counts, everybody = summary["counts"], summary["users"] * len(self.cuts)
        cut, back, away = (counts.get(what, 0) for what in ("cut", "back after a cut", "away at a cut"))
        return [
            Gate("everybody was cut", f"{cut} cuts of {everybody}, {away} were away", 0 < everybody <= 2 * cut),
            Gate("everybody who was cut came back", f"{back} of {cut}", back == cut),
        ]


class Deploy(Shape):
    """Steady load while an operator rolls the servers: nothing is lost, and somebody noticed."""

    name = "deploy"

    @property
    def certain(self) -> frozenset[str]:
        """Returns, too: of those who were told to go."""
        return super().certain | {figures.RESYNCHRONISED}

    def gates(self, summary: dict[str, Any]) -> list[Gate]:
        """Without a restart the run shows nothing about restarts."""
        ended = summary["connections_ended"]
        restarts = sum(number for how, number in ended.items() if how in {"server 1012", "server 1001"})
        seen = restarts + summary["counts"].get("drains", 0)
        return [Gate("servers were rolled while it ran", f"{seen} connections were told", seen > 0)]


class Stadium(Shape):
    """One huge room: each message goes to everybody."""

    name = "stadium"
    people_a_room = math.inf


class Village(Shape):
    """Many small rooms of five."""

    name = "village"
    mix = ((profiles.LURKER, 0.5), (profiles.TALKER, 0.5))
    people_a_room = 5


class SlowReaders(Shape):
    """SLOW of the users read a few kilobytes a second; nobody else may notice."""

    name = "slow-readers"

    def profiles(self) -> Mix:
        """The mix, and the slow."""
        return _with(super().profiles(), profiles.SLOW, self.settings.slow)

    def gates(self, summary: dict[str, Any]) -> list[Gate]:
        """Where nobody was slow, nobody could hold the others up."""
        late, away = (summary["counts"].get(what, 0) for what in ("read late", "slow readers sent away"))
        return [Gate("somebody read slowly", f"{late} events read late, {away} sent away", late + away > 0)]


class Flood(Shape):
    """FLOODERS of the users write a hundred messages a second; the others' must arrive as ever."""

    name = "flood"

    def profiles(self) -> Mix:
        """The mix, and the flooders."""
        return _with(super().profiles(), profiles.FLOODER, self.settings.flooders)


def _with(among: Mix, guest: profiles.Profile, share: float) -> Mix:
    return (*((profile, part * (1 - share)) for profile, part in among), (guest, share))


SHAPES: dict[str, type[Shape]] = {
    shape.name: shape
    for shape in (Smoke, Ramp, Steps, Soak, Spike, Storm, Deploy, Stadium, Village, SlowReaders, Flood)
}  # fmt: skip


def of(settings: Settings) -> Shape:
    """The shape a run was told."""
    return SHAPES[settings.shape](settings)
