"""Encrypt a push for its browser (RFC 8291).

The form is aes128gcm of RFC 8188 with one record. The libraries that do it have no wheel, or bring HTTP clients and web
frameworks along; the cryptography itself is a library's.
"""

from __future__ import annotations

import os

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

RECORD = 4_096
# What a push service must take: one record, less its header, its tag and the byte that ends it.
MOST_BYTES = RECORD - 86 - 16 - 1


def encrypt(
    data: bytes, *, p256dh: bytes, auth: bytes, key: ec.EllipticCurvePrivateKey | None = None, salt: bytes | None = None
) -> bytes:
    """Return the body of the request.

    `p256dh` (65 bytes) and `auth` (16) are the browser's; `key` and `salt` are made.

    Raises ValueError for data that is too long, or for a key that is no point of the curve.
    """
    if len(data) > MOST_BYTES:
        raise ValueError(f"a push holds {MOST_BYTES} bytes at most, not {len(data)}")
    key, salt = key or ec.generate_private_key(ec.SECP256R1()), salt or os.urandom(16)
    theirs = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), p256dh)
    own = key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    shared = _derive(key.exchange(ec.ECDH(), theirs), auth, b"WebPush: info\0" + p256dh + own, 32)
    secret = _derive(shared, salt, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _derive(shared, salt, b"Content-Encoding: nonce\0", 12)
    header = salt + RECORD.to_bytes(4) + bytes([len(own)]) + own
    return header + AESGCM(secret).encrypt(nonce, data + b"\x02", None)


def _derive(material: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(hashes.SHA256(), length, salt, info).derive(material)
