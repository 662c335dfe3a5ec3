"""The sockets of devices in this process, and which devices were seen lately."""

from __future__ import annotations

from weakref import WeakSet

from core.errors import Close
from core.per_loop import PerLoop
from db import database
from features.sensors import devices
from features.sensors.devices import DeviceRef, device_of
from realtime.dialects.base import DialectSocket

# The feature's place on a socket.
STATE = "sensors"


class Connected:
    def __init__(self) -> None:
        self.sockets: WeakSet[DialectSocket] = WeakSet()
        # Devices seen since the last look.
        self.seen: set[int] = set()


connected = PerLoop(Connected)


def note_seen(device: DeviceRef) -> None:
    connected().seen.add(device.id)


def opened(socket: DialectSocket) -> DeviceRef:
    """Note a device's socket."""
    device = device_of(socket.credential)
    assert device is not None
    socket.state[STATE] = device
    connected().sockets.add(socket)
    note_seen(device)
    return device


def device_on(socket: DialectSocket) -> DeviceRef | None:
    """Return the device of a socket; None for a person's."""
    return socket.state.get(STATE)


async def look_after_devices() -> None:
    """Note when devices were seen; close the sockets of devices without permission.

    Raises DatabaseUnavailable.
    """
    here = connected()
    sockets = {socket: socket.state[STATE].id for socket in here.sockets if not socket.closed}
    seen, here.seen = here.seen, set()
    if not sockets and not seen:
        return
    try:
        good = await database.run(devices.look_after, seen, set(sockets.values()))
    except database.DatabaseUnavailable:
        here.seen |= seen
        raise
    for socket, device in sockets.items():
        if device not in good:
            socket.close_soon(Close.REVOKED, "this device was revoked")
