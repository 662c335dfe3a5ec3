"""The course of a run: number and kind of users, their rooms, and disturbances.

A shape is a class with one instance per run. To add one, subclass `Shape`, name it, and list it in `SHAPES`. Pure.

    shape.users_at(0)      users that must be connected before the timed run begins
    shape.users_at(30)     users after 30 s
    shape.cuts             moments at which every connection is cut
    shape.gates(summary)   conditions of this shape besides correctness
"""

import math
from typing import Any, ClassVar

from loadtest import figures, profiles
from loadtest.activities.location import Location as Places
from loadtest.activities.polls import Polls as Votes
from loadtest.activities.quiz import QUIZZES
from loadtest.activities.quiz import Quiz as Answers
from loadtest.activities.sensors import Sensors as Readings
from loadtest.gates import Gate
from loadtest.options import Settings
from loadtest.profiles import Mix

SHOWN = "shown to others"  # live values and edits, as the counts name them
_ARRIVING = 2.0  # seconds before its end without new users: Locust acts once a second, and users must connect
_CAME = 0.9  # share of the wanted users that must have come
_THERE = 0.75  # share of a step's users that must be present in its reported stretch


class Shape:
    """All users from start to end: the base of the others."""

    name: ClassVar[str] = ""
    mix: ClassVar[Mix] = profiles.CROWD
    people_a_room: ClassVar[float] = 15
    # Whether users talk through the event stream and POST, without WebSockets.
    stream: ClassVar[bool] = False

    def __init__(self, settings: Settings) -> None:
        self.users = settings.users
        self.seconds = settings.seconds
        self.settings = settings

    @property
    def rooms(self) -> int:
        """Return the number of rooms: ROOMS, or one per `people_a_room`.

        At most one per user.
        """
        return self.settings.rooms or min(self.users, max(1, round(self.users / self.people_a_room)))

    def profiles(self) -> Mix:
        """Return the mix of users: PROFILES or the shape's own.

        The options define a `person`.
        """
        given = self.settings
        person: dict[str, Any] = {
            "think": profiles.between(*given.think),
            "reconnects": given.reconnects,
            "reads_history": given.history,
        }
        person["writes"] = 1 - given.reconnects - given.history
        return profiles.adjusted(given.profiles or self.mix, person)

    @property
    def patience(self) -> float:
        """Return the longest time a user waits for an answer, with resending, in seconds."""
        return self._with_slow(self.settings.patience)

    @property
    def settle(self) -> float:
        """Return the longest wait for events after the last message, in seconds."""
        return self._with_slow(self.settings.settle)

    def _with_slow(self, seconds: float) -> float:
        slow = any(profile.slow and share for profile, share in self.profiles())
        return max(seconds, profiles.SLOWLY) if slow else seconds

    def users_at(self, moment: float) -> int:
        """Return the users wanted `moment` seconds into the timed run."""
        return self.users

    @property
    def asked(self) -> int:
        """Return the most users wanted at a time, except those wanted just before the end."""
        last = max(0.0, self.seconds - _ARRIVING)
        return max(self.users_at(last * part / 100) for part in range(101))

    @property
    def cuts(self) -> tuple[float, ...]:
        """Return the moments at which every connection is cut."""
        return ()

    def steps(self) -> tuple[tuple[float, float], ...]:
        """Return the stretches (begin, end) that are reported separately."""
        return ()

    @property
    def certain(self) -> frozenset[str]:
        """Return the figures that every run of this shape has samples of.

        The others depend on options and on chance.
        """
        certain = {figures.HANDSHAKE, figures.JOIN, figures.ACKNOWLEDGED}
        if not self.settings.tokens:
            certain.add(figures.SIGN_UP)
        if self.users > self.rooms:
            certain.add(figures.DELIVERED)
        return frozenset(certain)

    def crowd_gates(self, summary: dict[str, Any]) -> list[Gate]:
        """Require the wanted users: otherwise the figures belong to a smaller load."""
        came = summary["counts"].get("users who came", 0)
        found = [Gate(f"users who came: at least {_CAME:.0%} of {self.asked}", f"{came}", came >= _CAME * self.asked)]
        for step in summary["steps"]:
            if step["there"]:
                asked = f"users there from {step['from_s']:g} to {step['to_s']:g} s: at least {_THERE:.0%} of {step['users']}"
                least, most = step["there"]
                found.append(Gate(asked, f"{least} to {most}", most >= _THERE * step["users"]))
        return found

    def gates(self, summary: dict[str, Any]) -> list[Gate]:
        """Return this shape's own conditions."""
        return []


