"""The product's settings with frequent memory checks and a growing page."""

from config.settings import *  # noqa: F403

ROOT_URLCONF = "tests.server.leaky.urls"
WORKER_MEMORY_CHECK_S = 0.4
