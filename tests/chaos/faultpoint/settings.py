"""The product's settings and one more app.

Only compose.yaml beside this folder uses them.
"""

from config.settings import *  # noqa: F403
from config.settings import INSTALLED_APPS as PRODUCT

INSTALLED_APPS = [*PRODUCT, "faultpoint"]
