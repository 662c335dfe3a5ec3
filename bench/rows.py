"""The rows of the table: measurements and their servers.

The systems take turns within a row.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from typing import Any

from bench import cpu, front, load, rounds, servers, streams
from bench.load import Target
from bench.results import Figure, shown
from bench.search import highest_rate
from config.features import FEATURES, name_of
from tests.support.services import Postgres, Redis

# The systems in the targets.
SOME = ("socket.io", "tutorial")
# The quick form has no time for systems that lose messages, which are awaited, or queue senders for seconds.
FEW = ("socket.io",)
EVERYBODY = ("socket.io", "ws", "python-socketio", "websockets", "tutorial")
SMALL_ROOMS = 200
# For costs: the after-effects of a thousand joins are over by then, and chance within a second weighs less.
SETTLED = {"warmup": 3, "seconds": 8}
# Messages are indexed after so long (features.search.indexing.SETTLED_S).
INDEXED_AFTER_S = 16
NO_FEATURES = {"FEATURES_OFF": ",".join(map(name_of, FEATURES))}
# Rounds are compared by the cost per delivery.
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
        """`before`: the product of an earlier commit, for rows that ask for `products`.

        It is measured in turn with `product`.
        """
        self.product, self.postgres, self.redis, self.quick = product, postgres, redis, quick
        self.products = {each.name: each for each in (product, before) if each}
        self.seconds = 2.0 if quick else 4.0
        self.rounds = 1 if quick else 3
        self.figures: dict[str, list[Figure]] = {}
        self._row = ""

    def measure(self, name: str) -> None:
        """Measure one of ROWS and print its figures."""
        self._row = name
        self.figures[name] = []
        print(f"\n{name}", flush=True)
        begun = time.monotonic()
        ROWS[name](self)
        print(f"  {time.monotonic() - begun:.0f} s", flush=True)

    def as_dict(self) -> dict[str, Any]:
        """Return the rows for JSON."""
        return {name: [figure.as_dict() for figure in figures] for name, figures in self.figures.items()}

    def add(self, figure: Figure, **notes: Any) -> Figure:
        """Keep and print a figure of the current row."""
        figure.notes |= notes
        self.figures[self._row].append(figure)
        print(shown(figure), flush=True)
        return figure

    def timed(self, target: Target, **options: Any) -> Figure:
        """Run once for the row's usual time."""
        return load.run(target, **{"warmup": 1, "seconds": self.seconds, **options})

    def add_in_rounds(
        self, kinds: Mapping[str, Callable[[], Figure]], notes: dict[str, dict[str, Any]] | None = None, **of: Any
    ) -> None:
        """Measure each kind in interleaved rounds.

        Keep the one with the median `key` and the range.
        """
        for kind, figures in rounds.take(self.rounds, kinds).items():
            key = of.get("key", rounds.rate)
            self.add(rounds.middle(figures, key), **rounds.spread(figures, **of), **(notes or {}).get(kind, {}))

    def in_turn(self, target: Target, **options: Any) -> Figure:
        """Run once for a round's shorter time."""
        return self.timed(target, **{"seconds": min(self.seconds, 2.5), **options})

    def each(self, measure: Callable[[servers.Product], Figure]) -> dict[str, Callable[[], Figure]]:
        """Return measuring functions of the product, and of the earlier one if given."""
        return {name: partial(measure, product) for name, product in self.products.items()}

    def other(self, name: str, **options: Any) -> Callable[[], Figure]:
        """Return a function that starts and measures a baseline.

        It runs alone, because some baselines have work left at the end.
        """

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
        # Messages under way are awaited at the end: 64 of them would take the tutorial half a minute per round.
        kinds[name] = run.other(name, **options | ({"window": 8} if name == "tutorial" else {}))
    run.add_in_rounds(kinds)


def fan_out_open(run: Run) -> None:
    """Find the highest rate in a room of 1,000 with p99 below 100 ms and no loss."""
    names = SOME if run.quick else ("socket.io", "ws", "tutorial")
    starts = {"hubbub": 400.0, "socket.io": 80.0, "ws": 100.0, "tutorial": 2.0}

    def search(target: Target) -> None:
        def attempt(rate: float) -> Figure:
            return load.run(target, connections=1000, rooms=1, mode="open", rate=rate, warmup=0.7, seconds=2.5, drain=3)

        best, tried = highest_rate(attempt, starts[target.name])
        points = [_point(figure) for figure in tried]
        if best is None:  # a single message already takes longer
            best = replace(tried[-1], deliveries_per_s=0.0)
        run.add(best, rate=best.options["rate"] if best.deliveries_per_s else 0, tried=points)

    search(run.product.target(1))
    for target in _others(run, names):
        search(target)


