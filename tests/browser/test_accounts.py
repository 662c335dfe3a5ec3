import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import NewPerson
from tests.browser.person import PASSWORD
from tests.support.cable import Cable
from tests.support.server import Server

pytestmark = pytest.mark.browser


def test_new_person_signs_up_by_the_form_and_is_in_the_chat(person: NewPerson) -> None:
    ada = person(signed_up=False)
    ada.page.goto("/")
    expect(ada.page.get_by_role("heading", name="Welcome back")).to_be_visible()
    ada.page.get_by_role("link", name="Create an account").click()
    ada.fill_in_account()
    ada.page.get_by_role("button", name="Create account").click()
    expect(ada.page.get_by_role("heading", name=f"Hello, {ada.name}")).to_be_visible()
    expect(ada.status).to_have_text("Connected")


def test_a_taken_name_and_a_poor_password_are_explained(person: NewPerson) -> None:
    ada, bob = person("Ada"), person("Bob", signed_up=False)
    bob.page.goto("/accounts/sign-up/")
    bob.fill_in_account(name=ada.name)
    bob.page.get_by_role("button", name="Create account").click()
    expect(bob.page.locator(".notice, .field__error")).to_contain_text(re.compile("taken|exists", re.IGNORECASE))
    bob.fill_in_account(password="short")
    bob.page.get_by_role("button", name="Create account").click()
    expect(bob.page.locator(".notice, .field__error")).to_contain_text(re.compile("short|characters", re.IGNORECASE))


def test_signing_out_ends_the_session_and_signing_in_leads_back(person: NewPerson) -> None:
    ada = person()
    ada.page.get_by_role("button", name="Account of").click()
    ada.page.get_by_role("menuitem", name="Sign out").click()
    expect(ada.page).to_have_url(re.compile("/accounts/sign-in/"))
    ada.page.goto("/chat/lobby/")
    expect(ada.page.get_by_role("heading", name="Welcome back")).to_be_visible()
    ada.fill_in_account(password="not-the-password")
    ada.page.get_by_role("button", name="Sign in").click()
    expect(ada.page.get_by_role("alert")).to_be_visible()
    ada.fill_in_account()
    ada.page.get_by_role("button", name="Sign in").click()
    expect(ada.page).to_have_url(re.compile("/chat/lobby/$"))
    expect(ada.page.get_by_role("button", name="Join the room")).to_be_visible()


def test_a_session_that_ends_elsewhere_leads_to_the_sign_in_page(person: NewPerson) -> None:
    ada = person()
    expect(ada.status).to_have_text("Connected")
    ada.page.wait_for_load_state("networkidle")  # its last requests would be refused
    other = ada.new_page()
    other.goto("/chat/")
    other.get_by_role("button", name="Account of").click()
    other.get_by_role("menuitem", name="Sign out").click()
    expect(other).to_have_url(re.compile("/accounts/sign-in/"))
    expect(ada.page).to_have_url(re.compile("/accounts/sign-in/"))


def test_foreign_address_is_explained_without_a_circle(person: NewPerson, site: Server) -> None:
    with Cable() as unlisted:
        unlisted.connect_to(site.port)
        ada = person(base_url=unlisted.url)
        expect(ada.banner).to_contain_text("refuses connections from this address")
        ada.page.wait_for_timeout(1_000)
        expect(ada.page).to_have_url(re.compile("/chat/$"))


def test_the_password_can_be_changed_and_shown(person: NewPerson) -> None:
    ada = person()
    ada.page.get_by_role("button", name="Account of").click()
    ada.page.get_by_role("menuitem", name="Change password").click()
    ada.page.locator("input[name=old_password]").fill(PASSWORD)
    ada.page.get_by_role("button", name=re.compile("Show", re.IGNORECASE)).first.click()
    expect(ada.page.locator("input[autocomplete='current-password']")).to_have_attribute("type", "text")
    ada.page.locator("input[name=new_password1]").fill("another-long-password")
    ada.page.locator("input[name=new_password2]").fill("another-long-password")
    ada.page.get_by_role("button", name="Change password").click()
    expect(ada.page.get_by_role("status")).to_contain_text("changed")
    ada.page.get_by_role("link", name="Back to the chat").click()
    expect(ada.status).to_have_text("Connected")


def test_a_page_that_does_not_exist_says_so(person: NewPerson) -> None:
    ada = person()
    ada.tolerate("status of 404")
    answer = ada.page.goto("/no/such/page/")
    assert answer is not None
    assert answer.status == 404
    expect(ada.page.get_by_role("heading", name="Nobody is here")).to_be_visible()
