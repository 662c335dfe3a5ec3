"""The rows of the table: what is measured, on which servers. Each system takes its turn within a row."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from typing import Any

from bench import cpu, front, load, rounds, servers
from bench.load import Target
from bench.results import Figure, shown
from bench.search import highest_rate
from tests.support.services import Postgres, Redis

# Those the targets name.
SOME = ("socket.io", "tutorial")
# The quick form has no time for one that loses messages, which are waited for, or has senders wait in line for seconds.
FEW = ("socket.io",)
EVERYBODY = ("socket.io", "ws", "python-socketio", "websockets", "tutorial")
SMALL_ROOMS = 200
# For costs: what joining a thousand people leaves to do in each process is over by then, and a second of chance weighs less.
SETTLED = {"warmup": 3, "seconds": 8}
# Rounds are told apart by what a delivery costs.
COST: dict[str, Any] = {"key": lambda figure: figure.us_per_delivery, "name": "µs", "digits": 2}


class Run:
    """The figures of one run, by row."""

    def __init__(
        self,
        product: servers.Product,
        postgres: Postgres,
        redis: Redis,
        *,
        quick: bool,
        before: servers.Product | None = None,
    ) -> None:
        """`before`: the product of an earlier commit, measured in turn with `product` in the rows that ask for `products`."""
        self.product, self.postgres, self.redis, self.quick = product, postgres, redis, quick
        self.products = {each.name: each for each in (product, before) if each}
        self.seconds = 2.0 if quick else 4.0
        self.rounds = 1 if quick else 3
        self.figures: dict[str, list[Figure]] = {}
        self._row = ""

    def measure(self, name: str) -> None:
        """Measure one of ROWS and print its figures as they come."""
        self._row = name
        self.figures[name] = []
        print(f"\n{name}", flush=True)
        begun = time.monotonic()
        ROWS[name](self)
        print(f"  {time.monotonic() - begun:.0f} s", flush=True)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {name: [figure.as_dict() for figure in figures] for name, figures in self.figures.items()}

    def add(self, figure: Figure, **notes: Any) -> Figure:
        """Keep and print a figure of the row under way."""
        figure.notes |= notes
        self.figures[self._row].append(figure)
        print(shown(figure), flush=True)
        return figure

    def timed(self, target: Target, **options: Any) -> Figure:
        """One timed run of this row's usual length."""
        return load.run(target, **{"warmup": 1, "seconds": self.seconds, **options})

    def add_in_rounds(
        self, kinds: Mapping[str, Callable[[], Figure]], notes: dict[str, dict[str, Any]] | None = None, **of: Any
    ) -> None:
        """Measure each kind in interleaved rounds and keep the figure with the median rate, or `key`, with the range of all."""
        for kind, figures in rounds.take(self.rounds, kinds).items():
            key = of.get("key", rounds.rate)
            self.add(rounds.middle(figures, key), **rounds.spread(figures, **of), **(notes or {}).get(kind, {}))

    def in_turn(self, target: Target, **options: Any) -> Figure:
        """One timed run in a round: they are several, and so each may be shorter."""
        return self.timed(target, **{"seconds": min(self.seconds, 2.5), **options})

    def each(self, measure: Callable[[servers.Product], Figure]) -> dict[str, Callable[[], Figure]]:
        """A turn of the product, and of the one before it where one is asked for."""
        return {name: partial(measure, product) for name, product in self.products.items()}

    def other(self, name: str, **options: Any) -> Callable[[], Figure]:
        """A turn of a baseline, which runs for it alone: some have work left when it is over."""

        def measure() -> Figure:
            with servers.baseline(name, self.redis) as target:
                return self.in_turn(target, **options)

        return measure


def _others(run: Run, names: tuple[str, ...]) -> Iterator[Target]:
    for name in names:
        with servers.baseline(name, run.redis) as target:
            yield target


def _room_of(members: int, window: int, names: tuple[str, ...]) -> Callable[[Run], None]:
    def row(run: Run) -> None:
        options = {"connections": members, "rooms": 1, "mode": "closed", "window": window}
        run.add(run.timed(run.product.target(1), **options))
        for target in _others(run, names):
            run.add(run.timed(target, **options))

    return row


def fan_out(run: Run) -> None:
    """Measure a room of 1,000 in the closed loop."""
    options = {"connections": 1000, "rooms": 1, "mode": "closed", "window": 64}
    kinds = run.each(lambda product: run.in_turn(product.target(1), **options))
    for name in SOME if run.quick else EVERYBODY:
        # What is under way is waited for in the end: 64 messages would take the tutorial half a minute a round.
        kinds[name] = run.other(name, **options | ({"window": 8} if name == "tutorial" else {}))
    run.add_in_rounds(kinds)


