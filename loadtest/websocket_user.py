"""A Locust user over one raw WebSocket, for any server.

Subclass it, and define the address and the meaning of frames:

    class Echo(WebSocketUser):
        path = "/echo"

        def on_start(self) -> None:
            self.connect()

        @task
        def speak(self) -> None:
            self.due = self.await_turn()
            self.send_text("hello")

        def on_text(self, text: str) -> None:
            self.record("echo", self.due)

One greenlet per user (the keeper) connects, reads, and reconnects after a loss, with full-jitter backoff. The hooks `on_…` run in
it, so frames are handled strictly in order, and a hook must not wait for a later frame.
Times are `time.perf_counter()` in seconds; Locust gets milliseconds. Every wait has a limit: connecting, a send, silence of the
server (2.5 heartbeats), an expected answer (`owed_within`), closing.

Without any action of a subclass Locust's tables contain: each handshake, including failed ones; connections by their end (CLOSE);
bytes received and sent (BYTES). A user that never connects is a failure. `await_turn` (schedule.py) waits for the next action and
returns its due time.
"""

import json
import random
import time
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import gevent
import websocket
from locust import User
from websocket import ABNF

from loadtest.buffered_socket import BufferedSocket
from loadtest.closing import Closing, How, full_jitter
from loadtest.event import Event
from loadtest.schedule import Turns
from loadtest.stream_socket import StreamSocket

_SILENCE = 2.5  # heartbeats without a byte from the server
_LASTED = 5.0  # seconds of a connection's life that reset the backoff


Transport = BufferedSocket | StreamSocket


class NotConnected(Exception):
    """There is no open connection, or it broke while sending."""


