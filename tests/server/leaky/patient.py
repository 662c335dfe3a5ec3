"""The product's settings, but memory is looked at often, and a page makes a worker grow."""

from config.settings import *  # noqa: F403

ROOT_URLCONF = "tests.server.leaky.urls"
WORKER_MEMORY_LOOK_S = 0.4
