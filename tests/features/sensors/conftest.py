"""The embedded profile has no second process."""

from tests.support.profile import profile as chosen

collect_ignore = [] if chosen.redis else ["test_across.py"]
