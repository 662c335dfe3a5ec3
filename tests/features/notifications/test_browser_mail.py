"""E-mail in Chromium: its notification settings, and the pages that mails link."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import NewPerson
from tests.browser.looks import findings
from tests.browser.person import PHONE, Person
from tests.features.notifications.mail_server import MailServer, mail_server, text_of
from tests.features.notifications.pages import open_settings, ready
from tests.support.profile import Profile
from tests.support.server import Server

pytestmark = pytest.mark.browser


@pytest.fixture
def mails() -> Iterator[MailServer]:
    with mail_server() as found:
        yield found


@pytest.fixture
def posting(profile: Profile, static_files: Path, mails: MailServer) -> Iterator[Server]:
    """A server that mails."""
    env = {"STATIC_ROOT": str(static_files), "EMAIL_URL": mails.url, "EMAIL_FROM": "Hubbub <hubbub@example.org>"}
    server = Server(profile, env)
    try:
        server.start()
        yield server
    finally:
        server.close()


def looked_at(user: Person, name: str) -> None:
    """Take pictures in both schemes, in which axe finds nothing."""
    for scheme in ("light", "dark"):
        user.page.emulate_media(color_scheme=scheme)
        user.screenshot(f"{name}-{scheme}")
        assert not findings(user.page)


def test_links_in_mails_confirm_the_address_and_stop_mails(posting: Server, mails: MailServer, person: NewPerson) -> None:
    ada = person("Ada", base_url=posting.base_url, bypass_csp=True)
    ready(ada)
    dialog = open_settings(ada)
    dialog.get_by_label("Send it").select_option("Once a day")
    expect(dialog.get_by_text("Without an address no mail is sent.")).to_be_visible()
    address = dialog.get_by_label("Address", exact=True)
    address.fill("ada@example.org")
    address.press("Enter")
    expect(dialog.get_by_text("Not confirmed yet")).to_be_visible()
    address.scroll_into_view_if_needed()
    looked_at(ada, "mail-settings-desktop")
    (mail,) = mails.wait_for("ada@example.org")
    (confirm,) = re.findall(r"http://\S+/notifications/confirm/\S+", text_of(mail))
    stop = str(mail["List-Unsubscribe"]).strip(" <>")

    # On a phone that is not signed in.
    phone = person("Ada", base_url=posting.base_url, signed_up=False, bypass_csp=True, **PHONE)
    phone.tolerate("400")
    phone.page.goto(confirm)
    expect(phone.page.get_by_role("heading", name="Confirm your e-mail address")).to_be_visible()
    expect(phone.page.get_by_text("ada@example.org")).to_be_visible()
    looked_at(phone, "mail-confirm-phone")
    expect(dialog.get_by_text("Not confirmed yet")).to_be_visible()  # a mail program that opens a link confirms nothing
    phone.page.get_by_role("button", name="Confirm").click()
    expect(phone.page.get_by_role("heading", name="Your address is confirmed")).to_be_visible()
    looked_at(phone, "mail-confirmed-phone")
    expect(dialog.get_by_text("This address is confirmed.")).to_be_visible()

    phone.page.goto(confirm[:-3])
    expect(phone.page.get_by_role("heading", name="This link is not valid")).to_be_visible()
    looked_at(phone, "mail-bad-link-phone")

    page = ada.new_page()
    page.goto(stop)
    page.get_by_role("button", name="Stop e-mails").click()
    expect(page.get_by_role("heading", name="You get no more e-mails")).to_be_visible()
    expect(dialog.get_by_label("Send it")).to_have_value("off")
