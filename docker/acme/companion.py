"""Keep a certificate by ACME: register, order by HTTP-01, and renew.

A certificate is renewed at two thirds of its life.

Runs beside nginx (compose.acme.yaml). nginx shows the folder of challenges, and reads `live/` in the folder of certificates:
a link to the newest pair of certificate and key. The link is replaced in one step, so nginx never reads half of a pair. After a
failure the pair in use stays; the reason is logged, and the order is tried again.

    companion.py            until a signal ends it
    companion.py --once     order if it is due; exit code 1 when that fails
    companion.py --check    whether the pair in use is good; for the container's health
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
RENEW_AT = 2 / 3  # of a certificate's life
# Later by up to this share of its life, so that certificates of one day are not all renewed in one minute.
JITTER = 1 / 30
CHECK_EVERY_S = 60.0
# Let's Encrypt takes five failed challenges an hour: tries begin at 0, 2, 6, 14 and 30 minutes.
FIRST_RETRY_S, LAST_RETRY_S = 120.0, 6 * 3600.0
# One order, all calls of the network and all waiting for the authority included.
ORDER_S = 300.0
OPENSSL_S = 60.0
NAME = re.compile(r"(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")


class WrongSetting(Exception):
    """A setting that no try will make right."""


class NotIssued(Exception):
    """The authority gave no certificate that can be used; says why."""


@dataclass(frozen=True)
class Settings:
    """What an operator set, and where things are."""

    names: tuple[str, ...]
    email: str
    directory_url: str
    account: Path
    certificates: Path
    challenges: Path

    @classmethod
    def read(cls, env: Mapping[str, str]) -> Settings:
        """Raise WrongSetting by name."""
        names = [*_host(env.get("PUBLIC_URL", "")), *re.split(r"[,\s]+", env.get("ACME_NAMES", "").lower().strip())]
        names = list(dict.fromkeys(name for name in names if name))
        for name in names:
            if not NAME.fullmatch(name):
                raise WrongSetting(
                    f"PUBLIC_URL or ACME_NAMES: {name!r} is no public name in the form that browsers send (chat.example.com,"
                    " xn--…)"
                )
        if not names:
            raise WrongSetting("PUBLIC_URL must be an address with https, for whose name the certificate is")
        email = env.get("ACME_EMAIL", "").strip()
        if not re.fullmatch(r"[^@\s,]+@[^@\s,]+", email):
            raise WrongSetting(f"ACME_EMAIL must be an address such as ada@example.com, not {email!r}")
        directory_url = env.get("ACME_DIRECTORY_URL", "").strip() or LETS_ENCRYPT
        if not directory_url.startswith("https://"):
            raise WrongSetting(f"ACME_DIRECTORY_URL must begin with https://, not {directory_url!r}")
        folders = (Path(env.get(f"ACME_{name}") or f"/srv/{name.lower()}") for name in ("ACCOUNT", "CERTIFICATES", "CHALLENGES"))
        return cls(tuple(names), email, directory_url, *folders)

    @property
    def order(self) -> dict[str, Any]:
        """Return the terms of an order: a change of them makes a new order due."""
        return {"names": list(self.names), "directory": self.directory_url}


def _host(public_url: str) -> list[str]:
    public = urlsplit(public_url.strip())
    return [public.hostname] if public.scheme == "https" and public.hostname else []


# --- the pair in use


@dataclass(frozen=True)
class Pair:
    """A certificate and its key in one folder."""

    folder: Path
    begins: float
    ends: float
    serial: str

    @property
    def life_s(self) -> float:
        return self.ends - self.begins

    @property
    def renew_at(self) -> float:
        """The same after each start: the jitter follows from the certificate."""
        jitter = random.Random(self.serial).random() * JITTER  # noqa: S311  # no secret
        return self.begins + self.life_s * (RENEW_AT + jitter)

    @classmethod
    def read(cls, folder: Path) -> Pair:
        """Read a certificate with its key from a folder.

        Raises OSError, ssl.SSLError or subprocess.CalledProcessError when it is not a certificate with its key.
        """
        certificate = folder / "certificate.pem"
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, folder / "key.pem")
        said = _openssl("x509", "-in", certificate, "-noout", "-serial", "-startdate", "-enddate")
        found = dict(line.split("=", 1) for line in said.splitlines())
        begins, ends = (float(ssl.cert_time_to_seconds(found[name])) for name in ("notBefore", "notAfter"))
        return cls(folder, begins, ends, found["serial"])


def live_pair(settings: Settings) -> Pair | None:
    """Return the pair that nginx uses; None if there is none."""
    try:
        return Pair.read((settings.certificates / "live").resolve(strict=True))
    except (OSError, ValueError, KeyError, subprocess.SubprocessError):
        return None


def why_due(settings: Settings, pair: Pair | None, now: float) -> str:
    """Return why another certificate is due; empty if none is."""
    if pair is None:
        return "there is none"
    try:
        order = json.loads((pair.folder / "order.json").read_text())
    except (OSError, ValueError):
        order = None
    if order != settings.order:
        return "its names or its authority changed"
    return "two thirds of its life are over" if now >= pair.renew_at else ""


# --- an order


def issue(settings: Settings) -> Pair:
    """Order a certificate, and put it in place of the one in use.

    Raises NotIssued; nothing has changed then.
    """
    folder = settings.certificates / f"{time.time_ns()}"
    try:
        _remove_leftovers(settings)
        folder.mkdir(mode=0o700)
        pair = _order(settings, folder)
        _put_in_place(settings, folder)
    except (OSError, ValueError, KeyError, subprocess.SubprocessError) as error:
        raise NotIssued(f"no usable certificate came of it: {error}") from error
    finally:
        _empty(settings.challenges)
        if _live_folder(settings) != folder.resolve():
            shutil.rmtree(folder, ignore_errors=True)
    return pair


def _order(settings: Settings, folder: Path) -> Pair:
    account_key = settings.account / "account.pem"
    if not account_key.exists():
        _openssl("genrsa", "-out", settings.account / "account.new", "3072")
        (settings.account / "account.new").rename(account_key)
    # A fresh key each time: a key that leaked unnoticed is of no use after the next renewal.
    key, request = folder / "key.pem", folder / "request.pem"
    _openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key)
    names = ",".join(f"DNS:{name}" for name in settings.names)
    _openssl("req", "-new", "-sha256", "-key", key, "-subj", "/", "-addext", f"subjectAltName={names}", "-out", request)
    (folder / "certificate.pem").write_text(_ask_authority(settings, account_key, request))
    (folder / "order.json").write_text(json.dumps(settings.order))
    pair = Pair.read(folder)
    if not pair.begins - 3600 <= time.time() < pair.ends:
        raise NotIssued("the certificate is not good now: is the clock right?")
    return pair


def _ask_authority(settings: Settings, account_key: Path, request: Path) -> str:
    """Return the chain.

    As a program with a limit of time: its calls of the network have none of their own.
    """
    command = [sys.executable, "-m", "acme_tiny", "--quiet", "--disable-check", "--directory-url", settings.directory_url]
    command += ["--account-key", str(account_key), "--csr", str(request), "--acme-dir", str(settings.challenges)]
    command += ["--contact", f"mailto:{settings.email}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=ORDER_S)
    except subprocess.TimeoutExpired as error:
        raise NotIssued(f"{settings.directory_url} gave no certificate within {ORDER_S:.0f} s") from error
    if done.returncode:
        raise NotIssued(reason_of(done.stderr))
    return done.stdout


def reason_of(traceback: str) -> str:
    """Return the last error, with the authority's own words if there are any."""
    what = re.findall(r"^\w*(?:Error|Exception): (.*)$", traceback, flags=re.MULTILINE)
    details = re.findall(r"""["']detail["']: (["'])(.*?)\1""", traceback)
    if not what:
        return traceback.strip().splitlines()[-1] if traceback.strip() else "it ended without a word"
    if details:
        return f"{what[-1].partition(': {')[0].rstrip(':')}: {details[-1][1]}"
    response = re.findall(r"^Response: (.*)$", traceback, flags=re.MULTILINE)
    return ": ".join([what[-1].rstrip(":"), *response[-1:]])


