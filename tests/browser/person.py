"""A person in front of a browser, with a method for each action and each look."""

import json
import re
import secrets
import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, WebSocket, expect

SCREENSHOTS = Path(__file__).resolve().parents[2] / "artifacts" / "screenshots"
PASSWORD = "a-long-enough-password"
_SIGN_UP = "/accounts/sign-up/"
DESKTOP = {"width": 1280, "height": 800}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}
# The narrowest phone in wide use.
SMALL_PHONE: dict[str, Any] = PHONE | {"viewport": {"width": 360, "height": 640}}
# The machine may be busy with other things.
_PATIENCE_MS = 20_000

expect.set_options(timeout=_PATIENCE_MS)


class Person:
    """One browser context with one page.

    What goes wrong in the page is remembered: see `complaints`.
    """

    def __init__(self, browser: Browser, base_url: str, name: str, *, exact_name: bool = False, **options: Any) -> None:
        self.name = name if exact_name else f"{name}-{secrets.token_hex(3)}"
        self.context = browser.new_context(**({"viewport": DESKTOP, "base_url": base_url, "locale": "en-GB"} | options))
        self.context.set_default_timeout(_PATIENCE_MS)
        self._complaints: list[str] = []
        self._tolerated: list[re.Pattern[str]] = []
        self.sent: list[str | bytes] = []
        self.page = self.new_page()

    def new_page(self) -> Page:
        page = self.context.new_page()
        page.on("console", self._on_console)
        page.on("websocket", self._dialled)
        page.on("pageerror", lambda error: self._complaints.append(f"uncaught: {error}"))
        return page

    def close(self) -> None:
        self.context.close()

    # --- what went wrong

    def tolerate(self, *patterns: str) -> None:
        """Complaints that match are part of the test."""
        self._tolerated += [re.compile(pattern) for pattern in patterns]

    def complaints(self) -> list[str]:
        """Errors and warnings of the console and uncaught errors that were not tolerated."""
        return [text for text in self._complaints if not any(pattern.search(text) for pattern in self._tolerated)]

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self._complaints.append(f"{message.type}: {message.text} ({message.location.get('url')})")

    # --- accounts

    def arrive(self, *, room: str | None = None) -> None:
        """Sign up at the form's address and open the room, or the app.

        The form's page would cost a second of a core.
        """
        form = self.context.request.get(_SIGN_UP)
        token = re.search('name="csrfmiddlewaretoken" value="([^"]+)"', form.text())
        assert token, form.text()
        fields = {"csrfmiddlewaretoken": token[1], "username": self.name, "password": PASSWORD}
        sent = self.context.request.post(_SIGN_UP, form=fields, headers={"Referer": form.url}, max_redirects=0)
        assert sent.status == HTTPStatus.FOUND, sent.text()
        if room:
            self.open(room)
        else:
            self.page.goto("/")
            expect(self.page).to_have_url(re.compile(r"/chat/$"))  # where the app leads once it runs
            self.page.locator(".shell").wait_for()  # the address is there before anything that listens to keys

    def sign_up(self, *, path: str = _SIGN_UP) -> None:
        self.page.goto(path)
        self.fill_in_account()
        self.page.get_by_role("button", name="Create account").click()
        expect(self.page).to_have_url(re.compile(r"/chat/$"))

    def sign_in(self) -> None:
        self.page.goto("/accounts/sign-in/")
        self.fill_in_account()
        self.page.get_by_role("button", name="Sign in").click()
        expect(self.page).to_have_url(re.compile(r"/chat/$"))

    def fill_in_account(self, *, name: str | None = None, password: str = PASSWORD) -> None:
        self.page.get_by_role("textbox", name=re.compile("name", re.IGNORECASE)).fill(name or self.name)
        self.page.locator("input[type=password]").fill(password)

    def frames_sent(self, kind: str) -> list[dict[str, Any]]:
        """Return the frames of this type that the page has sent, on any socket.

        The demo's socket is left out: its ping is plain text.
        """
        frames = [json.loads(text) for text in self.sent if text != "ping"]
        return [frame for frame in frames if frame["type"] == kind]

    def waits_for(self, check: Callable[[], bool]) -> None:
        """Wait for what no locator can."""
        deadline = time.monotonic() + _PATIENCE_MS / 1000
        while not check():
            assert time.monotonic() < deadline
            self.page.wait_for_timeout(50)

    def _dialled(self, line: WebSocket) -> None:
        line.on("framesent", self._remember_sent)

    def _remember_sent(self, payload: str | bytes) -> None:
        # A listener that raises would break every later test of this process.
        self.sent.append(payload)

    # --- rooms

    def open(self, room: str) -> None:
        """Open a room by its address, joining it where it is public."""
        self.page.goto(f"/chat/{room}/")
        join = self.page.get_by_role("button", name="Join the room")
        expect(join.or_(self.composer)).to_be_visible()
        if join.is_visible():
            join.click()
        expect(self.composer).to_be_visible()
        expect(self.status).to_have_text("Connected")

    def say(self, *texts: str) -> None:
        for text in texts:
            self.composer.fill(text)
            self.page.get_by_role("button", name="Send").click()

    def invite(self, *names: str) -> None:
        """Invite people into the open room, by the dialog's search."""
        self.page.get_by_role("button", name="Invite people").click()
        dialog = self.page.get_by_role("dialog")
        for name in names:
            dialog.get_by_role("searchbox", name="Search people").fill(name)
            # Until the answer comes, the rows are those of everybody.
            expect(dialog.get_by_role("listitem")).to_have_count(1)
            dialog.get_by_role("button", name=f"Add {name}").click()
            expect(dialog.get_by_role("listitem")).to_contain_text("Member")
        dialog.get_by_role("button", name="Close", exact=True).click()

    def side_link(self, title: str) -> Locator:
        return self.page.get_by_role("navigation", name="Conversations").get_by_role("link", name=title)

    # --- what is to be seen

    @property
    def composer(self) -> Locator:
        return self.page.get_by_role("textbox", name=re.compile("^Message to"))

    @property
    def messages(self) -> Locator:
        return self.page.get_by_test_id("messages")

    @property
    def status(self) -> Locator:
        return self.page.get_by_test_id("connection-status")

    @property
    def banner(self) -> Locator:
        return self.page.get_by_test_id("connection-banner")

    @property
    def rows(self) -> Locator:
        """Messages that the server has, in the order they are shown."""
        return self.messages.locator("li[data-seq]")

    def texts(self) -> list[str]:
        """Texts of the stored messages, in the order they are shown."""
        return self.rows.locator(".text").all_inner_texts()

    def seqs(self) -> list[int]:
        return [int(seq) for seq in self.rows.evaluate_all("rows => rows.map(row => row.dataset.seq)")]

    def all_sent(self) -> None:
        """Wait until the server has answered every message this person wrote.

        Others may see a message before that.
        """
        expect(self.messages.locator("[data-state]")).to_have_count(0)

    def sees(self, *texts: str) -> None:
        """Wait until exactly these messages are shown, in this order."""
        expect(self.rows.locator(".text")).to_have_text(list(texts))

    def screenshot(self, name: str) -> None:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png", animations="disabled")
