"""Send to the group of a tutorial room: `manage.py say ROOM MESSAGE`."""

from typing import Any

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.core.management.base import BaseCommand, CommandParser


class Command(BaseCommand):
    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("room")
        parser.add_argument("message")

    def handle(self, *_arguments: Any, room: str, message: str, **_options: Any) -> None:
        async_to_sync(get_channel_layer().group_send)(f"chat_{room}", {"type": "chat.message", "message": message})
