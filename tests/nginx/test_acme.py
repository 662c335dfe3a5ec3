"""The ACME companion and nginx, with a real authority: pebble."""

import asyncio
import json
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from time import monotonic, sleep, time
from typing import Any

import pytest
from websockets.asyncio.client import connect

from docker.acme.companion import LETS_ENCRYPT, Pair, Settings, why_due
from tests.nginx.authority import Authority
from tests.nginx.conftest import StartFront
from tests.nginx.front import ROOT, Front
from tests.support.certificates import make_certificate
from tests.support.chat_client import sign_up
from tests.support.ports import free_port
from tests.support.processes import Process
from tests.support.server import Server

pytestmark = pytest.mark.timeout(120)

NAME = "chat.example.com"
COMPANION = ROOT / "docker" / "acme" / "companion.py"

StartAuthority = Callable[..., Authority]


class Home:
    """The companion's folders."""

    def __init__(self, directory: Path) -> None:
        self.folders = {name: directory / name for name in ("account", "certificates", "challenges")}
        for folder in self.folders.values():
            folder.mkdir(mode=0o700)

    @property
    def env(self) -> dict[str, str]:
        """Return the folders by the names of their variables."""
        return {f"ACME_{name.upper()}": str(folder) for name, folder in self.folders.items()}

    @property
    def nginx(self) -> dict[str, str]:
        """Return nginx's settings; it sees no account."""
        shown = {name: value for name, value in self.env.items() if name != "ACME_ACCOUNT"}
        return shown | {"NGINX_ACME_CHECK_S": "1"}

    @property
    def live(self) -> Pair:
        return Pair.read((self.folders["certificates"] / "live").resolve(strict=True))

    def settings(self, directory_url: str, **more: str) -> dict[str, str]:
        made = {"PUBLIC_URL": f"https://{NAME}", "ACME_EMAIL": "ada@example.com", "ACME_DIRECTORY_URL": directory_url}
        return {"PATH": os.environ["PATH"], **self.env, **made, **more}

    def run(self, authority: Authority, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        env = self.settings(authority.url, SSL_CERT_FILE=str(authority.own_certificate), **more)
        command = [sys.executable, str(COMPANION), *arguments]
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)

    def order(self, authority: Authority, **more: str) -> str:
        """Run it once; return its standard error."""
        done = self.run(authority, "--once", **more)
        assert done.returncode == 0, done.stderr
        return done.stderr


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def start_authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartAuthority]:
    """Start a pebble that asks on a port; its certificates live for `life_s`."""
    with ExitStack() as exits:

        def start(http_port: int, life_s: int = 90 * 86_400) -> Authority:
            return exits.enter_context(Authority(tmp_path_factory.mktemp("authority"), http_port, life_s=life_s))

        yield start


@pytest.fixture
def front(start_front: StartFront, home: Home) -> Front:
    """An nginx that has no certificate yet."""
    return start_front(**home.nginx)


@pytest.fixture
def front_without_acme(start_front: StartFront) -> Front:
    """An nginx with another certificate than the companion's, or none."""
    return start_front()


def shown(front: Front, context: ssl.SSLContext) -> dict[str, Any]:
    """Return the certificate that nginx shows.

    Raises ssl.SSLCertVerificationError.
    """
    with (
        socket.create_connection(("127.0.0.1", front.tls_port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=NAME) as tls,
    ):
        return dict(tls.getpeercert() or {})


def wait_shown(front: Front, context: ssl.SSLContext, serial: str) -> None:
    """Wait until each of several connections gets the certificate.

    Workers from before a reload answer a few more connections.
    """
    deadline, in_a_row = monotonic() + 20, 0
    while in_a_row < 5:
        try:
            in_a_row = in_a_row + 1 if shown(front, context)["serialNumber"] == serial else 0
        except ssl.SSLCertVerificationError:
            in_a_row = 0
        assert monotonic() < deadline, front.log
        sleep(0.1)


def private_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and b"PRIVATE KEY" in path.read_bytes()]


