"""The product's settings with more features."""

from config import features

features.FEATURES = (*features.FEATURES, "tests.support.samples.positions", "tests.support.samples.tutorial")

from config.settings import *  # noqa: E402, F403
