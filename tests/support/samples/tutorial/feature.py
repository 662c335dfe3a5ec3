"""Two plain Channels consumers, and a Django view that sends to one's group."""

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.http import HttpRequest, HttpResponse
from django.urls import path, re_path

from core.features import Feature
from tests.support.samples.tutorial.board_consumer import BoardConsumer
from tests.support.samples.tutorial.chat_consumer import ChatConsumer


def say(request: HttpRequest, room: str, message: str) -> HttpResponse:
    async_to_sync(get_channel_layer().group_send)(f"chat_{room}", {"type": "chat.message", "message": message})
    return HttpResponse("said")


FEATURE = Feature(
    name="tutorial",
    urlpatterns=(path("tutorial/<room>/<message>/", say),),
    websocket_urlpatterns=(
        re_path(r"ws/tutorial/(?P<room_name>\w+)/$", ChatConsumer.as_asgi()),
        path("ws/board/", BoardConsumer.as_asgi()),
    ),
)