def test_first_certificate_is_ordered_and_used(front: Front, home: Home, start_authority: StartAuthority) -> None:
    authority = start_authority(front.port)
    trust = authority.trust()
    with pytest.raises(ssl.SSLCertVerificationError):
        shown(front, trust)
    assert home.run(authority, "--check").returncode == 1
    said = home.order(authority, ACME_NAMES="www.example.com")
    assert f"ordering a certificate for {NAME}, www.example.com from {authority.url}: there is none" in said
    assert "a new certificate is in place, good until" in said
    wait_shown(front, trust, home.live.serial)
    assert {value for _, value in shown(front, trust)["subjectAltName"]} == {NAME, "www.example.com"}
    assert home.run(authority, "--check").returncode == 0


def test_no_key_can_be_read_by_others(front: Front, home: Home, tmp_path: Path, start_authority: StartAuthority) -> None:
    home.order(start_authority(front.port))
    keys = [*private_files(tmp_path), *private_files(front.directory / "temp")]
    # Of the account, of the certificate, and of nginx's own until that came.
    assert {key.name for key in keys} == {"account.pem", "key.pem"}
    assert len(keys) == 3
    for key in keys:
        assert key.stat().st_mode & 0o077 == 0, key
        assert key.stat().st_uid == os.getuid()


def test_challenges_are_shown_before_any_redirect(front: Front, home: Home) -> None:
    (home.folders["challenges"] / "a_token-1").write_text("a_token-1.thumbprint")
    path = "/.well-known/acme-challenge/"
    answer = front.get(f"{path}a_token-1")
    assert (answer.status_code, answer.text) == (200, "a_token-1.thumbprint")
    assert answer.headers["content-type"].startswith("text/plain")
    for missing in (path, f"{path}another", f"{path}..%2fcertificates/live/key.pem", f"{path}../certificates"):
        assert front.get(missing).status_code in {308, 403, 404}, missing
    assert front.get("/.well-known/else").status_code == 308


def test_nginx_without_acme_shows_no_challenges(front_without_acme: Front, home: Home) -> None:
    (home.folders["challenges"] / "a_token").write_text("a_token.thumbprint")
    assert front_without_acme.get("/.well-known/acme-challenge/a_token").headers["content-type"] != "text/plain"


@pytest.mark.drill
async def test_renewal_hands_sockets_over_and_keeps_the_port_open(
    server: Server, home: Home, start_front: StartFront, start_authority: StartAuthority
) -> None:
    front = start_front(upstream_ports=[server.port], **home.nginx)
    authority = start_authority(front.port, life_s=30)
    trust = authority.trust()
    await asyncio.to_thread(home.order, authority)
    first = home.live
    await asyncio.to_thread(wait_shown, front, trust, first.serial)
    account = await sign_up(server.base_url)
    wire: dict[str, Any] = {"ssl": trust, "server_hostname": NAME, "host": "127.0.0.1", "port": front.tls_port, "proxy": None}
    address = f"wss://{NAME}/ws/"
    refused: list[str] = []

    async def keep_asking() -> None:
        while True:
            try:
                await asyncio.to_thread(shown, front, trust)
            except OSError as error:
                refused.append(repr(error))
            await asyncio.sleep(0.05)

    async with connect(address, additional_headers=account.headers, **wire) as before:
        assert '"hello"' in str(await before.recv())
        assert "ordering" not in await asyncio.to_thread(home.order, authority), "its time has not come"
        await asyncio.sleep(max(0.0, first.renew_at - time()) + 0.1)
        asking = asyncio.create_task(keep_asking())
        assert "two thirds of its life are over" in await asyncio.to_thread(home.order, authority)
        await asyncio.to_thread(wait_shown, front, trust, home.live.serial)
        async with asyncio.timeout(20):
            await before.wait_closed()
        assert before.close_code == 1012
        asking.cancel()
    assert refused == []
    async with connect(address, additional_headers=account.headers, **wire) as after:
        assert '"hello"' in str(await after.recv())
    assert home.live.serial != first.serial
    assert {path.name for path in home.folders["account"].iterdir()} == {"account.pem"}, "one account for both"


