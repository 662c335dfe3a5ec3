"""The product's settings with frequent looks at memory, young replacements, and a growing page."""

from config.settings import *  # noqa: F403

ROOT_URLCONF = "tests.server.leaky.urls"
WORKER_MEMORY_LOOK_S, WORKER_MIN_AGE_S = 0.4, 2.0
