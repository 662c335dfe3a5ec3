"""The chat of the Channels tutorial, part 3, under uvicorn.

It has an AsyncWebsocketConsumer, groups, and the core Redis layer.

Usage: PORT=… REDIS_URL=… [DATABASE_URL=…] python tutorial.py
With DATABASE_URL each message is stored first, the usual next step after the tutorial: one `create` per message.
"""

import json
import os
from urllib.parse import urlsplit

import django
import uvicorn
from django.conf import settings


def database() -> dict[str, object]:
    """Return the store, if any, with Django's default connection settings."""
    url = os.environ.get("DATABASE_URL")
    if not url:
        return {}
    at = urlsplit(url)
    options = {"NAME": at.path[1:], "USER": at.username, "PASSWORD": at.password, "HOST": at.hostname, "PORT": at.port}
    return {"default": {"ENGINE": "django.db.backends.postgresql", **options}}


settings.configure(
    SECRET_KEY="only-for-the-benchmark",
    INSTALLED_APPS=["channels"],
    DATABASES=database(),
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    CHANNEL_LAYERS={
        "default": {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": [os.environ["REDIS_URL"]]}}
    },
)
django.setup()

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.db import connection, models
from django.urls import path


class Message(models.Model):
    """One message of a chat."""

    room = models.CharField(max_length=64)
    text = models.TextField()
    at = models.DateTimeField(auto_now_add=True)
    objects: models.Manager["Message"] = models.Manager()

    class Meta:
        app_label = "tutorial"

    def __str__(self) -> str:
        return self.text


STORES = bool(os.environ.get("DATABASE_URL"))


class ChatConsumer(AsyncWebsocketConsumer):
    """The consumer of the tutorial."""

    async def connect(self) -> None:
        self.room_name = self.scope["url_route"]["kwargs"]["room_name"]
        self.room_group_name = f"chat_{self.room_name}"
        await self.channel_layer.group_add(self.room_group_name, self.channel_name)
        await self.accept()

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard(self.room_group_name, self.channel_name)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        message = json.loads(text_data or "{}")["message"]
        if STORES:
            await database_sync_to_async(Message.objects.create)(room=self.room_name, text=message)
        await self.channel_layer.group_send(self.room_group_name, {"type": "chat.message", "message": message})

    async def chat_message(self, event: dict[str, str]) -> None:
        await self.send(text_data=json.dumps({"message": event["message"]}))


application = ProtocolTypeRouter({"websocket": URLRouter([path("ws/chat/<str:room_name>/", ChatConsumer.as_asgi())])})

if __name__ == "__main__":
    if STORES:
        with connection.schema_editor() as editor:
            editor.create_model(Message)
    uvicorn.run(application, host="127.0.0.1", port=int(os.environ["PORT"]), log_level="warning", lifespan="off", backlog=4096)
