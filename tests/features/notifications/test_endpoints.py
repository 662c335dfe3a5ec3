"""Addresses of push services: none may lead into an internal network.

Pure.
"""

from __future__ import annotations

import pytest
from django.conf import settings

from core.errors import BadFrame
from features.notifications.endpoints import checked_endpoint, is_public

pytestmark = pytest.mark.once

GOOD = [
    "https://fcm.googleapis.com/fcm/send/abc:DEF",
    "https://updates.push.services.mozilla.com/wpush/v2/gAAA",
    "https://web.push.apple.com/Q?x=1",
    "https://8.8.8.8/push",
    "https://push.example.org:8443/x",
]
BAD = [
    "http://fcm.googleapis.com/x",
    "https://127.0.0.1/x",
    "https://127.1/x",
    "https://0x7f000001/x",
    "https://2130706433/x",
    "https://localhost/x",
    "https://db.localhost/x",
    "https://postgres:5432/x",
    "https://redis.default.svc.cluster.local/x",
    "https://metadata.google.internal/x",
    "https://169.254.169.254/latest/meta-data",
    "https://10.0.0.1/x",
    "https://192.168.1.1./x",
    "https://[::1]/x",
    "https://[::ffff:10.0.0.1]/x",
    "https://[64:ff9b::a00:1]/x",
    "https://[2002:a00:1::]/x",
    "https://[fd00::1]/x",
    "https://[fe80::1%25eth0]/x",
    "https://user:password@push.example.org/x",
    "https://push.example.org/x#fragment",
    "https://push.example.org:99999/x",
    "https://push.example.org\\@10.0.0.1/x",
    "https://push.exämple.org/x",
    "https://push.example.org/a b",
    "https:///x",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "",
    f"https://push.example.org/{'x' * 2048}",
]


@pytest.mark.parametrize("address", GOOD)
def test_address_of_a_push_service_is_taken(address: str) -> None:
    assert checked_endpoint(address) == address


@pytest.mark.parametrize("address", BAD)
def test_internal_or_wrong_address_is_refused(address: str) -> None:
    with pytest.raises(BadFrame, match="endpoint"):
        checked_endpoint(address)


def test_only_loopback_is_opened_by_its_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "PUSH_LOOPBACK", True)
    assert checked_endpoint("http://127.0.0.1:8099/push/1")
    for address in BAD[5:]:
        if "localhost/x" not in address and "[::1]" not in address:
            with pytest.raises(BadFrame):
                checked_endpoint(address)


@pytest.mark.parametrize(
    ("address", "expected"),
    [("8.8.8.8", True), ("2606:4700::1111", True), ("224.0.0.1", False), ("0.0.0.0", False), ("::", False),
     ("100.64.0.1", False), ("198.18.0.1", False), ("::ffff:8.8.8.8", True), ("::ffff:127.0.0.1", False)],
)  # fmt: skip
def test_public_addresses_are_those_of_the_internet(address: str, expected: bool) -> None:
    assert is_public(address) is expected
