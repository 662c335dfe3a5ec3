"""The key of this installation for Web Push (RFC 8292).

The first migration makes it and stores it in the database, beside the installation's identity. `cryptography` is imported only
to sign or to make a key: web processes serve the public key from the table.
"""

from __future__ import annotations

import base64
import functools
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

PRIVATE_BYTES = 32


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    """Decode base64url, with or without padding.

    Raises ValueError.
    """
    return base64.b64decode(text.encode() + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)


def make_pair() -> tuple[str, str]:
    """Return a new private key and its public point."""
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    number = ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value
    private = encoded(number.to_bytes(PRIVATE_BYTES, "big"))
    return private, public_of(private)


def public_of(private: str) -> str:
    """Return the public point of a private key.

    Raises ValueError for an invalid key.
    """
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415

    data = decoded(private)
    if len(data) != PRIVATE_BYTES:
        raise ValueError(f"a private key has {PRIVATE_BYTES} bytes")
    key = ec.derive_private_key(int.from_bytes(data, "big"), ec.SECP256R1())
    return encoded(key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))


@functools.cache
def _of_setting(private: str) -> str:
    try:
        return public_of(private)
    except ValueError as error:
        raise ImproperlyConfigured("VAPID_PRIVATE_KEY is no base64url of the 32 bytes of a P-256 key") from error


_kept: list[tuple[str, str]] = []


def pair() -> tuple[str, str] | None:
    """Return the private and the public key; None before the migration.

    Synchronous, in a database thread.

    Raises ImproperlyConfigured for a wrong VAPID_PRIVATE_KEY.
    """
    private: str | None = settings.VAPID_PRIVATE_KEY
    if private:
        return private, _of_setting(private)
    if not _kept:
        from features.notifications.models import VapidKey  # noqa: PLC0415  # the migration imports this module

        found = VapidKey.objects.values_list("private", "public").first()
        if found is None:
            return None
        _kept[:] = [found]
    return _kept[0]


def public_key() -> str | None:
    found = pair()
    return found[1] if found else None


def subject() -> str:
    """Return the address at which push services reach the operator."""
    named: str | None = settings.VAPID_SUBJECT
    return named or str(settings.PUBLIC_URL)


def headers(endpoint_origin: str, expires: int) -> dict[str, Any]:
    """Return the header that authorizes requests to this origin until `expires`.

    `expires`: seconds since 1970. Raises ValueError for an origin that cannot be signed.
    """
    from py_vapid import Vapid02, VapidException  # noqa: PLC0415

    found = pair()
    if found is None:
        raise LookupError("there is no VAPID key: run manage.py migrate")
    signer = Vapid02.from_raw(found[0].encode())
    signer.conf = {"no-strict": True}  # else it takes no address with a port: PUBLIC_URL of a trial
    try:
        signed: dict[str, Any] = signer.sign({"aud": endpoint_origin, "exp": expires, "sub": subject()})
    except VapidException as error:
        raise ValueError(f"{endpoint_origin} cannot be signed") from error
    return signed
