from tests.support.profile import profile as chosen

# The embedded profile has one process.
collect_ignore = [] if chosen.redis else ["test_across.py"]