def _put_in_place(settings: Settings, folder: Path) -> None:
    for file in folder.iterdir():
        descriptor = os.open(file, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
    link = settings.certificates / "live.new"
    link.unlink(missing_ok=True)
    link.symlink_to(folder.name)
    link.rename(settings.certificates / "live")


def _live_folder(settings: Settings) -> Path | None:
    try:
        return (settings.certificates / "live").resolve(strict=True)
    except OSError:
        return None


def _remove_leftovers(settings: Settings) -> None:
    """Remove all pairs but the one in use, and all challenges.

    An nginx that read an older pair has it in memory.
    """
    kept = _live_folder(settings)
    for folder in settings.certificates.iterdir():
        if folder.is_dir() and not folder.is_symlink() and folder.resolve() != kept:
            shutil.rmtree(folder, ignore_errors=True)
    _empty(settings.challenges)


def _empty(folder: Path) -> None:
    with suppress(OSError):
        for file in folder.iterdir():
            file.unlink(missing_ok=True)


def _openssl(*arguments: str | Path) -> str:
    command = ["openssl", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=OPENSSL_S).stdout


# --- the program


def say(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {text}\n")


def day(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(at))


def try_once(settings: Settings, why: str, pair: Pair | None) -> Pair | None:
    """Order a certificate and log the result; return None after a failure."""
    say(f"ordering a certificate for {', '.join(settings.names)} from {settings.directory_url}: {why}")
    try:
        new = issue(settings)
    except NotIssued as error:
        kept = f"the one in use is good until {day(pair.ends)}" if pair else "there is none yet"
        say(f"error: no new certificate: {error}; {kept} (docs/runbooks/certificate.md)")
        return None
    say(f"a new certificate is in place, good until {day(new.ends)}; the next is ordered on {day(new.renew_at)}")
    return new


def keep(settings: Settings) -> NoReturn:
    """Look each minute; after a failure wait longer each time."""
    retry_s = FIRST_RETRY_S
    while True:
        pair = live_pair(settings)
        why = why_due(settings, pair, time.time())
        if not why or try_once(settings, why, pair):
            retry_s = FIRST_RETRY_S
            time.sleep(CHECK_EVERY_S)
            continue
        wait_s = retry_s * random.uniform(1, 1.25)  # noqa: S311  # no secret
        say(f"next try in {wait_s / 60:.0f} min")
        time.sleep(wait_s)
        retry_s = min(retry_s * 2, LAST_RETRY_S)


def main(arguments: list[str]) -> int:
    os.umask(0o077)
    try:
        settings = Settings.read(os.environ)
    except WrongSetting as error:
        say(f"error: {error}")
        return 2
    pair, now = live_pair(settings), time.time()
    if arguments == ["--check"]:
        # Half of the time that is left for a renewal is over.
        return 0 if pair and now < pair.ends - pair.life_s / 6 else 1
    if arguments == ["--once"]:
        why = why_due(settings, pair, now)
        return 0 if not why or try_once(settings, why, pair) else 1
    if arguments:
        say("error: --once, --check, or nothing")
        return 2
    keep(settings)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
