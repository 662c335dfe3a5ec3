from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest

from accounts import hashers, throttle
from accounts.models import User


class CaseInsensitiveBackend(ModelBackend):
    """Signs people in by password and accepts their names in any case.

    An unknown name costs the same hash as a wrong password.
    """

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        if username is None or password is None:
            return None
        user = User.objects.by_name(username).first()
        if user is None:
            User().set_password(password)
            return None
        return user if user.check_password(password) and self.user_can_authenticate(user) else None

    async def aauthenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        # ModelBackend's version compares case, and hashes for an unknown name on the event loop.
        address = throttle.address_of(request) if request is not None else ""
        return await hashers.run_for(address, self.authenticate, request, username, password)