def fan_out_open(run: Run) -> None:
    """Room of 1,000: the most messages a second with p99 below 100 ms and nothing lost."""
    names = SOME if run.quick else ("socket.io", "ws", "tutorial")
    starts = {"hubbub": 400.0, "socket.io": 80.0, "ws": 100.0, "tutorial": 2.0}

    def search(target: Target) -> None:
        def attempt(rate: float) -> Figure:
            return load.run(target, connections=1000, rooms=1, mode="open", rate=rate, warmup=0.7, seconds=2.5, drain=3)

        best, tried = highest_rate(attempt, starts[target.name])
        points = [_point(figure) for figure in tried]
        if best is None:  # one message alone takes it longer
            best = replace(tried[-1], deliveries_per_s=0.0)
        run.add(best, rate=best.options["rate"] if best.deliveries_per_s else 0, tried=points)

    search(run.product.target(1))
    for target in _others(run, names):
        search(target)


def _point(figure: Figure) -> dict[str, Any]:
    counted = {"lost": figure.lost, "doubled": figure.doubled, "refused": figure.refused, "kept": figure.kept}
    return {"rate": figure.options["rate"], **counted, "cpu": figure.server_cpu, **figure.latency_ms}


def small_rooms(run: Run) -> None:
    """200 rooms of 5, one message under way in each."""
    options = {"connections": SMALL_ROOMS * 5, "rooms": SMALL_ROOMS, "mode": "closed", "window": 1}
    kinds = run.each(lambda product: run.in_turn(product.target(SMALL_ROOMS), **options))
    kinds |= {name: run.other(name, **options) for name in (FEW if run.quick else EVERYBODY)}
    run.add_in_rounds(kinds)


def small_rooms_synced(run: Run) -> None:
    """200 rooms of 5, two messages under way in each, on a disk that syncs each commit; socket.io stores nothing."""
    options = {"connections": SMALL_ROOMS * 5, "rooms": SMALL_ROOMS, "mode": "closed", "window": 2}
    with ExitStack() as exits:
        postgres = exits.enter_context(Postgres(sync=True))
        kinds: dict[str, Callable[[], Figure]] = {}
        for name, product in run.products.items():
            synced = exits.enter_context(closing(product.on(postgres)))
            kinds[name] = partial(lambda synced: run.in_turn(synced.target(SMALL_ROOMS), **options), synced)
        kinds |= {name: run.other(name, **options) for name in FEW}
        run.add_in_rounds(kinds, {name: {"fsync": "on"} for name in run.products})


def _ingest(senders: int) -> Callable[[Run], None]:
    def row(run: Run) -> None:
        options = {"connections": senders, "rooms": min(SMALL_ROOMS, senders), "mode": "senders"}

        def turn(product: servers.Product) -> Figure:
            stored = product.stored()
            figure = run.in_turn(product.target(min(SMALL_ROOMS, senders)), **options)
            figure.notes["stored"] = product.stored() - stored
            return figure

        run.add_in_rounds(run.each(turn), key=lambda figure: figure.messages_per_s)
        if run.quick:
            return
        with servers.baseline("tutorial", run.redis, run.postgres) as target:
            # One thread creates them all: a sender waits seconds for its turn, and so would a short measurement.
            run.add(run.timed(target, **options, warmup=5, seconds=10, drain=20))

    return row


def idle_memory(run: Run) -> None:
    """Memory the server holds for an authenticated connection with one joined room, each of another person."""
    number = 1000 if run.quick else 4000
    for product in run.products.values():
        tokens = product.newcomers(number)
        product.restart()
        _idle(run, product.target(100, tokens=tokens), number)
    for target in _others(run, SOME):
        _idle(run, target, number)


def _idle(run: Run, target: Target, number: int) -> None:
    # What the first connections bring in; of few, for what they free is used again by those that are counted.
    load.run(target, connections=10, rooms=10, mode="idle", warmup=0.1, seconds=0.5)
    before = cpu.memory(target.server_pids())
    held = [0]

    def connected() -> None:
        held[0] = cpu.memory(target.server_pids())

    figure = load.run(target, ready=connected, connections=number, rooms=100, mode="idle", warmup=0.1, seconds=1)
    run.add(figure, kb_per_connection=round((held[0] - before) / number / 1000, 1))


