"""The options of a run: read from strings, checked, and refused by name if wrong."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from loadtest import profiles
from loadtest.values import BadOption, duration, host, number, share, span, span_or_none, tokens, url, whole, yes

SHAPES = (
    "smoke", "ramp", "steps", "soak", "spike", "storm", "deploy", "stadium", "village", "slow-readers", "flood", "polls",
    "location", "sensors", "notes", "quiz", "stream",
)  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """One run.

    Times are seconds; `think` is the range of pauses between two messages of one user.

    rooms is 0, and profiles empty, if the shape decides.
    """

    url: str
    shape: str
    users: int
    rooms: int
    profiles: profiles.Mix
    seconds: float
    think: tuple[float, float]
    reconnects: float
    history: float
    ramp: float
    steps: int
    spike: float
    storms: int
    storm_jitter: float
    slow: float
    flooders: float
    settle: float
    patience: float
    setup_timeout: float
    signups_at_once: int
    host_header: str
    tokens: tuple[str, ...]
    gates: str
    thresholds: Path
    report: Path
    picture: bool
    json: bool
    run: str


def shape(name: str, text: str) -> str:
    """Read the name of an existing load shape."""
    if text not in SHAPES:
        raise BadOption(f"{name}={text!r} does not exist; there is: {', '.join(SHAPES)}")
    return text


# Name, default, description. Each is an option of Locust's command line and a variable of scripts/load.
ARGUMENTS = (
    ("time", "15s", "length of the timed run; it begins when the shape's first users are connected"),
    ("shape", "smoke", "who comes when and what happens to them: " + ", ".join(SHAPES)),
    ("rooms", "", "number of rooms the users are spread over; default: the shape's, mostly one for every 15 users"),
    ("profiles", "", "who they are, such as lurker:0.9,talker:0.1; default: the shape's own mix"),
    ("think", "2-6", "pause between two messages of one person, in seconds: shortest-longest"),
    ("reconnects", "0.05", "share of a person's turns in which it loses the network instead of writing"),
    ("history", "0.05", "share of a person's turns in which it reads a page of history instead of writing"),
    ("ramp", "0.8", "ramp: share of the run in which the users come"),
    ("steps", "4", "steps: how many"),
    ("spike", "5", "spike: how many times as many users"),
    ("storms", "2", "storm: how often everybody is cut"),
    ("storm-jitter", "0s", "storm: time within which they begin to come back"),
    ("slow", "0.1", "slow-readers: share of users"),
    ("flooders", "0.05", "flood: share of users"),
    ("settle", "10s", "how long an event may take to reach everybody after the last message"),
    ("patience", "30s", "how long a message is sent again before it counts as failed"),
    ("setup-timeout", "180s", "how long sign-up and connecting of all users may take"),
    ("signups-at-once", "4", "sign-ups under way at the same time"),
    ("host-header", "", "name the server knows itself by, or its address, where that is not the one in URL"),
    ("tokens", "", "file with one API token a line: used instead of signing up"),
    ("gates", "", "set of thresholds to hold the run to; default: correctness only"),
    ("thresholds", str(Path(__file__).with_name("thresholds.toml")), "file with the sets of thresholds"),
    ("report", "artifacts/load", "directory for the run's results"),
    ("picture", "1", "0: draw no picture of the run, which takes a second of a core"),
    ("as-json", "", "1: print the summary as JSON, and nothing else, to standard output"),
)
# Set by the leader for its workers; not for people.
_OWN = ("run-id", "members")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of a run to Locust's command line."""
    group = parser.add_argument_group("Hubbub")
    for name, default, text in ARGUMENTS:
        group.add_argument(f"--{name}", default=default, metavar="VALUE", help=text)
    for name in _OWN:
        group.add_argument(f"--{name}", default="", help=argparse.SUPPRESS)


def settings(given: argparse.Namespace) -> Settings:
    """Check Locust's parsed options; raises BadOption."""
    users = int(given.members or given.num_users or 1)
    rooms = whole("ROOMS", given.rooms) if given.rooms else 0
    if rooms > users:
        raise BadOption(f"ROOMS={rooms} is more than USERS={users}: some rooms would be empty")
    known = tokens("TOKENS", given.tokens)
    if known and len(known) < users:
        raise BadOption(f"TOKENS={given.tokens!r} holds {len(known)} tokens, USERS={users} needs as many")
    think = span("THINK", given.think)
    reconnects, history = share("RECONNECTS", given.reconnects), share("HISTORY", given.history)
    if reconnects + history > 1:
        raise BadOption(f"RECONNECTS={reconnects:g} and HISTORY={history:g} are more than all turns together")
    return Settings(
        url=url("URL", given.host or ""),
        shape=shape("SHAPE", given.shape),
        users=users,
        rooms=rooms,
        profiles=profiles.mix("PROFILES", given.profiles) if given.profiles else (),
        seconds=duration("TIME", given.time),
        think=think,
        reconnects=reconnects,
        history=history,
        ramp=share("RAMP", given.ramp),
        steps=whole("STEPS", given.steps),
        spike=number("SPIKE", given.spike, least=1),
        storms=whole("STORMS", given.storms),
        storm_jitter=span_or_none("STORM_JITTER", given.storm_jitter),
        slow=share("SLOW", given.slow),
        flooders=share("FLOODERS", given.flooders),
        settle=duration("SETTLE", given.settle),
        patience=duration("PATIENCE", given.patience),
        setup_timeout=duration("SETUP_TIMEOUT", given.setup_timeout),
        signups_at_once=whole("SIGNUPS_AT_ONCE", given.signups_at_once),
        host_header=host("HOST_HEADER", given.host_header),
        tokens=known,
        gates=given.gates,
        thresholds=Path(given.thresholds),
        report=Path(given.report),
        picture=yes("PICTURE", given.picture),
        json=yes("AS_JSON", given.as_json),
        run=given.run_id,
    )