class Smoke(Shape):
    """Every user writes every THINK seconds and loses the network at times.

    This tests correctness.
    """

    name = "smoke"
    mix = profiles.PEOPLE


class Ramp(Shape):
    """The number of users rises from a tenth of USERS to all, then stays level.

    It rises in a straight line over RAMP of the run.
    """

    name = "ramp"

    def users_at(self, moment: float) -> int:
        """Rise in a straight line, then stay level."""
        over = self.seconds * self.settings.ramp
        share = 1.0 if over <= 0 else min(1.0, max(0.0, moment / over))
        return max(1, round(self.users * (0.1 + 0.9 * share)))


class Steps(Shape):
    """STEPS equal steps up to USERS; each is reported on its own."""

    name = "steps"

    def users_at(self, moment: float) -> int:
        """Add a step after each equal part of the run."""
        count = self.settings.steps
        step = min(count, math.floor(max(0.0, moment) / self.seconds * count) + 1)
        return max(1, round(self.users * step / count))

    def steps(self) -> tuple[tuple[float, float], ...]:
        """Return the second half of each step; users arrive in the first."""
        length = self.seconds / self.settings.steps
        return tuple(((number + 0.5) * length, (number + 1) * length) for number in range(self.settings.steps))


class Soak(Shape):
    """The same load for a long time, TIME=8h, to find leaks."""

    name = "soak"


class Spike(Shape):
    """USERS / SPIKE; in the middle third all USERS; then few again."""

    name = "spike"

    def users_at(self, moment: float) -> int:
        """Return few, all, few."""
        high = self.seconds / 3 <= moment < 2 * self.seconds / 3
        return self.users if high else max(1, round(self.users / self.settings.spike))

    def steps(self) -> tuple[tuple[float, float], ...]:
        """Return the second half of each part; users arrive and leave in the first."""
        third = self.seconds / 3
        return tuple(((number + 0.5) * third, (number + 1) * third) for number in range(3))


class Storm(Shape):
    """All connections are cut at once, STORMS times.

    They reconnect within STORM_JITTER: a chat server's worst moment.
    """

    name = "storm"

    @property
    def cuts(self) -> tuple[float, ...]:
        """Spread the cuts evenly over the run, none at its ends."""
        count = self.settings.storms
        return tuple(self.seconds * (number + 1) / (count + 1) for number in range(count))

    @property
    def certain(self) -> frozenset[str]:
        """Include reconnects."""
        return super().certain | {figures.RESYNCHRONISED}

    def gates(self, summary: dict[str, Any]) -> list[Gate]:
        """Require a real storm, from which all cut users resynchronised by themselves.

        Reconnects after other losses of the network do not count. Some users may be away at the cut; a run with most away had
        no storm.
        """
        counts, everybody = summary["counts"], summary["users"] * len(self.cuts)
        cut, back, away = (counts.get(what, 0) for what in ("cut", "back after a cut", "away at a cut"))
        return [
            Gate("everybody was cut", f"{cut} cuts of {everybody}, {away} were away", 0 < everybody <= 2 * cut),
            Gate("everybody who was cut came back", f"{back} of {cut}", back == cut),
        ]