def handshakes(run: Run) -> None:
    """Sockets a second up to the greeting, by token and by session cookie; 100 at a time, of people who are in one room each."""
    people = 200
    options = {"connections": 100, "rooms": 1, "mode": "handshakes", "concurrency": 100}
    kinds: dict[str, Callable[[], Figure]] = {}
    notes: dict[str, dict[str, Any]] = {}
    for product in run.products.values():
        token = product.target(1, tokens=product.newcomers(people))
        load.run(token, connections=people, rooms=1, mode="idle", warmup=0.1, seconds=0.1)  # they join it
        session = replace(token, client=replace(token.client, requests=product.sessions(people)))
        for credential, target in {"token": token, "session": session}.items():
            kind = f"{product.name}, {credential}"
            kinds[kind] = partial(run.in_turn, target, steps=target.client.greeting, **options)
            notes[kind] = {"credential": credential}
    for name in FEW if run.quick else SOME:
        kinds[name] = run.other(name, steps=servers.BASELINES[name][1].greeting, **options)
    run.add_in_rounds(kinds, notes)


def first_joins(run: Run) -> None:
    """1,000 people come into one public room for the first time, and stay: how many a second, each membership stored.

    100 handshakes at a time, up to the reply to the join; in the room dialect, which has none, up to the answered handshake.
    The tutorial and socket.io store nothing.
    """
    options = {"connections": servers.PEOPLE, "rooms": 1, "mode": "idle", "concurrency": 100, "warmup": 0.1, "seconds": 0.1}

    def turn(target: Target) -> Figure:
        before = cpu.seconds(target.server_pids())
        used = [0.0]

        def arrived() -> None:
            used[0] = cpu.seconds(target.server_pids()) - before

        figure = load.run(target, ready=arrived, **options)
        figure.notes["µs each"] = round(used[0] / servers.PEOPLE * 1e6)
        return figure

    def native(product: servers.Product) -> Figure:
        return turn(product.target(1))

    def room_dialect(product: servers.Product) -> Figure:
        target = product.target(1, name=f"{product.name}, room dialect")
        paths = [request.replace("/ws/", "/ws/chat/{room}/", 1) for request in target.client.requests]
        return turn(replace(target, client=replace(target.client, requests=paths, steps=())))

    def other(name: str) -> Callable[[], Figure]:
        def measure() -> Figure:
            with servers.baseline(name, run.redis) as target:
                return turn(target)

        return measure

    kinds = run.each(native) | {f"{name}, room dialect": kind for name, kind in run.each(room_dialect).items()}
    kinds |= {name: other(name) for name in SOME}
    run.add_in_rounds(kinds, key=lambda figure: figure.arrivals_per_s)


def two_workers(run: Run) -> None:
    """The same load on one worker and on two, both on the server's core: what a delivery costs.

    The rate leaves the core a rest: on a full one both cost what there is.
    """
    options = {"connections": 1000, "rooms": 1, "mode": "open", "rate": 20}

    def turn(workers: int) -> Figure:
        run.product.restart(workers=workers)
        return run.timed(run.product.target(1, name=f"hubbub, {workers} workers"), **options, **SETTLED)

    try:
        kinds = {f"{workers}": partial(turn, workers) for workers in (1, 2)}
        run.add_in_rounds(kinds, {kind: {"workers": int(kind)} for kind in kinds}, **COST)
    finally:
        run.product.restart()


def large_room(run: Run) -> None:
    """A room of 10,000 against one of 1,000 at as many deliveries a second, on a core that is not full: what a delivery costs.

    The 10,000 sockets are of 1,000 people.
    """

    def turn(members: int) -> Figure:
        options = {"connections": members, "rooms": 1, "mode": "open", "rate": 20_000 / members}
        return run.timed(run.product.target(1), **options, **SETTLED)

    kinds = {f"{members}": partial(turn, members) for members in (1000, 10_000)}
    run.add_in_rounds(kinds, {kind: {"members": int(kind)} for kind in kinds}, **COST)


def through_nginx(run: Run) -> None:
    """Directly, through nginx, and through nginx with TLS; nginx shares the server's core, which the rate must leave a rest."""
    options = {"connections": 1000, "rooms": 1, "mode": "open", "rate": 20}
    run.add(run.timed(run.product.target(1), **options), way="direct")
    with front.nginx(run.product.port) as proxy:
        for tls in (False, True):
            target = run.product.target(1, port=proxy.tls_port if tls else proxy.port, tls=tls)
            target.pids = lambda: run.product.pids() | {"nginx": proxy.pids()}
            run.add(run.timed(target, **options), way="nginx, TLS" if tls else "nginx")


