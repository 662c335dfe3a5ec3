"""The kinds of users: how often and how much each writes, and its other actions.

Pure.

Sources of the figures:

- Length of messages: log-normal(2.83, 1.15) letters (median 17, mean 33), fitted to 474,562 messages of production servers:
  ProcessOne, "Message archiving benchmark: how many letters are in messages".
- Pauses between two messages of one person: heavy-tailed, the tail log-normal rather than exponential (2.5 million posts in
  IRC channels): Garas, Garcia, Skowron, Schweitzer, "Emotional persistence in online chatting communities", Scientific
  Reports 2:402 (2012). The paper gives the form. Median and spread below are our choice: people in a lively talk, because too
  light a load proves nothing. A bot's pace and lengths are also ours.
- Share of people who write: 90 % lurk, 9 % contribute a little, 1 % account for almost all: Nielsen, "The 90-9-1 rule for
  participation inequality" (2006).

A message cannot be shorter than its marker (marker.py), about 45 letters: the mean holds, the shortest lengths do not.
"""

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from loadtest.values import BadOption

Seconds = Callable[[], float]
Letters = Callable[[], int]
_LONGEST = 10_000
SLOWLY = 60.0  # seconds a slow reader may take for an answer, and for events pushed before the end


def log_normal(median: float, sigma: float, most: float) -> Seconds:
    """Draw from a log-normal distribution, cut off at `most`."""
    return lambda: min(most, random.lognormvariate(math.log(median), sigma))


def between(low: float, high: float) -> Seconds:
    """Draw evenly from a range."""
    return lambda: random.uniform(low, high)


def letters() -> int:
    """Draw the length of a message as people write them."""
    return min(_LONGEST, max(1, round(random.lognormvariate(2.83, 1.15))))


@dataclass(frozen=True)
class Profile:
    """One kind of user.

    think: draws the pause between two turns in seconds. letters: draws the length of a message. writes, acts, reads_history,
    reconnects: shares of turns; in the other turns the user only reads. activity: the feature that it uses in turns of `acts`
    (activities/). slow: seconds a slow reader waits before each read of its socket. burst: messages that a flooder sends at once
    without waiting for an answer, over its limit.
    """

    name: str
    think: Seconds
    letters: Letters
    writes: float = 1.0
    acts: float = 0.0
    activity: str = ""
    reads_history: float = 0.0
    reconnects: float = 0.0
    slow: float = 0.0
    burst: int = 0


LURKER = Profile("lurker", log_normal(60, 1.0, 600), letters, writes=0.0, reads_history=0.2)
TALKER = Profile("talker", log_normal(12, 1.0, 300), letters, writes=0.9, reads_history=0.1)
BOT = Profile("bot", between(0.9, 1.1), lambda: 200)
PERSON = Profile("person", between(2, 6), lambda: 100)  # THINK, RECONNECTS and HISTORY adjust it to a run
SLOW = Profile("slow", log_normal(12, 1.0, 300), letters, slow=0.5)
VOTER = Profile("voter", between(1, 4), letters, writes=0.3, acts=0.7, activity="polls")
WALKER = Profile("walker", between(1, 3), letters, writes=0.2, acts=0.8, activity="location")
DEVICE = Profile("device", between(0.9, 1.1), letters, writes=0.05, acts=0.95, activity="sensors")
EDITOR = Profile("editor", between(0.5, 2), letters, writes=0.1, acts=0.9, activity="notes")
PLAYER = Profile("player", between(0.5, 1.5), letters, writes=0.1, acts=0.9, activity="quiz")
FLOODER = Profile("flooder", between(0.9, 1.1), lambda: 200, burst=100)

KNOWN = {profile.name: profile for profile in (LURKER, TALKER, BOT, PERSON, VOTER, WALKER, DEVICE, EDITOR, PLAYER, SLOW, FLOODER)}
Mix = tuple[tuple[Profile, float], ...]
CROWD: Mix = ((LURKER, 0.9), (TALKER, 0.09), (BOT, 0.01))
PEOPLE: Mix = ((PERSON, 1.0),)


def mix(name: str, text: str) -> Mix:
    """Read `lurker:0.9,talker:0.1` (or `person`), scaling shares to 1.

    Raises BadOption.
    """
    shares: dict[Profile, float] = {}
    for part in text.split(","):
        kind, _, share = part.strip().partition(":")
        if kind not in KNOWN:
            raise BadOption(f"{name}={text!r}: {kind!r} does not exist; there is: {', '.join(sorted(KNOWN))}")
        try:
            shares[KNOWN[kind]] = float(share or 1)
        except ValueError:
            raise BadOption(f"{name}={text!r}: {share!r} is no share: write {kind}:0.5") from None
    if any(not 0 <= share < math.inf for share in shares.values()) or not sum(shares.values()):
        raise BadOption(f"{name}={text!r}: shares are numbers above 0")
    return tuple((profile, share / sum(shares.values())) for profile, share in shares.items())


def of(number: int, among: Mix) -> Profile:
    """Return the profile of user `number`, the same in each run.

    Shares hold in every range of numbers. The first users are one of each kind, the rarest first, so that a small crowd has a
    writer. Multiples of the golden ratio fill the circle evenly, so ten users of 9:1 are about nine and one from any number on.
    """
    there = sorted((one for one in among if one[1] > 0), key=lambda one: one[1])
    if number < len(there):
        return there[number][0]
    place, reached = (number * 0.6180339887498949) % 1.0, 0.0
    for profile, share in among:
        reached += share
        if place < reached:
            return profile
    return among[-1][0]


def adjusted(among: Mix, changes: Mapping[str, object]) -> Mix:
    """Return the mix with changed properties of `person`, whose own are defaults."""
    return tuple((replace(profile, **changes) if profile.name == PERSON.name else profile, share) for profile, share in among)  # type: ignore[arg-type]
