"""The product's settings with memory checks and young replacements."""

from config.settings import *  # noqa: F403

ROOT_URLCONF = "tests.server.leaky.urls"
WORKER_MEMORY_CHECK_S, WORKER_MIN_AGE_S = 0.4, 2.0
