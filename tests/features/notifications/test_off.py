"""Notifications switched off by an administrator: no frame, no push.

Switched on again, both return.
"""

from __future__ import annotations

import asyncio

import pytest

from tests.features.notifications.conftest import Installation
from tests.features.notifications.push_service import PushService
from tests.support.api import assert_problem, with_token
from tests.support.chat_client import ChatClient, Refused, sign_up

pytestmark = [pytest.mark.once, pytest.mark.served, pytest.mark.timeout(180)]
SWITCH = """
from django.utils import timezone
from switches.models import FeatureOff
from accounts.models import User
if {off}:
    FeatureOff.objects.create(name="notifications", by=User.objects.first())
else:
    FeatureOff.objects.all().delete()
"""


async def test_switched_off_feature_notifies_nobody(installation: Installation, service: PushService) -> None:
    server = installation.server
    ada, bob = await sign_up(server.base_url), await sign_up(server.base_url)
    browser = service.browser()
    async with with_token(server.base_url, bob) as http:
        assert (await http.post("/api/notifications/devices", json=browser.subscription)).status_code == 201
        async with ChatClient(server.ws_url(), ada) as mine, ChatClient(server.ws_url(), bob) as theirs:
            await asyncio.to_thread(server.shell, SWITCH.format(off=True))
            try:
                assert "notifications" not in (await theirs.expect("features.updated"))["features"]
                silent = await mine.send_to(bob.id, "not told")
                await theirs.expect("unread", room=silent["room"])
                with pytest.raises(Refused, match="feature_off"):
                    await theirs.request("notify.claim", room=silent["room"], target=silent["seq"])
                await asyncio.sleep(6)  # two sweeps; every other process reads the switch within 5 s, too
                assert_problem(await http.get("/api/notifications"), 404, "feature_off")
                assert browser.requests() == []
                await theirs.expect_nothing("notify")
                await theirs.request("read", room=silent["room"], upto=silent["seq"])
            finally:
                await asyncio.to_thread(server.shell, SWITCH.format(off=False))
            assert "notifications" in (await theirs.expect("features.updated"))["features"]
            sent = await mine.send_to(bob.id, "told")
            await theirs.expect("notify", room=sent["room"], target=sent["seq"])
            (payload,) = await asyncio.to_thread(browser.wait_for, 1)
            assert payload["seq"] == sent["seq"]
