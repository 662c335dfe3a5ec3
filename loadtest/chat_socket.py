"""A Locust user's side of Hubbub's native dialect.

It connects, joins its room, keeps the ledger, and reconnects after a loss. chat_user.py has a person's behaviour, ledger.py the
checks, conductor.py the phases of the run.
"""

import itertools
import json
import time
from contextlib import suppress
from typing import Any, ClassVar

from gevent.event import AsyncResult

from loadtest import advice, figures, marker
from loadtest.activities.base import Activity
from loadtest.closing import Closing
from loadtest.event import Event
from loadtest.ledger import Faults, View
from loadtest.trial import Trial
from loadtest.websocket_user import NotConnected, WebSocketUser

Frame = dict[str, Any]
_LOG = 10_000  # events read of a log at the end, the latest: 50 pages


class ChatSocket(WebSocketUser):
    """One connection in one room.

    `ChatSocket.trial` must be set before users start (conductor.py does).
    """

    abstract = True
    trial: ClassVar[Trial]

    path = "/ws/"
    handshake_figure = figures.HANDSHAKE
    awaits_greeting = True
    reply_timeout: float = 6.0  # seconds: slightly more than the server's limit before it answers `unavailable`
    patience: float = 30.0  # seconds for which a message is resent before it counts as failed: PATIENCE
    expected_endings: frozenset[int] = frozenset({1001, 1012})  # going away, service restart: neither may lose an event

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self.patience = self.trial.settings.patience
        self.number, self.name, self.room = -1, "", ""  # set by `become`
        self.activity: Activity | None = None  # set by `become`, where the profile has one
        self.view = View(self.trial.register, self.room, self.name)
        self.token = ""
        self.id = 0
        self.joined = Event()  # set while this connection has the room's log up to the present
        self._greeted = False
        self._replies: dict[int, AsyncResult] = {}
        self._ids = itertools.count(1)
        self._join_sent = 0.0
        self._joining_after: int | None = None
        self._confirming = False
        self._log_from: int | None = None  # while the log is read: above this seq
        self._log: set[int] = set()  # and its seqs so far
        self._away_since = 0.0  # 0: not reconnecting
        self.was_cut = False  # cut by the leader, and not resynchronised yet

    # For subclasses and the run.

    def become(self, number: int) -> None:
        """Take the role of this user of the run, before anything else."""
        self.number, self.name, self.room = number, f"{self.trial.id}-{number}", self.trial.room_of(number)
        self.view = View(self.trial.register, self.room, self.name)

    def ask(self, frame: Frame, *, within: float | None = None) -> Frame:
        """Send a frame and return its reply; raises NotConnected or gevent.Timeout.

        `within`: seconds, instead of `reply_timeout`.
        """
        number = next(self._ids)
        waiting = self._replies[number] = AsyncResult()
        try:
            self.send_json({**frame, "id": number})
            reply: Frame = waiting.get(timeout=self.reply_timeout if within is None else within)
        finally:
            self._replies.pop(number, None)
        return reply

    def confirm(self, *, read_log: bool = False) -> None:
        """Join again above the last contiguous event: the log must bring nothing new.

        `read_log`: read all of the run's events in this room, at most the latest 10,000; every known one must be there.
        """
        no_page_under_way = self.joined.is_set()  # otherwise its pages would be taken for the log's
        self.joined.clear()
        self._confirming = True
        if read_log and no_page_under_way:
            register = self.trial.register
            first = max(register.lowest(self.room), register.highest(self.room) - _LOG)
            self._log_from = min(max(0, first - 1), self.view.contiguous)
        elif read_log:
            self.trial.logs_read.discard(self.room)  # another user of the room may read it
        with suppress(NotConnected):  # otherwise the keeper is reconnecting, and joins by itself
            self._join(self.view.contiguous if self._log_from is None else self._log_from)
        if not self.joined.wait(self.patience):
            self.record("confirmation", time.perf_counter() - self.patience, error="the log could not be read")

    def report(self, faults: Faults) -> None:
        """Make each fault a failure in Locust's statistics."""
        for fault in faults:
            self.record(fault.kind, time.perf_counter(), error=f"{fault.kind} event", kind="FAULT")

    def report_new(self, faults: Faults) -> None:
        """Do the same with faults that an activity found: they go into the register here."""
        for fault in faults:
            self.report(self.trial.register.note(fault))

    def record(self, name: str, since: float, *, size: int = 0, error: str | None = None, kind: str = "WS") -> None:
        """Give Locust and the timeline a sample: from `since` to now.

        A failure if there is an `error`.
        """
        super().record(name, since, size=size, error=error, kind=kind)
        if error is None and kind != "FAULT":
            self.trial.timeline.sample(name, self.trial.since_begin(), (time.perf_counter() - since) * 1000)

    def count(self, what: str, number: int = 1) -> None:
        """Count an occurrence in the summary and in the timeline."""
        self.trial.counts[what] += number
        self.trial.timeline.count(what, self.trial.since_begin(), number)

    def note_advice(self, sentence: str) -> None:
        """Keep a hint for the report, unless it is empty."""
        if sentence:
            self.trial.advice[sentence] += 1

    # Hooks of WebSocketUser.

    def socket_headers(self) -> dict[str, str]:
        """Return the header with the token."""
        return {"Authorization": f"Token {self.token}"}

    def on_connecting(self, *, first_attempt: bool) -> None:
        """Note the start of a reconnect.

        Connections that end before resynchronising belong to it.
        """
        if first_attempt and self.view.started and not self._away_since:
            self._away_since = self.connecting_since

    def on_open(self) -> None:
        """Wait for `hello`."""
        self._greeted = False
        self.owed_within(self.reply_timeout)

    def on_text(self, text: str) -> None:
        """Handle one frame."""
        if text == "pong":
            return
        frame: Frame = json.loads(text)
        handler = self._handlers.get(frame["type"])
        if handler is not None:
            getattr(self, handler)(frame)
        elif "seq" in frame and "re" not in frame:  # events of any kind
            self._on_event(frame)
        elif self.activity is not None and frame["type"] in self.activity.pushes:
            self._on_push(self.activity, frame)
        if frame["type"] != "room.joined" and (waiting := self._replies.get(frame.get("re") or 0)) is not None:
            waiting.set(frame)

    def comes_back_after(self, closing: Closing) -> bool:
        """Return whether to reconnect: not if these credentials are refused."""
        return closing.status not in {401, 403} and super().comes_back_after(closing)

    def _hook_failed(self, keeper: Any) -> None:
        """Clear `joined` after an exception in a hook.

        The user then waits for its turns instead of retrying.
        """
        self.joined.clear()
        super()._hook_failed(keeper)

    def send_heartbeat(self) -> None:
        """Send the bare text `ping`, as a browser's client does."""
        self.send_text("ping")

    def on_closed(self, closing: Closing) -> None:
        """Count how the connection ended, and fail all pending requests."""
        self.joined.clear()
        self.trial.endings[f"{closing.how} {closing.status or closing.code}"] += 1
        # A user that leaves amid megabytes of pending frames may have no time for the close frame behind them.
        left = closing.how == "asked" or (closing.how == "silent" and self.leaving)
        if not left:
            self.count("connections lost")
        for waiting in list(self._replies.values()):
            waiting.set_exception(NotConnected(str(closing)))
        self.note_advice(advice.on_handshake(closing.status) or advice.on_close(closing.code, greeted=self._greeted))
        if (closing.how == "silent" and not left) or (closing.how == "server" and closing.code not in self.expected_endings):
            self.record(f"connection ended: {closing.how} {closing.code}", time.perf_counter(), error=str(closing),
                        kind="FAULT")  # fmt: skip
        if not self.comes_back_after(closing) and closing.how != "asked":
            self.trial.abort(f"{self.name} was sent away for good: {closing}", refused=True)

    # Frames.

    def _on_hello(self, frame: Frame) -> None:
        self._greeted = True
        self.greeted()
        self.id = frame["user"]["id"]
        self.heartbeat = float(frame["heartbeat"])
        if self.activity is not None:
            self.activity.id = self.id
            self.activity.connected()
        self._join(self._held() if self.view.started else None)

    def _held(self) -> int:
        """Return the seq to join above; while the log is read, its beginning."""
        return self.view.last if self._log_from is None else self._log_from

    def _join(self, after: int | None, *, next_page: bool = False) -> None:
        if not next_page:
            self._join_sent = time.perf_counter()
            self._log.clear()
        self._joining_after = after
        self.owed_within(self.reply_timeout)
        self.send_json({"type": "room.join", "id": 0, "room": self.room} | ({} if after is None else {"after": after}))

    def _on_joined(self, frame: Frame) -> None:
        """Handle one page.

        Pages and live events share a stream, so this happens before the next frame.
        """
        events = frame["events"]
        if self._joining_after is None:
            self.view.start(frame["head"])
        else:
            take = self.view.replay if self._confirming else self.view.observe
            for event in events:
                if self._check(event) and event["seq"] > self.view.last:
                    self.count("delivered by resume")
                self.report(take(event["seq"], marker.key_of(event)))
                if self._log_from is not None:
                    self._log.add(event["seq"])
            if frame["more"]:
                if events:
                    self._join(events[-1]["seq"], next_page=True)
                return
            self.report(self.view.page_end(frame["head"]))
        self.owed_within(None)
        if self._log_from is None:
            self.record(figures.JOIN, self._join_sent)
        else:  # one of many pages, which no user waited for
            self._hold_log(self._log_from)
        if self._away_since:
            self.record(figures.RESYNCHRONISED, self._away_since)
            self._away_since = 0.0
        if self.was_cut:
            self.was_cut = False
            self.count("back after a cut")
        self.joined.set()

    def _hold_log(self, above: int) -> None:
        """Compare the log that was read with all known events of the room."""
        register, self._log_from = self.trial.register, None
        known = register.known(self.room, above + 1, register.highest(self.room))
        self.report(register.hold(self.room, known, self._log, self.name, "the log"))
        self.count("messages held against the log", len(known))
        self.count("logs read")

    def _on_event(self, frame: Frame) -> None:
        if frame["room"] != self.room:
            self.report(self.view.astray(frame["room"], frame["seq"]))
            return
        if self._check(frame):
            self.count("deliveries")
            self.record(figures.DELIVERED, self.trial.clock.ours(marker.intended(frame["text"])))
        self.report(self.view.observe(frame["seq"], marker.key_of(frame)))

    def _check(self, event: Frame) -> bool:
        """Compare a message with its author's record.

        Return whether it is another user's of this run.
        """
        if self.activity is not None and event["type"] in self.activity.events and (problem := self.activity.on_event(event)):
            self.report(self.view.altered(event["seq"], problem))
        if event["type"] != "message":
            return False
        if not marker.intact(event):
            self.report(self.view.altered(event["seq"], f"not what its author wrote in this room: {event['text'][:80]!r}"))
            return False
        key = marker.key_of(event)
        return key is not None and event["from"]["id"] != self.id and key.startswith(f"{self.trial.id}-")

    def _on_push(self, activity: Activity, frame: Frame) -> None:
        found = activity.on_push(frame)
        self.report_new(found.faults)
        for due in found.shown:
            self.count("shown to others")
            self.record(figures.SHOWN, due)

    def _on_gap(self, frame: Frame) -> None:
        if frame["room"] == self.room:
            self.count("gaps")
            self._join(self._held())

    def _on_drain(self, frame: Frame) -> None:
        """Reconnect at a random moment within the given time: another process takes over."""
        self.count("drains")
        self.move(within=frame["after_ms"] / 1000)

    def _on_error(self, frame: Frame) -> None:
        """Handle an error without a waiting request: the answer to a join, or to nothing."""
        if not frame.get("re"):
            self.record("error frame", time.perf_counter(), error=f"{frame['code']}: {frame['message']}", kind="FAULT")
            self.note_advice(advice.on_error(frame["code"]))
            if self._joining_after is None and not self.view.started:
                reason = f"{self.name} cannot join {self.room}: {frame['code']}: {frame['message']}"
                self.trial.abort(reason, refused=frame["code"] != "unavailable")

    _handlers: ClassVar = {
        "hello": "_on_hello",
        "room.joined": "_on_joined",
        "gap": "_on_gap",
        "drain": "_on_drain",
        "error": "_on_error",
    }