def nginx_workers(run: Run) -> None:
    """One nginx worker or two on the one core that compose gives nginx: two wake up for fewer messages each time."""

    def turn(workers: int) -> Figure:
        options = {"connections": 1000, "rooms": 1, "mode": "open", "rate": 20}
        with front.nginx(run.product.port, workers) as proxy:
            target = run.product.target(1, name=f"hubbub, {workers} nginx workers", port=proxy.port)
            target.pids = lambda: run.product.pids() | {"nginx": proxy.pids()}
            return run.timed(target, **options, **SETTLED)

    kinds = {f"{workers}": partial(turn, workers) for workers in (1, 2)}
    run.add_in_rounds(kinds, {kind: {"nginx workers": int(kind)} for kind in kinds}, **COST)


def slow_readers(run: Run) -> None:
    """A hundred of 1,000 members stop reading: what the others notice."""
    for slow in (100,) if run.quick else (0, 100):
        options = {"connections": 1000, "rooms": 1, "mode": "open", "rate": 50, "slow": slow}
        run.add(run.timed(run.product.target(1), **options), slow=slow)


def stalled_crowd(run: Run) -> None:
    """200 members of a room alone, with 1,000 more who read, and with 1,000 more who do not: what the 200 notice.

    The texts are long, so that what stalls has filled the buffers of the kernel before the measurement, and is not closed in it.
    Kept is the round with the median p99, and the ratios to the same round's 200 alone. Where all read, the 1,000 are measured,
    too.
    """
    kinds = {"alone": (0, 0), "1,000 more read": (1000, 0), "1,000 more stall": (1000, 1000)}

    def turn(more: int, slow: int) -> Callable[[], Figure]:
        options = {"connections": 200 + more, "rooms": 1, "mode": "open", "rate": 50, "slow": slow, "text": 2000, "warmup": 2}
        return lambda: run.timed(run.product.target(1), **options)

    taken = rounds.take(2 if run.quick else 5, {kind: turn(*counts) for kind, counts in kinds.items()})
    for kind, figures in taken.items():
        notes = {f"{part} to alone": rounds.ratios(part, figures, taken["alone"]) for part in ("p50", "p99")}
        run.add(rounds.middle(figures, _p99), others=kind, **(notes if kind != "alone" else {}))


def half_load(run: Run) -> None:
    """Room of 1,000, each system at half of its own maximum: what a message's way takes when nothing is full.

    Kept is the round with the median p99, with the range of all.
    """
    most: dict[str, float] = {}

    def half(target: Target) -> Figure:
        options = {"connections": 1000, "rooms": 1}
        if target.name not in most:
            most[target.name] = run.timed(target, mode="closed", window=64, **options).deliveries_per_s / 1000
            if not most[target.name]:
                raise load.CannotMeasure(f"{target.name} delivered nothing, so that there is no half of its maximum")
        return run.timed(target, mode="open", rate=most[target.name] / 2, **options)

    def other(name: str) -> Callable[[], Figure]:
        def measure() -> Figure:
            with servers.baseline(name, run.redis) as target:
                return half(target)

        return measure

    kinds = {"hubbub": lambda: half(run.product.target(1))} | {name: other(name) for name in SOME}
    for kind, figures in rounds.take(run.rounds, kinds).items():
        run.add(rounds.middle(figures, _p99), rate=round(most[kind] / 2, 2), **rounds.spread(figures, _p99, name="p99"))


def _p99(figure: Figure) -> float:
    return figure.latency_ms["p99"]


ROWS: dict[str, Callable[[Run], None]] = {
    "fan-out 1000": fan_out,
    "half load": half_load,
    "open loop 1000": fan_out_open,
    "fan-out 10": _room_of(10, 64, ("socket.io", "ws", "tutorial")),
    "fan-out 100": _room_of(100, 64, ("socket.io", "ws", "tutorial")),
    "fan-out 10000": _room_of(10_000, 16, ("socket.io", "ws")),
    "200 rooms of 5": small_rooms,
    "200 rooms of 5 with fsync": small_rooms_synced,
    "ingest 64": _ingest(64),
    "ingest 512": _ingest(512),
    "idle memory": idle_memory,
    "handshakes": handshakes,
    "first joins": first_joins,
    "two workers": two_workers,
    "large room": large_room,
    "nginx and TLS": through_nginx,
    "nginx workers": nginx_workers,
    "slow readers": slow_readers,
    "stalled crowd": stalled_crowd,
}
QUICK = ("fan-out 1000", "200 rooms of 5", "ingest 512", "handshakes", "slow readers")
