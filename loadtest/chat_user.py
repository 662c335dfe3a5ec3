"""A Locust user who chats: signs up, joins a room, and acts by its profile.

It acts at each turn. Turns follow a schedule, not the answers: each figure runs from the moment its turn was due, so a stalled
server is charged for all waiting. Subclass with other tasks for another behaviour; see locustfile.py.
"""

import itertools
import random
import time
from collections.abc import Callable
from typing import Any

import gevent
from locust.exception import StopUser

from loadtest import activities, advice, figures, marker, profiles, set_up
from loadtest.activities.base import Activity
from loadtest.chat_socket import ChatSocket, Frame
from loadtest.closing import Closing, full_jitter
from loadtest.ledger import Faults
from loadtest.stream_socket import StreamSocket
from loadtest.websocket_user import NotConnected

_PAGE = 50  # messages per page of history
_FLOOD_PIECES = 10  # pieces per second in which a burst is sent


class ChatUser(ChatSocket):
    """One person in one room."""

    abstract = True

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self.profile = profiles.PERSON  # until `become`
        self._keys = itertools.count(1)
        if self.trial.shape.stream:
            self.transport = StreamSocket
        self.host_header = self.trial.settings.host_header

    def become(self, number: int) -> None:
        """Take the profile of this number as well."""
        super().become(number)
        self.profile = self.trial.profile_of(number)
        if self.profile.activity:
            kind = activities.of(self.profile.activity)
            self.activity = kind(self.room, self.name, self.trial.ledger_of(kind))
        if self.profile.slow:
            self.slow = self.profile.slow
            self.reply_timeout = profiles.SLOWLY
            self.patience = max(self.patience, profiles.SLOWLY)
            # Too slow; a ping that it never reads; and TCP's result of a close that the client does not read.
            self.expected_endings = self.expected_endings | {4008, 1011, 1006}
        if self.profile.burst:
            self.expected_endings = self.expected_endings | {4009}

    # From start to end.

    def on_start(self) -> None:
        """Sign up, connect and join; then wait for the timed run."""
        trial = self.trial
        trial.reached(self, "connecting")
        self._be_somebody()
        with trial.signing_up:
            if trial.aborted:
                raise StopUser
            self.token = self.token or set_up.sign_up(self)
            set_up.make_room(self)
        if not self.connect() or not self.joined.wait(trial.settings.setup_timeout):
            trial.abort(f"{self.name} could not connect and join; connections ended so: {dict(trial.endings)}")
        trial.reached(self, "connected")
        if not trial.stopping.is_set():
            trial.counts["users who came"] += 1
        trial.started.wait()
        if trial.aborted:
            raise StopUser
        self.begin_turns()

    def _be_somebody(self) -> None:
        """Get a number, and a token if there is a file of them."""
        trial, tokens = self.trial, self.trial.settings.tokens
        try:
            self.become(trial.next_number())
        except gevent.Timeout:
            trial.abort("the leader of the run gave a user no number")
            raise StopUser from None
        if tokens:
            if self.number >= len(tokens):
                trial.abort(f"TOKENS holds {len(tokens)} tokens, and one more user came")
                raise StopUser
            self.token = tokens[self.number]

    def record(self, name: str, since: float, *, size: int = 0, error: str | None = None, kind: str = "WS") -> None:
        """Record a slow reader's waiting under separate names; count late arrivals."""
        if self.profile.slow:
            if name == figures.DELIVERED and time.perf_counter() - since >= self.profile.slow / 5:
                self.count("read late")
            name = figures.of_slow(name)
        super().record(name, since, size=size, error=error, kind=kind)

    def on_closed(self, closing: Closing) -> None:
        """Count the slow readers that the server closed for it."""
        if self.profile.slow and closing.how == "server" and closing.code in {4008, 1011, 1006}:
            self.count("slow readers sent away")
        super().on_closed(closing)

    def on_stop(self) -> None:
        """Leave cleanly; a user removed before the end checks only the events up to then."""
        if self.trial.users.get(self) != "silent" and self.view.started and not self.trial.aborted:
            self.report(self.view.leave())
        super().on_stop()
        if self.activity is not None:
            self.trial.counts.update(self.activity.tally)
        self.trial.counts["bytes received"] += self.bytes_read
        self.trial.counts["bytes sent"] += self.bytes_sent
        self.trial.gone(self)

    def finish(self) -> None:
        """Count overdue turns, wait for silence, check the view against the log, leave."""
        trial = self.trial
        self.count_overdue()
        if not trial.aborted and not self.broken:
            self._with_server(lambda activity: activity.rest(_Server(self)))
        trial.reached(self, "silent")
        trial.quiet.wait()
        if not trial.aborted and not self.broken:  # a failed user's missing events are no losses of the server
            self.joined.wait(self.patience)
            highest = trial.register.highest(self.room)
            until = time.perf_counter() + (profiles.SLOWLY if self.profile.slow else trial.settings.settle)
            while not (self.view.holds(highest) and not self._behind()) and time.perf_counter() < until:
                gevent.sleep(0.05)
            self.report_new(self._behind())
            self._with_server(lambda activity: activity.finish(_Server(self)))
            self.view.expect(highest)
            self.confirm(read_log=self._reads_log())
            self.report(self.view.close())
        raise StopUser

    def _behind(self) -> Faults:
        """Return the values that the user's activity was not shown."""
        return () if self.activity is None else self.activity.behind()

    def _with_server(self, work: Callable[[Activity], Faults]) -> None:
        """Have the activity ask the server, again while its connection is lost."""
        until = time.perf_counter() + self.patience
        while self.activity is not None:
            try:
                self.joined.wait(self.patience)
                self.report_new(work(self.activity))
            except (NotConnected, gevent.Timeout, OSError) as error:
                if time.perf_counter() < until:
                    gevent.sleep(full_jitter(0, self.backoff_first, self.backoff_most))
                    continue
                self.record("confirmation", until - self.patience, error=f"{self.activity.name}: {error}")
            return

    def _reads_log(self) -> bool:
        """Return whether this user reads its room's log.

        One per room and process, never a slow reader.
        """
        if self.profile.slow or self.room in self.trial.logs_read:
            return False
        self.trial.logs_read.add(self.room)
        return True

    # Turns.

    def think(self) -> float:
        """Draw the pause from the profile."""
        return self.profile.think()

    def over_after(self, seconds: float) -> bool:
        """Wait, at most until the end of the timed run."""
        self.trial.stopping.wait(seconds)
        return self.trial.stopping.is_set()

    def take_turn(self, due: float) -> None:
        """Perform one of the profile's actions, drawn by their shares."""
        match self._draw():
            case "flood":
                self.flood(due)
            case "reconnect":
                self.lose_network()
            case "history":
                self.read_history(due)
            case "say":
                self.say(due)
            case "act":
                self.act(due)

    def count_overdue(self) -> None:
        """Count turns due in the timed run but never begun.

        They are part of the offered load.
        """
        for _ in self.overdue(self.trial.ended):
            match self._draw():
                case "flood":
                    self.count("flood messages not sent", self.profile.burst)
                case "say" | "act":
                    self.count("messages offered")

    def _draw(self) -> str:
        profile, drawn = self.profile, random.random()
        if profile.burst:
            return "flood"
        shares = {"reconnect": profile.reconnects, "history": profile.reads_history, "act": profile.acts, "say": profile.writes}
        for what, part in shares.items():
            if drawn < part:
                return what
            drawn -= part
        return "look on"

    def say(self, due: float) -> None:
        """Send one message, with the same key until it is acknowledged.

        It counts as offered, and as achieved if it is acknowledged before the end of the timed run.
        """
        self._offer(self._message(due), due)

    def act(self, due: float) -> None:
        """Take a turn with the feature, if it can be used now."""
        if self.activity is None:
            return
        frame = self.activity.act(f"{self.name}-{next(self._keys)}", due)
        if frame is not None:
            self.count(self.activity.counted)
            self._offer(frame, due)

    def _offer(self, frame: Frame, due: float) -> None:
        problem = self._send_durably(frame, due)
        self.count("messages offered")
        if not problem and not self.trial.ended:
            self.count("messages achieved")
        if problem:
            self.record(figures.ACKNOWLEDGED, due, error=f"not acknowledged ({problem})")

    def _send_durably(self, frame: Frame, due: float) -> str:
        """Send one durable frame until it is acknowledged.

        Return why it failed, else an empty text.
        """
        self.count("messages")
        give_up, problem = time.perf_counter() + self.patience, ""

        def left(seconds: float) -> float:
            """Return at most the remaining patience.

            The leader waits no longer for the last messages.
            """
            return max(0.0, min(seconds, give_up - time.perf_counter()))

        for attempt in itertools.count():
            pause = full_jitter(attempt, self.backoff_first, self.backoff_most)
            try:
                reply = self.ask(frame, within=max(ChatSocket.reply_timeout, left(self.reply_timeout)))
            except NotConnected as error:
                problem, pause = f"no answer: {error}", 0.0  # the keeper already backs off
            except gevent.Timeout:
                problem = f"no answer within {self.reply_timeout:g} s"
            else:
                if self._is_done(frame, reply, due):
                    return ""
                problem = f"{reply.get('code')}: {reply.get('message')}"
                if reply.get("code") != "unavailable":
                    self.note_advice(advice.on_error(str(reply.get("code"))))
                    break
            if time.perf_counter() > give_up:
                break
            self.count("retries")
            gevent.sleep(left(pause))
            self.joined.wait(left(self.reply_timeout))
        return problem

    def _is_done(self, frame: Frame, reply: Frame, due: float) -> bool:
        """Handle a reply.

        Return whether it acknowledges the frame, or refuses it for a good reason.
        """
        if reply["type"] == "error":
            expected = self.activity is not None and self.activity.expects(frame, reply["code"])
            self.count(f"expected refusals: {reply['code']}", int(expected))
            return expected
        if reply["type"] == "message.sent":
            self.record(figures.ACKNOWLEDGED, due, size=len(frame["text"]))
            self.report(self.trial.register.acknowledge(self.room, reply["seq"], frame["key"], self.name))
            return True
        self.record(figures.ACKNOWLEDGED, due)
        if "seq" in reply:  # pages of history need not hold it, every view must
            self.report(self.trial.register.see(self.room, reply["seq"], None, self.name))
        if self.activity is not None:
            self.report_new(self.activity.answered(frame, reply))
        return True

    def read_history(self, due: float) -> None:
        """Read one page from a random place of the room's past.

        It must contain all events below `before` that were known at the request.
        """
        before = random.randint(1, max(1, self.view.last)) + 1
        known = self.trial.register.known(self.room, before - _PAGE, before - 1)
        try:
            page = self.ask({"type": "history", "room": self.room, "before": before, "limit": _PAGE})
        except NotConnected:
            return  # a page of a lost connection proves nothing; a later turn may ask again
        except gevent.Timeout:
            self.record(figures.HISTORY, due, error=f"no answer within {self.reply_timeout:g} s")
            return
        if page["type"] == "history.page":
            self.record(figures.HISTORY, due, size=sum(len(message.get("text", "")) for message in page["messages"]))
            for message in page["messages"]:
                self._check(message)
            found = {message["seq"] for message in page["messages"]}
            if found and page["more"]:  # the page may have ended early: the rest is on the next one
                known = {seq: key for seq, key in known.items() if seq >= min(found)}
            where = f"the page of history before {before}"
            self.report(self.trial.register.hold(self.room, known, found, self.name, where))
        else:
            self.record(figures.HISTORY, due, error=f"{page.get('code')}: {page.get('message')}")

    def lose_network(self) -> None:
        """Drop the connection without a close frame, reconnect and resynchronise."""
        self.count("drops")
        self.joined.clear()
        self.drop()
        if not self.joined.wait(self.patience):
            self.record(figures.RESYNCHRONISED, time.perf_counter() - self.patience, error="did not come back")
        self.forgive()  # this user caused the pause; the server is not charged with it

    def be_cut(self, within: float) -> None:
        """Lose the connection on the leader's order, and reconnect within so many seconds."""
        if not self.opened.is_set() or self.was_cut:
            self.count("away at a cut")
        else:
            self.was_cut = True
            self.count("cut")
        if self.opened.is_set():
            self.joined.clear()
            self.drop(back_within=within)

    def flood(self, due: float) -> None:
        """Write a burst over any limit without waiting for answers.

        Refusals are expected, and counted apart from failures.

        Its pieces follow a schedule. Each message carries the due time of its piece; due messages that could not be sent are
        counted.
        """
        trial, burst = self.trial, self.profile.burst
        size = max(1, burst // _FLOOD_PIECES)
        for first in range(0, burst, size):
            at, piece = due + first / burst, min(size, burst - first)
            trial.stopping.wait(max(0.0, at - time.perf_counter()))
            sent = 0 if trial.stopping.is_set() else self._send_piece(at, piece)
            self.count("flood messages", sent)
            if sent < piece and not (trial.ended and at > trial.ended):
                self.count("flood messages not sent", piece - sent)

    def _send_piece(self, at: float, messages: int) -> int:
        """Send so many messages that were due `at`; return how many were sent."""
        for sent in range(messages):
            try:
                self.send_json({**self._message(at), "id": next(self._ids)})
            except NotConnected:
                return sent
        return messages

    def _message(self, due: float) -> Frame:
        key = f"{self.name}-{next(self._keys)}"
        text = marker.text(key, self.trial.clock.theirs(due), self.profile.letters(), room=self.room, author=self.id)
        return {"type": "message.send", "room": self.room, "key": key, "text": text}

    def _on_error(self, frame: Frame) -> None:
        """Count a flooder's refusals, which no request waits for."""
        if self.profile.burst and frame["code"] in {"rate_limited", "unavailable"}:
            self.count(f"flood refused: {frame['code']}")
        else:
            super()._on_error(frame)


class _Server:
    """How an activity asks the server: over the user's connection, and by HTTP."""

    def __init__(self, user: ChatUser) -> None:
        self._user = user

    def ask(self, frame: Frame) -> Frame:
        return self._user.ask(frame)

    def get(self, path: str) -> Any:
        return set_up.get(self._user, path)