class WebSocketUser(Turns, User):
    """One WebSocket connection and its life cycle.

    The module's docstring shows its use.
    """

    abstract = True

    path: str = "/"
    connect_timeout: float = 15.0  # seconds for name, TCP, TLS and upgrade together
    send_timeout: float = 10.0
    close_timeout: float = 3.0
    heartbeat: float = 20.0  # seconds without a byte from the server before `send_heartbeat`
    backoff_first: float = 0.5  # seconds: bound of the first wait; doubles with each failure
    backoff_most: float = 10.0
    host_header: str = ""  # name to request instead of the host's
    handshake_figure: str = "handshake"  # name of its samples
    awaits_greeting: bool = False  # the handshake ends when the subclass calls `greeted`, not with the upgrade
    transport: type[Transport] = BufferedSocket
    slow: float = 0.0  # seconds before each read of a few kilobytes: a slow reader

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self.opened = Event()  # set while the connection is open
        self.connecting_since = 0.0
        self._socket: Transport | None = None
        self._keeper: gevent.Greenlet | None = None
        self._wanted = False
        self.broken = False  # a hook raised an exception, which ended the keeper
        self._was_open = False
        self._dropped = False
        self._owed_by: float | None = None
        self._back_within: float | None = None
        self.bytes_read = self._reported_read = 0
        self.bytes_sent = self._reported_sent = 0

    # For subclasses to override.

    def socket_url(self) -> str:
        """Return the address: `ws(s)://` of `host`, and `path`."""
        parts = urlsplit(self.host or "")
        scheme = {"https": "wss", "wss": "wss"}.get(parts.scheme, "ws")
        return f"{scheme}://{parts.netloc}{parts.path.rstrip('/')}{self.path}"

    def socket_headers(self) -> dict[str, str]:
        """Return headers of the handshake, such as credentials."""
        return {}

    def on_connecting(self, *, first_attempt: bool) -> None:
        """Handle the start of an attempt.

        `first_attempt`: the first of a series that ends with a connection.
        """

    def on_open(self) -> None:
        """Handle the end of the handshake."""

    def on_text(self, text: str) -> None:
        """Handle a text message."""

    def on_binary(self, data: bytes) -> None:
        """Handle a binary message."""

    def on_closed(self, closing: Closing) -> None:
        """Handle the end of a connection or a failed attempt."""

    def comes_back_after(self, closing: Closing) -> bool:
        """Return whether to reconnect: not after codes that make it useless."""
        return closing.code not in {1002, 1003, 1007, 1008, 1009, 4001, 4003, 4004, 4010}

    def send_heartbeat(self) -> None:
        """Send a ping frame as a heartbeat."""
        self._send(b"", ABNF.OPCODE_PING)

    # For subclasses to call.

    @property
    def leaving(self) -> bool:
        """Return whether `disconnect` was called."""
        return not self._wanted

    def connect(self) -> bool:
        """Start to keep a connection and wait for the first one.

        Return False after `connect_timeout`.
        """
        if self._keeper is None or self._keeper.dead:
            self._wanted = True
            self._keeper = gevent.spawn(self._keep)
            self._keeper.link_exception(self._hook_failed)
        return bool(self.opened.wait(self.connect_timeout))

    def send_text(self, text: str) -> None:
        """Send a text message; raises NotConnected.

        Only the server can confirm its arrival.
        """
        self._send(text, ABNF.OPCODE_TEXT)

    def send_json(self, frame: Any) -> None:
        """Send an object as JSON text; raises NotConnected."""
        self.send_text(json.dumps(frame, ensure_ascii=False, separators=(",", ":")))

    def drop(self, back_within: float | None = None) -> None:
        """Lose the network: end TCP without a close frame; the keeper reconnects.

        It waits for its usual backoff, or a random part of `back_within` seconds.
        """
        if self._socket is not None:
            self._dropped = True
            self._back_within = back_within
            self._socket.cut()

    def move(self, within: float) -> None:
        """Close cleanly at a random moment within so many seconds, then reconnect."""
        ws = self._socket
        if ws is not None:
            gevent.spawn_later(random.uniform(0, within), ws.leave, 1001)

    def disconnect(self) -> None:
        """Close cleanly, wait `close_timeout` for the server's close frame, and stay away."""
        self._wanted = False
        keeper, ws, was_open = self._keeper, self._socket, self.opened.is_set()
        if ws is not None and was_open:
            with suppress(gevent.Timeout), gevent.Timeout(self.close_timeout):
                ws.leave(1000)
        if keeper is not None:
            keeper.join(self.close_timeout)
            if not keeper.dead:
                keeper.kill(block=True, timeout=self.close_timeout)
                if was_open:  # not during a handshake, or the pause before one
                    closing = Closing("silent", reason="it was told that we leave, and did not answer")
                    self._tell_end(closing)
                    self.on_closed(closing)
            if not self._was_open:
                self.record(self.handshake_figure, self.connecting_since, error="never connected")
                self._was_open = True  # only once

    def on_stop(self) -> None:
        """Leave no connection behind when Locust ends the user."""
        self.disconnect()

    def greeted(self) -> None:
        """Complete the handshake, if `awaits_greeting`."""
        self.record(self.handshake_figure, self.connecting_since)

    def owed_within(self, seconds: float | None) -> None:
        """End the connection as `silent` after `seconds`.

        None, or a later call, resets the limit.
        """
        self._owed_by = None if seconds is None else time.perf_counter() + seconds

    def record(self, name: str, since: float, *, size: int = 0, error: str | None = None, kind: str = "WS") -> None:
        """Give Locust a sample from `since` to now; a failure if there is an `error`."""
        self.environment.events.request.fire(
            request_type=kind,
            name=name,
            response_time=(time.perf_counter() - since) * 1000,
            response_length=size,
            exception=error,
            context={},
        )

    # The keeper.

    def _hook_failed(self, keeper: gevent.Greenlet) -> None:
        """Report an exception in a hook to Locust.

        It fails the run instead of silencing one user.
        """
        self.broken, error = True, keeper.exception
        self.environment.events.user_error.fire(user_instance=self, exception=error, tb=error.__traceback__)

    def _keep(self) -> None:
        attempt, series_is_new = 0, True
        while self._wanted:
            self.connecting_since = time.perf_counter()
            self.on_connecting(first_attempt=series_is_new)
            closing = self._connection()
            series_is_new = closing.lasted > 0
            self._tell_end(closing)
            self.on_closed(closing)
            if not self.comes_back_after(closing):
                return
            if closing.how in {"asked", "dropped"} or closing.lasted > _LASTED:
                attempt = 0
            if self._wanted:
                gevent.sleep(self._pause(attempt))
            attempt += 1

    def _tell_end(self, closing: Closing) -> None:
        """Report the end of a connection, with its bytes, to Locust.

        A failed attempt is a failed handshake.
        """
        if closing.how in {"refused", "failed"}:
            self.record(self.handshake_figure, self.connecting_since, error=str(closing))
        else:
            self._tally("CLOSE", f"{closing.how} {closing.status or closing.code}")
        for name, size in (("received", self.bytes_read - self._reported_read), ("sent", self.bytes_sent - self._reported_sent)):
            if size:
                self._tally("BYTES", name, size)
        self._reported_read, self._reported_sent = self.bytes_read, self.bytes_sent

    def _tally(self, kind: str, name: str, size: int = 0) -> None:
        """Count an occurrence without a duration."""
        self.environment.events.request.fire(
            request_type=kind, name=name, response_time=None, response_length=size, exception=None, context={}
        )

    def _pause(self, attempt: int) -> float:
        within, self._back_within = self._back_within, None
        if within is not None:
            return random.uniform(0, within)
        return full_jitter(attempt, self.backoff_first, self.backoff_most)

    def _connection(self) -> Closing:
        """Connect, read until the end, and return how it ended.

        Leaves nothing open.
        """
        ws = self._socket = self.transport(self.slow)
        self._dropped, self._owed_by = False, None
        try:
            refusal = self._shake_hands(ws)
            if refusal is not None:
                return refusal
            since = time.perf_counter()
            self.opened.set()
            self._was_open = True
            if not self.awaits_greeting:
                self.greeted()
            closing = self._read(ws)
            self.opened.clear()
            lasted = max(time.perf_counter() - since, 1e-6)
            return Closing(closing.how, closing.code, closing.reason, lasted=lasted)
        finally:
            self.opened.clear()
            self._socket = None
            self.bytes_read += ws.bytes_read
            self.bytes_sent += ws.bytes_sent
            ws.shutdown()

    def _shake_hands(self, ws: Transport) -> Closing | None:
        headers = [f"{name}: {value}" for name, value in self.socket_headers().items()]
        try:
            with gevent.Timeout(self.connect_timeout):
                # No Origin: only browsers send it, and servers compare it with their own address.
                # No redirects: they would pass the credentials on to any address in the answer.
                options: dict[str, Any] = {"timeout": self.connect_timeout, "suppress_origin": True, "redirect_limit": 0}
                if self.host_header:
                    options["host"] = self.host_header
                ws.connect(self.socket_url(), header=headers, **options)
        except websocket.WebSocketBadStatusException as error:
            return Closing("refused", status=int(error.status_code), reason=_first_line(error.resp_body))
        except (OSError, websocket.WebSocketException, ValueError) as error:
            how: How = "dropped" if self._dropped else "failed"
            return Closing(how, reason=str(error) or type(error).__name__)
        except gevent.Timeout:
            return Closing("failed", reason=f"no handshake within {self.connect_timeout:g} s")
        return None

    def _read(self, ws: Transport) -> Closing:
        try:
            self.on_open()
            last_sign = time.perf_counter()
            while True:
                try:
                    ws.settimeout(self._patience())
                    opcode, frame = ws.recv_data_frame(control_frame=True)
                except websocket.WebSocketTimeoutException:
                    if time.perf_counter() - last_sign > self.heartbeat * _SILENCE:
                        return Closing("silent", reason=f"nothing for {_SILENCE:g} heartbeats")
                    self.send_heartbeat()
                    continue
                last_sign = time.perf_counter()
                if opcode == ABNF.OPCODE_CLOSE:
                    return Closing.from_frame(frame.data, asked=ws.leaving)
                self._dispatch(opcode, frame.data)
        except _Overdue as overdue:
            return Closing("silent", reason=str(overdue))
        except (OSError, websocket.WebSocketException, NotConnected, UnicodeDecodeError) as error:
            how: How = "dropped" if self._dropped else "asked" if ws.leaving else "server"
            return Closing(how, reason="" if self._dropped else str(error) or type(error).__name__)

    def _patience(self) -> float:
        """Return the seconds to wait for the next bytes; raises if an answer is overdue."""
        if self._owed_by is None:
            return self.heartbeat
        left = self._owed_by - time.perf_counter()
        if left <= 0:
            raise _Overdue("an answer is overdue")
        return min(left, self.heartbeat)

    def _dispatch(self, opcode: int, data: bytes) -> None:
        if opcode == ABNF.OPCODE_TEXT:
            self.on_text(data.decode())
        elif opcode == ABNF.OPCODE_BINARY:
            self.on_binary(data)

    def _send(self, data: str | bytes, opcode: int) -> None:
        ws = self._socket
        if ws is None or not self.opened.is_set():
            raise NotConnected("no connection")
        try:
            with gevent.Timeout(self.send_timeout):
                ws.send(data, opcode)
        except gevent.Timeout:
            # Half a frame may have been sent: no other can follow on this connection.
            ws.cut()
            raise NotConnected(f"the server took nothing for {self.send_timeout:g} s") from None
        except (OSError, websocket.WebSocketException) as error:
            raise NotConnected(str(error)) from error


class _Overdue(Exception):
    """The server did not send an expected answer in time."""


def _first_line(body: bytes | None) -> str:
    """Return the first line of an answer's body."""
    return (body or b"").decode(errors="replace").strip().partition("\n")[0][:200]
