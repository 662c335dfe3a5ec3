"""A mail server on a free port that keeps its mails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from time import monotonic, sleep
from typing import Any

from aiosmtpd.controller import Controller

from tests.support.ports import free_port


class MailServer:
    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        # Addresses that are refused for good, those whose mails are once they were seen, and whether it takes mails at all.
        self.refused: set[str] = set()
        self.unwanted: set[str] = set()
        self.is_open = True
        self.port = free_port()
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)
        self._controller.start()

    @property
    def url(self) -> str:
        return f"smtp+plain://127.0.0.1:{self.port}"

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802
        if not self.is_open:
            return "451 4.3.0 come back later"
        if address in self.refused:
            return "550 5.1.1 there is no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        if self.unwanted.intersection(envelope.rcpt_tos):
            return "554 5.7.1 this looks like spam"
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 2.0.0 ok"

    def to(self, address: str) -> list[EmailMessage]:
        return [mail for mail in self.mails if mail["To"] == address]

    def wait_for(self, address: str, number: int = 1, *, timeout: float = 60) -> list[EmailMessage]:
        """Wait until an address got so many mails, and return all."""
        until = monotonic() + timeout
        while len(self.to(address)) < number:
            if monotonic() > until:
                raise TimeoutError(f"{address} got {len(self.to(address))} mails within {timeout} s, not {number}")
            sleep(0.05)
        return self.to(address)

    def close(self) -> None:
        self._controller.stop()


@contextmanager
def mail_server() -> Iterator[MailServer]:
    server = MailServer()
    try:
        yield server
    finally:
        server.close()


def text_of(mail: EmailMessage, kind: str = "plain") -> str:
    body = mail.get_body((kind,))
    assert body is not None
    return str(body.get_content())
