"""The ASGI application: probes first, then sockets to the hub, all else to Django."""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application

django = get_asgi_application()  # loads the apps; later imports may use models

from config.inline import without_first_hop  # noqa: E402
from config.services import register_all  # noqa: E402
from core.bodies import with_large_bodies  # noqa: E402
from ops.echo import with_echo, with_socket_echo  # noqa: E402
from realtime.consumer import consume  # noqa: E402
from realtime.nginx_drain_http import with_nginx_drain  # noqa: E402
from realtime.ports import domains, frame_table  # noqa: E402
from server.connection_close import closing_when_drained  # noqa: E402
from server.joined_cookies import with_joined_cookies  # noqa: E402
from server.lifespan import lifespan  # noqa: E402
from server.probes import with_probes  # noqa: E402

without_first_hop()
domains()
frame_table()
register_all()
application = ProtocolTypeRouter(
    {
        "http": with_joined_cookies(closing_when_drained(with_probes(with_echo(with_nginx_drain(with_large_bodies(django)))))),
        "websocket": with_joined_cookies(with_socket_echo(consume)),
        "lifespan": lifespan,
    }
)