def _point(figure: Figure) -> dict[str, Any]:
    counted = {"lost": figure.lost, "doubled": figure.doubled, "refused": figure.refused, "kept": figure.kept}
    return {"rate": figure.options["rate"], **counted, "cpu": figure.server_cpu, **figure.latency_ms}


def small_rooms(run: Run) -> None:
    """Measure 200 rooms of 5, one message under way in each."""
    options = {"connections": SMALL_ROOMS * 5, "rooms": SMALL_ROOMS, "mode": "closed", "window": 1}
    kinds = run.each(lambda product: run.in_turn(product.target(SMALL_ROOMS), **options))
    kinds |= {name: run.other(name, **options) for name in (FEW if run.quick else EVERYBODY)}
    run.add_in_rounds(kinds)


def small_rooms_synced(run: Run) -> None:
    """Measure 200 rooms of 5, two messages under way in each, with synced commits.

    socket.io stores nothing.
    """
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
            # One thread creates all of them: a sender waits seconds for its turn, too long for a short measurement.
            run.add(run.timed(target, **options, warmup=5, seconds=10, drain=20))

    return row


def features(run: Run) -> None:
    """Measure ingest with all features, without two of them, and with none.

    The two, search and notifications, watch each message. Each product has a Postgres of its own. The others are frozen
    meanwhile: their indexing would count for this one.
    """
    options = {"connections": 512, "rooms": SMALL_ROOMS, "mode": "senders"}
    names = {"all": {}, "without": {"FEATURES_OFF": "search,notifications"}, "none": NO_FEATURES}
    with ExitStack() as exits:
        made: dict[str, servers.Product] = {}
        for kind, env in names.items():
            postgres = exits.enter_context(Postgres())
            product = servers.Product(postgres, run.redis, env=env, name=f"hubbub, {kind}")
            made[kind] = exits.enter_context(closing(product))

        def turn(kind: str) -> Figure:
            for other in made.keys() - {kind}:
                made[other].process.send_all(signal.SIGSTOP)
            try:
                figure = run.timed(made[kind].target(SMALL_ROOMS), **options)
            finally:
                for product in made.values():
                    product.process.send_all(signal.SIGCONT)
            figure.notes["µs of Postgres a message"] = round(figure.cpu["postgres"] / figure.messages_per_s * 1e6, 1)
            return figure

        kinds = {kind: partial(turn, kind) for kind in names}
        for measure in kinds.values():
            measure()  # its messages are indexed beside the measured rounds
        time.sleep(INDEXED_AFTER_S)
        run.add_in_rounds(kinds, key=lambda figure: figure.messages_per_s)


def idle_memory(run: Run) -> None:
    """Measure memory per authenticated connection, each of another person in one room.

    With all features and with none: who uses none pays for none.
    """
    number = 1000 if run.quick else 4000
    with ExitStack() as exits:
        products = list(run.products.values())
        if not run.quick:
            bare = servers.Product(run.postgres, run.redis, env=NO_FEATURES, name="hubbub, no features")
            products.append(exits.enter_context(closing(bare)))
        for product in products:
            tokens = product.newcomers(number)
            product.restart()
            _idle(run, product.target(100, tokens=tokens), number)
    for target in _others(run, SOME):
        _idle(run, target, number)


def _idle(run: Run, target: Target, number: int) -> None:
    # Loads code and data of the first connections. Few, since the measured connections would reuse their freed memory.
    load.run(target, connections=10, rooms=10, mode="idle", warmup=0.1, seconds=0.5)
    before = cpu.memory(target.server_pids())
    held = [0]

    def connected() -> None:
        held[0] = cpu.memory(target.server_pids())

    figure = load.run(target, ready=connected, connections=number, rooms=100, mode="idle", warmup=0.1, seconds=1)
    run.add(figure, kb_per_connection=round((held[0] - before) / number / 1000, 1))


def idle_streams(run: Run) -> None:
    """Measure memory per event stream.

    Each stream is of another person in one of 100 rooms, on one worker.
    """
    number, rooms = (1000, 20) if run.quick else (5000, 100)
    for product in run.products.values():
        tokens = product.newcomers(number)
        product.restart()
        target = product.target(rooms, tokens=tokens)
        names = [target.client.room % room for room in range(rooms)]
        # Loads code and data of the first streams. Few, since the measured ones would reuse their freed memory.
        streams.hold(product.port, tokens[:10], names, lambda: None)
        before = cpu.memory(target.server_pids())
        held = [0]

        def opened(pids: list[int], held: list[int]) -> None:
            held[0] = cpu.memory(pids)

        rate, failed = streams.hold(product.port, tokens, names, partial(opened, target.server_pids(), held))
        figure = load.idle_figure(product.name, arrivals_per_s=rate, failed=failed)
        run.add(figure, kb_per_stream=round((held[0] - before) / (number - failed) / 1000, 1), streams=number)