class Deploy(Shape):
    """Steady load while an operator rolls the servers.

    Nothing may be lost, and some users must notice.
    """

    name = "deploy"

    @property
    def certain(self) -> frozenset[str]:
        """Include the reconnects of drained users."""
        return super().certain | {figures.RESYNCHRONISED}

    def gates(self, summary: dict[str, Any]) -> list[Gate]:
        """Require a restart: without one the run proves nothing about restarts."""
        ended = summary["connections_ended"]
        restarts = sum(number for how, number in ended.items() if how in {"server 1012", "server 1001"})
        seen = restarts + summary["counts"].get("drains", 0)
        return [Gate("servers were rolled while it ran", f"{seen} connections were told", seen > 0)]


class Stadium(Shape):
    """One huge room: each message goes to all users."""

    name = "stadium"
    people_a_room = math.inf


class Village(Shape):
    """Many small rooms of five."""

    name = "village"
    mix = ((profiles.LURKER, 0.5), (profiles.TALKER, 0.5))
    people_a_room = 5


class SlowReaders(Shape):
    """SLOW of the users read a few kilobytes a second; the others must not notice."""

    name = "slow-readers"

    def profiles(self) -> Mix:
        """Return the mix with slow readers."""
        return _with(super().profiles(), profiles.SLOW, self.settings.slow)

    def gates(self, summary: dict[str, Any]) -> list[Gate]:
        """Require a slow reader: without one the others could not be delayed."""
        late, away = (summary["counts"].get(what, 0) for what in ("read late", "slow readers sent away"))
        return [Gate("a user read slowly", f"{late} events read late, {away} sent away", late + away > 0)]


class Flood(Shape):
    """FLOODERS of the users write a hundred messages a second.

    The others' messages must not be delayed.
    """

    name = "flood"

    def profiles(self) -> Mix:
        """Return the mix with flooders."""
        return _with(super().profiles(), profiles.FLOODER, self.settings.flooders)


class Using(Shape):
    """Users of a feature: a run without its use proves nothing about it."""

    # What must have happened, as the counts name it.
    required: ClassVar[tuple[str, ...]] = ()

    def gates(self, summary: dict[str, Any]) -> list[Gate]:
        """Require that the feature was used."""
        counts = summary["counts"]
        return [Gate(f"{what}: some", f"{counts.get(what, 0)}", counts.get(what, 0) > 0) for what in self.required]


class Polls(Using):
    """A poll in each room: people vote and change their minds while they talk."""

    name = "polls"
    mix = ((profiles.VOTER, 1.0),)
    required = (Votes.counted,)


class Location(Using):
    """People share where they are, move and stop, while they talk."""

    name = "location"
    mix = ((profiles.WALKER, 1.0),)
    required = (Places.counted, SHOWN)


class Sensors(Using):
    """Each user is a device that pushes five readings a second.

    It also looks at the others' sensors.
    """

    name = "sensors"
    mix = ((profiles.DEVICE, 1.0),)
    required = (Readings.counted, SHOWN)


class Notes(Using):
    """Everybody writes into their room's note at once."""

    name = "notes"
    mix = ((profiles.EDITOR, 1.0),)
    required = ("edits", SHOWN)


class Quiz(Using):
    """One quiz after the other in each room; people answer while they talk."""

    name = "quiz"
    mix = ((profiles.PLAYER, 1.0),)
    required = (Answers.counted, QUIZZES)


class Stream(Shape):
    """Everybody talks by the event stream and POST, and loses the network at times."""

    name = "stream"
    mix = profiles.PEOPLE
    stream = True


def _with(among: Mix, guest: profiles.Profile, share: float) -> Mix:
    return (*((profile, part * (1 - share)) for profile, part in among), (guest, share))


SHAPES: dict[str, type[Shape]] = {
    shape.name: shape
    for shape in (Smoke, Ramp, Steps, Soak, Spike, Storm, Deploy, Stadium, Village, SlowReaders, Flood, Polls,
                  Location, Sensors, Notes, Quiz, Stream)
}  # fmt: skip


def of(settings: Settings) -> Shape:
    """Return the shape of a run's settings."""
    return SHAPES[settings.shape](settings)
