"""A consumer on JSON with a group."""

from typing import Any

from channels.generic.websocket import AsyncJsonWebsocketConsumer


class BoardConsumer(AsyncJsonWebsocketConsumer):
    """Shows everybody each drawing and its author.

    `groups` is Channels' own attribute.
    """

    groups = ["board"]

    async def receive_json(self, content: Any, **_options: Any) -> None:
        event = {"type": "board.drawn", "by": self.scope["user"].username, "content": content}
        await self.channel_layer.group_send("board", event)

    async def board_drawn(self, event: dict[str, Any]) -> None:
        await self.send_json({"by": event["by"], "content": event["content"]})
