"""The ASGI application: probes first, then sockets to the hub and everything else to Django."""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application

django = get_asgi_application()  # loads the apps; what follows may import models

from ops.closing import closing_when_drained  # noqa: E402
from ops.lifespan import lifespan  # noqa: E402
from ops.nginx_drain import with_nginx_drain  # noqa: E402
from ops.probes import with_probes  # noqa: E402
from realtime.consumer import consume  # noqa: E402
from realtime.wiring import domains, frames  # noqa: E402

domains()
frames()
application = ProtocolTypeRouter(
    {"http": closing_when_drained(with_probes(with_nginx_drain(django))), "websocket": consume, "lifespan": lifespan}
)