def handshakes(run: Run) -> None:
    """Measure sockets per second up to the greeting, by token and by session cookie.

    100 at a time, of people with one room each.
    """
    people = 200
    options = {"connections": 100, "rooms": 1, "mode": "handshakes", "concurrency": 100}
    kinds: dict[str, Callable[[], Figure]] = {}
    notes: dict[str, dict[str, Any]] = {}
    for product in run.products.values():
        token = product.target(1, tokens=product.newcomers(people))
        load.run(token, connections=people, rooms=1, mode="idle", warmup=0.1, seconds=0.1)  # people join the room
        session = replace(token, client=replace(token.client, requests=product.sessions(people)))
        for credential, target in {"token": token, "session": session}.items():
            kind = f"{product.name}, {credential}"
            kinds[kind] = partial(run.in_turn, target, steps=target.client.greeting, **options)
            notes[kind] = {"credential": credential}
    for name in FEW if run.quick else SOME:
        kinds[name] = run.other(name, steps=servers.BASELINES[name][1].greeting, **options)
    run.add_in_rounds(kinds, notes)


def first_joins(run: Run) -> None:
    """Measure first joins per second: 1,000 people join one public room, all stored.

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
    """Measure the cost per delivery with one worker and two, on the same core.

    The rate leaves idle time: on a full core both costs would be equal.
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
    """Measure the cost per delivery in rooms of 10,000 and 1,000 at the same rate.

    The core is not full. The 10,000 sockets belong to 1,000 people.
    """

    def turn(members: int) -> Figure:
        options = {"connections": members, "rooms": 1, "mode": "open", "rate": 20_000 / members}
        return run.timed(run.product.target(1), **options, **SETTLED)

    kinds = {f"{members}": partial(turn, members) for members in (1000, 10_000)}
    run.add_in_rounds(kinds, {kind: {"members": int(kind)} for kind in kinds}, **COST)


def through_nginx(run: Run) -> None:
    """Measure directly, through nginx, and through nginx with TLS.

    nginx shares the server's core, so the rate leaves idle time.
    """
    options = {"connections": 1000, "rooms": 1, "mode": "open", "rate": 20}
    run.add(run.timed(run.product.target(1), **options), way="direct")
    with front.nginx(run.product.port) as proxy:
        for tls in (False, True):
            target = run.product.target(1, port=proxy.tls_port if tls else proxy.port, tls=tls)
            target.pids = lambda: run.product.pids() | {"nginx": proxy.pids()}
            run.add(run.timed(target, **options), way="nginx, TLS" if tls else "nginx")


def nginx_workers(run: Run) -> None:
    """Measure one and two nginx workers on the one core that compose gives nginx.

    Two workers wake up for fewer messages each time.
    """

    def turn(workers: int) -> Figure:
        options = {"connections": 1000, "rooms": 1, "mode": "open", "rate": 20}
        with front.nginx(run.product.port, workers) as proxy:
            target = run.product.target(1, name=f"hubbub, {workers} nginx workers", port=proxy.port)
            target.pids = lambda: run.product.pids() | {"nginx": proxy.pids()}
            return run.timed(target, **options, **SETTLED)

    kinds = {f"{workers}": partial(turn, workers) for workers in (1, 2)}
    run.add_in_rounds(kinds, {kind: {"nginx workers": int(kind)} for kind in kinds}, **COST)


def slow_readers(run: Run) -> None:
    """Measure the effect on a room of 1,000 when a hundred members stop reading."""
    for slow in (100,) if run.quick else (0, 100):
        options = {"connections": 1000, "rooms": 1, "mode": "open", "rate": 50, "slow": slow}
        run.add(run.timed(run.product.target(1), **options), slow=slow)


def stalled_crowd(run: Run) -> None:
    """Measure 200 members alone, with 1,000 readers, and with 1,000 stalled ones.

    The texts are long, so that stalled sockets have filled the kernel's buffers before the measurement, but are not closed in it.
    The round with the median p99 is kept, with ratios to the same round's 200 alone. With 1,000 readers, these are measured as
    well.
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
    """Measure a room of 1,000 with each system at half of its maximum rate.

    Latency without queues.

    The round with the median p99 is kept, with the range of all.
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
    "features": features,
    "idle memory": idle_memory,
    "idle streams": idle_streams,
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
