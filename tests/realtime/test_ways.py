"""A run with another way to send really has it: in this process, and in the servers it starts."""

from django.conf import settings

from tests.support.profile import Profile
from tests.support.server import Server, manage


def test_the_way_that_was_asked_for_is_in_use(profile: Profile, server: Server) -> None:
    tell = "from django.conf import settings; print(settings.COALESCE, settings.TICK_ABOVE)"
    way, above = manage("shell", "--no-imports", "-c", tell, env=server.env).split()
    assert settings.COALESCE == way == profile.coalesce
    assert int(above) == settings.TICK_ABOVE
    assert (way == "tick") == (settings.TICK_ABOVE == 0), "a tick is every room's"
