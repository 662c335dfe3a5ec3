"""Names of measured figures in Locust's statistics, reports and thresholds.toml."""

SIGN_UP = "sign-up"  # POST /api/signup, sent → answered
HANDSHAKE = "handshake"  # connecting begins → hello
JOIN = "join"  # room.join → the last page is here
ACKNOWLEDGED = "send → own acknowledgement"  # intended send time → message.sent
DELIVERED = "send → delivery to others"  # intended send time → pushed to another user
RESYNCHRONISED = "reconnect → resynchronised"  # first attempt after a loss → the last page of the rejoin is here
HISTORY = "history page"  # intended time → history.page

SHOWN = "value → shown to others"  # intended time → pushed to another user: a live value, an edit of a note

_SOCKET = (HANDSHAKE, JOIN, ACKNOWLEDGED, DELIVERED, RESYNCHRONISED, HISTORY, SHOWN)


def of_slow(name: str) -> str:
    """Return the figure's name for slow readers, kept apart from other latencies."""
    return f"{name} (slow readers)" if name in _SOCKET else name


ALL = (SIGN_UP, *_SOCKET, *(of_slow(name) for name in _SOCKET))
