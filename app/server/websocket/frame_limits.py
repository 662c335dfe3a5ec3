"""websockets' protocol with limits on frames that are hidden from the app.

They are control frames, fragments, and pongs that the peer does not read.
"""

from __future__ import annotations

import codecs
from collections.abc import Generator
from typing import Any, cast

from websockets.frames import CTRL_OPCODES, CloseCode, Frame, Opcode
from websockets.protocol import Protocol, State
from websockets.server import ServerProtocol
from websockets.streams import StreamReader

try:
    from websockets.speedups import apply_mask
except ImportError:  # no wheel for this platform
    from websockets.utils import apply_mask

from core.errors import Close
from core.limits import Bucket

# Protects the process, so no setting lifts it. Some clients ping once a second, and fragment large messages by the KiB.
SMALL_FRAMES_PER_S = 50
SMALL_FRAMES_SAVED = 300
# Fragments per message: empty ones do not count towards its size.
FRAGMENTS = 1000
# First byte of an unfragmented, uncompressed text frame (RFC 6455, 5.2).
WHOLE_TEXT = 0x81
WHOLE_PONG = 0x8A
_DECODER = codecs.getincrementaldecoder("utf-8")
MASKED = 0x80


class FrameReader(StreamReader):
    """Notes whether the parser is between two frames.

    There the parser asks for the stream's end.
    """

    between_frames = False

    def at_eof(self) -> Generator[None, None, bool]:
        self.between_frames = True
        ended = yield from super().at_eof()
        self.between_frames = False
        return ended


class LimitedProtocol(ServerProtocol):
    """Fails the connection at the first frame above a limit.

    The rest of that read is discarded.
    """

    # Class attributes until they change: an instance shares keys for 30 attributes, and the base class has 26.
    fragments = 0
    refused: Close | CloseCode | None = None
    # Whether the peer reads; otherwise pongs are not queued.
    writable = True
    unanswered: bytes | None = None
    # Decodes a fragmented text message, whose characters may be split across fragments.
    decoder: codecs.IncrementalDecoder | None = None

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.set_limits()

    @classmethod
    def limiting(cls, conn: ServerProtocol) -> LimitedProtocol:
        """Convert `conn` itself; making a new object would cost a tenth of a handshake."""
        conn.__class__ = cls
        limited = cast("LimitedProtocol", conn)
        limited.set_limits()
        return limited

    def set_limits(self) -> None:
        self.small_frames = Bucket(SMALL_FRAMES_PER_S, SMALL_FRAMES_SAVED)

    def expect_frames(self) -> None:
        """Expect frames next: the request was parsed elsewhere."""
        self.reader = FrameReader()
        self.parser = Protocol.parse(self)
        next(self.parser)

    @property
    def between_messages(self) -> bool:
        """Return whether a message begins next, so that `whole_text` may be called."""
        return (
            isinstance(self.reader, FrameReader)
            and self.reader.between_frames
            and self.current_size is None
            and self.state is State.OPEN
        )

    def whole_text(self, data: bytes, start: int) -> tuple[str, int] | None:
        """Return a short unfragmented text message at `start` and its end.

        None sends it to the parser.

        Nearly every message is one. The parser's generators and frame objects take four times as long for it.
        """
        try:
            first, size = data[start], data[start + 1] - MASKED
            begin = start + 2
            if size == 126:
                size = (data[begin] << 8) + data[begin + 1]
                begin += 2
        except IndexError:
            return None
        end = begin + 4 + size
        if first != WHOLE_TEXT or size < 0 or size == 127 or end > len(data):
            return None
        if self.max_message_size is not None and size > self.max_message_size:
            return None
        try:
            return apply_mask(data[begin + 4 : end], data[begin : begin + 4]).decode(), end
        except UnicodeDecodeError:
            return None

    def whole_pong(self, data: bytes, start: int) -> tuple[bytes, int] | None:
        """Return the payload of a pong at `start` and its end, as `whole_text`.

        The most frequent frame.
        """
        try:
            first, size = data[start], data[start + 1] - MASKED
        except IndexError:
            return None
        begin = start + 6
        if first != WHOLE_PONG or not 0 <= size <= 125 or begin + size > len(data) or not self.small_frames.take():
            return None
        return apply_mask(data[begin : begin + size], data[start + 2 : begin]), begin + size

    def recv_frame(self, frame: Frame) -> None:
        part = not frame.fin or frame.opcode is Opcode.CONT
        # After our close frame only the peer's close frame matters.
        small = part or frame.opcode in CTRL_OPCODES or self.state is State.CLOSING
        if small and frame.opcode is not Opcode.CLOSE and not self.small_frames.take():
            self.refuse(Close.RATE_ABUSE, "too many control frames or fragments")
            return
        if frame.opcode not in CTRL_OPCODES:
            self.fragments = self.fragments + 1 if part else 0
            if self.fragments > FRAGMENTS:
                self.refuse(CloseCode.MESSAGE_TOO_BIG, f"more than {FRAGMENTS} fragments")
                return
            if frame.fin:
                self.fragments = 0
        if not self.is_utf8(frame):
            self.refuse(CloseCode.INVALID_DATA, "not UTF-8")
            return
        if frame.opcode is Opcode.PING and not self.writable:
            self.unanswered = bytes(frame.data)  # only the latest ping needs a pong (RFC 6455, 5.5.3)
            return
        super().recv_frame(frame)

    def is_utf8(self, frame: Frame) -> bool:
        """Return whether the message's text so far is UTF-8.

        After an invalid part, parsing stops.
        """
        if frame.opcode is Opcode.TEXT and not frame.fin:
            self.decoder = _DECODER()
        try:
            if frame.opcode is Opcode.TEXT and frame.fin:
                str(frame.data, "utf-8")
            elif self.decoder is not None and frame.opcode not in CTRL_OPCODES:
                self.decoder.decode(frame.data, frame.fin)
        except UnicodeDecodeError:
            return False
        if self.decoder is not None and frame.fin and frame.opcode is Opcode.CONT:
            self.decoder = None
        return True

    def refuse(self, code: Close | CloseCode, reason: str) -> None:
        """Fail the connection.

        Send a close frame if none was sent, and discard all other input.
        """
        self.refused = code
        self.fail(int(code), reason)

    def late_pong(self) -> None:
        if self.unanswered is not None and self.state is State.OPEN:
            self.send_pong(self.unanswered)
        self.unanswered = None
