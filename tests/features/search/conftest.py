from tests.support.profile import profile as chosen

# The embedded profile has no second process.
collect_ignore = [] if chosen.postgres else ["postgres", "test_across.py"]
