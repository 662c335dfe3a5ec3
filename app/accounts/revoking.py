"""From a page's thread to the event loop, where revocations are published."""

from __future__ import annotations

from collections.abc import Iterable

from asgiref.sync import async_to_sync

from realtime.publish import Revoked, revoked


def publish(ended: Iterable[Revoked]) -> None:
    """Synchronous; after commit, in a server's process. Other processes find the rows by themselves, a little later."""

    async def on_the_loop() -> None:
        for what in ended:
            revoked(what)

    async_to_sync(on_the_loop)()
