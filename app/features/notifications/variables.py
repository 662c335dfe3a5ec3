"""What an operator sets of notifications."""

from __future__ import annotations

from core.variables import Variable

VARIABLES = (
    Variable("PUSH_AFTER_S", "int", "10", "Seconds after which Web Push tells of a message that no device showed", maximum=3_600),
    Variable(
        "VAPID_PRIVATE_KEY",
        "secret",
        None,
        "Base64url of the private key that proves to push services who sends; a new one ends all devices. Unset: the key that the"
        " first migration made and the database keeps",
    ),
    Variable(
        "VAPID_SUBJECT",
        "text",
        None,
        "mailto: or https: address at which push services reach the operator. Unset: PUBLIC_URL",
    ),
    Variable(
        "PUSH_LOOPBACK", "bool", "0", "1 lets Web Push reach http: endpoints of this machine, for tests; refused in production"
    ),
    Variable(
        "EMAIL_URL",
        "secret",
        None,
        "Where e-mail digests are sent: smtp://user:password@host:587 (STARTTLS), smtps://user:password@host:465, or"
        " smtp+plain://host:25. Unset: no e-mail",
    ),
    Variable("EMAIL_FROM", "text", None, "The sender of e-mails, such as Hubbub <hubbub@example.org>; required with EMAIL_URL"),
)
