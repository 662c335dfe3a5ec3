from tests.support.profile import profile as chosen

collect_ignore = [] if chosen.postgres else ["postgres"]
