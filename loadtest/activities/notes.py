"""Shared notes: people write into the room's note, all at once.

Each writes words of its own; every copy must become the same.
"""

import base64
import random
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from pycrdt import Doc, Text

from loadtest.activities.base import Activity, Found, Frame, Server
from loadtest.ledger import Faults

_WORD = re.compile(r"<([^<>]+)>")


def _packed(data: bytes) -> str:
    return base64.b64encode(data).decode()


@dataclass
class Words:
    """The words that users of this process wrote, and the stored words.

    `due`: word → when it was due. `stored`: room → its stored words.
    """

    due: dict[str, float] = field(default_factory=dict)
    stored: dict[str, set[str]] = field(default_factory=dict)


class Notes(Activity):
    name = "notes"
    counted = "edits"
    events = frozenset({"note"})
    pushes = frozenset({"note.update"})

    def __init__(self, *known: Any) -> None:
        super().__init__(*known)
        # seq of the room's first note.
        self._note: int | None = None
        self._open = False
        self._doc: Doc[Any] = Doc()
        self._text = self._doc.get("text", type=Text)
        self._seen: set[str] = set()
        # My words that are not stored as far as I know; and the server's state, while it may lack some of them.
        self._unsent: set[str] = set()
        self._lacking: bytes | None = None
        # The words of each update under way.
        self._under_way: dict[str, set[str]] = {}

    @classmethod
    def ledger(cls) -> Words:
        return Words()

    def connected(self) -> None:
        self._open = False

    def act(self, key: str, due: float) -> Frame:
        """Write one word behind a random one.

        Before that make the note, open it, or send the words that a lost connection kept back.
        """
        if self._note is None:
            return {"type": "note.create", "room": self.room, "key": key, "title": "Minutes"}
        if not self._open:
            return self._opening()
        if self._lacking is not None and self._unsent:
            return self._update(self._lacking, set(self._unsent))
        before = self._doc.get_state()
        text = str(self._text)
        ends = [0, *(found.end() for found in _WORD.finditer(text))]
        self.shared.due[key] = due
        self._text.insert(random.choice(ends), f"<{key}>")
        self._seen.add(key)
        self._unsent.add(key)
        return self._update(before, {key})

    def _update(self, since: bytes, words: set[str]) -> Frame:
        update = _packed(self._doc.get_update(since))
        self._under_way[update] = words
        return {"type": "note.update", "room": self.room, "note": self._note, "update": update}

    def answered(self, frame: Frame, reply: Frame) -> Faults:
        if frame["type"] == "note.open":
            self._apply(reply["update"])
            self._seen.update(_WORD.findall(str(self._text)))  # by opening: no delivery
            self._open, self._lacking = True, base64.b64decode(reply["vector"])
        elif frame["type"] == "note.update":
            words = self._under_way.pop(frame["update"])
            self.shared.stored.setdefault(self.room, set()).update(words)
            self._unsent -= words
            self._lacking = self._lacking if self._unsent else None
        return ()

    def expects(self, frame: Frame, code: str) -> bool:
        """A new connection has the note not open yet; the next opening brings the update."""
        return code == "no_such_target" and frame["type"] == "note.update"

    def rest(self, server: Server) -> Faults:
        """Bring what is not stored yet."""
        while self._note is not None and (not self._open or (self._lacking is not None and self._unsent)):
            frame = self.act("", 0.0)
            reply = server.ask(frame)
            if reply["type"] == "error":
                return (self.fault("lost", 0, f"{frame['type']} was refused at the end: {reply['code']}"),)
            self.answered(frame, reply)
        return ()

    def on_event(self, event: Frame) -> str:
        self._note = self._note or event["seq"]
        return ""

    def on_push(self, frame: Frame) -> Found:
        """An update: it shows words of others, each once."""
        if frame["room"] != self.room or frame["note"] != self._note:
            return Found((self.fault("astray", frame["number"], f"an update of note {frame['note']} of {frame['room']}"),))
        self._apply(frame["update"])
        new = set(_WORD.findall(str(self._text))) - self._seen
        self._seen |= new
        return Found(shown=[self.shared.due[word] for word in new if word in self.shared.due])

    def behind(self) -> Faults:
        if not self._open:
            return ()
        lost = self.shared.stored.get(self.room, set()) - set(_WORD.findall(str(self._text)))
        return tuple(self.fault("lost", 0, f"{word} is stored, and is not in this copy") for word in sorted(lost))

    def finish(self, server: Server) -> Faults:
        """Hold this copy against the server's: the same text, with each stored word once."""
        if not self._open:
            return ()
        opening = server.ask(self._opening(vector=b"\x00"))
        kept: Doc[Any] = Doc()
        kept.apply_update(base64.b64decode(opening["update"]))
        theirs, mine = str(kept.get("text", type=Text)), str(self._text)
        words = Counter(_WORD.findall(theirs))
        faults: Faults = ()
        if theirs != mine:
            faults += (self.fault("contradiction", opening["number"], f"copies of {len(mine)} and {len(theirs)} letters"),)
        if twice := [word for word, times in words.items() if times > 1]:
            faults += (self.fault("duplicate", opening["number"], f"{twice[:3]} are in the note more than once"),)
        if lost := self.shared.stored.get(self.room, set()) - words.keys():
            faults += (self.fault("lost", opening["number"], f"{sorted(lost)[:3]} are stored, and are not in the server's note"),)
        return faults

    def _opening(self, vector: bytes | None = None) -> Frame:
        vector = self._doc.get_state() if vector is None else vector
        return {"type": "note.open", "room": self.room, "note": self._note, "vector": _packed(vector)}

    def _apply(self, update: str) -> None:
        self._doc.apply_update(base64.b64decode(update))