def test_refused_challenge_is_named_and_keeps_the_certificate(front: Front, home: Home, start_authority: StartAuthority) -> None:
    good, elsewhere = start_authority(front.port), start_authority(free_port())
    home.order(good)
    before = home.live
    wait_shown(front, good.trust(), before.serial)
    refused = home.run(elsewhere, "--once")
    assert refused.returncode == 1
    assert "its names or its authority changed" in refused.stderr
    assert f"error: no new certificate: Challenge did not pass for {NAME}: " in refused.stderr
    assert "onnection refused" in refused.stderr
    assert "; the one in use is good until " in refused.stderr
    assert "Traceback" not in refused.stderr
    assert home.live == before
    assert [*home.folders["challenges"].iterdir()] == []
    assert len([path for path in home.folders["certificates"].iterdir() if not path.is_symlink()]) == 1
    assert shown(front, good.trust())["serialNumber"] == before.serial


def test_pair_that_nginx_refuses_changes_nothing(front: Front, home: Home, start_authority: StartAuthority) -> None:
    authority = start_authority(front.port)
    home.order(authority)
    before = home.live
    wait_shown(front, authority.trust(), before.serial)
    broken = home.folders["certificates"] / "broken"
    broken.mkdir()
    for name in ("certificate.pem", "key.pem"):
        (broken / name).write_text("no PEM")
    link = home.folders["certificates"] / "link"
    link.symlink_to("broken")
    link.rename(home.folders["certificates"] / "live")
    deadline = monotonic() + 15
    while "not reloaded: nginx goes on as it was" not in front.log:
        assert monotonic() < deadline, front.log
        sleep(0.1)
    assert shown(front, authority.trust())["serialNumber"] == before.serial


def test_authority_that_is_away_is_asked_again(home: Home, tmp_path: Path) -> None:
    url = f"https://localhost:{free_port()}/dir"
    companion = Process([sys.executable, COMPANION], env=home.settings(url), log=tmp_path / "log")
    try:
        companion.wait_until(lambda: "next try in" in (tmp_path / "log").read_text(), timeout=30, what="the companion")
        said = (tmp_path / "log").read_text()
        assert "error: no new certificate: Error getting directory: " in said
        assert "onnection refused" in said
        assert "; there is none yet (docs/runbooks/certificate.md)" in said
        assert "next try in 2 min" in said or "next try in 3 min" in said
    finally:
        companion.kill()


@pytest.mark.parametrize(
    ("days", "names", "reason"),
    [
        (90, NAME, ""),
        (40, NAME, ""),
        (25, NAME, "two thirds of its life are over"),
        (-1, NAME, "two thirds of its life are over"),
        (90, f"{NAME},www.example.com", "its names or its authority changed"),
    ],
)
def test_renewal_is_due_at_two_thirds_of_the_life(home: Home, days: int, names: str, reason: str) -> None:
    """Lives of a hundred days; the jitter is below four."""
    folder = home.folders["certificates"] / "1"
    make_certificate(folder, days=days)
    pair = Pair.read(folder)
    assert pair.life_s * 2 / 3 <= pair.renew_at - pair.begins <= pair.life_s * 0.7
    assert Pair.read(folder) == pair, "the jitter is the same after a restart"
    made = Settings.read(home.settings(LETS_ENCRYPT))
    (folder / "order.json").write_text(json.dumps(made.order))
    wanted = Settings.read(home.settings(LETS_ENCRYPT, ACME_NAMES=names))
    assert why_due(wanted, pair, time()) == reason


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"ACME_EMAIL": ""}, "ACME_EMAIL must be an address such as ada@example.com, not ''"),
        ({"PUBLIC_URL": "http://chat.example.com"}, "PUBLIC_URL must be an address with https"),
        ({"PUBLIC_URL": "https://localhost"}, "'localhost' is no public name"),
        ({"PUBLIC_URL": "https://192.0.2.7"}, "'192.0.2.7' is no public name"),
        ({"PUBLIC_URL": "https://faß.example"}, "in the form that browsers send (chat.example.com, xn--…)"),
        ({"ACME_NAMES": "*.example.com"}, "'*.example.com' is no public name"),
        ({"ACME_DIRECTORY_URL": "http://authority.example"}, "ACME_DIRECTORY_URL must begin with https://"),
    ],
)
def test_wrong_setting_is_refused_by_name(home: Home, env: dict[str, str], message: str) -> None:
    command = [sys.executable, str(COMPANION), "--once"]
    env = home.settings(LETS_ENCRYPT) | {"PYTHONUTF8": "1"} | env
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 2
    assert message in done.stderr
    assert [*home.folders["account"].iterdir()] == []
