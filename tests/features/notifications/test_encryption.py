"""Pushes are encrypted as in RFC 8291.

The tests use its own example, and another implementation that decrypts the pushes.
"""

import os
from base64 import urlsafe_b64decode

import http_ece
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from features.notifications.encryption import MOST_BYTES, encrypt

pytestmark = [pytest.mark.once]


def decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def point(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


def test_the_example_of_the_rfc_comes_out() -> None:
    """RFC 8291, section 5 and appendix A."""
    private = int.from_bytes(decoded("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"))
    body = encrypt(
        b"When I grow up, I want to be a watermelon",
        p256dh=decoded("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"),
        auth=decoded("BTBZMqHH6r4Tts7J_aSIgg"),
        key=ec.derive_private_key(private, ec.SECP256R1()),
        salt=decoded("DGv6ra1nlYgDCS1FRnbzlw"),
    )
    assert body == decoded(
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6"
        "cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )


@pytest.mark.parametrize("length", [0, 1, 300, MOST_BYTES])
def test_another_implementation_decrypts_it(length: int) -> None:
    key, auth, data = ec.generate_private_key(ec.SECP256R1()), os.urandom(16), os.urandom(length)
    bodies = {encrypt(data, p256dh=point(key), auth=auth) for _ in range(3)}
    assert len(bodies) == 3
    for body in bodies:
        assert len(body) <= 4_096
        assert http_ece.decrypt(body, private_key=key, auth_secret=auth, version="aes128gcm") == data


def test_unencryptable_push_is_refused() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(ValueError, match=f"{MOST_BYTES} bytes at most"):
        encrypt(bytes(MOST_BYTES + 1), p256dh=point(key), auth=bytes(16))
    with pytest.raises(ValueError, match="Invalid EC key"):
        encrypt(b"", p256dh=b"\x04" + bytes(64), auth=bytes(16))
