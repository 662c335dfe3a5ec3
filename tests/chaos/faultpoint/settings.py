"""The product's settings and one app more. compose.yaml beside this folder names them; nothing else does."""

from config.settings import *  # noqa: F403
from config.settings import INSTALLED_APPS as PRODUCT

INSTALLED_APPS = [*PRODUCT, "faultpoint"]
