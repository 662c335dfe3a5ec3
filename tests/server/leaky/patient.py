"""The product's settings with frequent looks at memory, and a page that makes a worker grow."""

from config.settings import *  # noqa: F403

ROOT_URLCONF = "tests.server.leaky.urls"
WORKER_MEMORY_LOOK_S = 0.4
