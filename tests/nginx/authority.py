"""A local certificate authority: pebble.

Its name server resolves every name to this machine.
"""

import json
import os
import ssl
import urllib.request
from pathlib import Path
from typing import Self

from tests.support.certificates import make_certificate
from tests.support.ports import free_port
from tests.support.processes import Process, start_on_free_ports


class Authority:
    """A local authority that asks for challenges on `http_port` of this machine.

    Its certificates live for `life_s`.

    It listens by its own `name`.
    """

    def __init__(
        self,
        directory: Path,
        http_port: int,
        *,
        life_s: int = 90 * 86_400,
        name: str = "localhost",
        listen: str = "127.0.0.1",
    ) -> None:
        self.directory = directory
        self._http_port, self._life_s = http_port, life_s
        self._name, self._listen = name, listen
        self._started: list[Process] = []
        self._management = 0
        # The certificate of its own addresses.
        self.own_certificate = directory / "certificate.pem"
        self.url = ""

    def __enter__(self) -> Self:
        _, key = make_certificate(self.directory, days=90, name=self._name)
        start_on_free_ports(lambda: self._start(key))
        return self

    def __exit__(self, *_exception: object) -> None:
        while self._started:
            self._started.pop().kill()

    def _start(self, key: Path) -> None:
        self.__exit__()
        names, api = free_port(), free_port()
        self._management, self.url = free_port(), f"https://{self._name}:{api}/dir"
        resolver = ["pebble-challtestsrv", "-defaultIPv4", "127.0.0.1", "-defaultIPv6", "", "-dns01", f"127.0.0.1:{names}"]
        resolver += ["-management", f"127.0.0.1:{free_port()}", "-http01", "", "-https01", "", "-tlsalpn01", ""]
        self._run(resolver, {}, "resolver", "Starting")
        settings = {
            "listenAddress": f"{self._listen}:{api}",
            "managementListenAddress": f"127.0.0.1:{self._management}",
            "certificate": str(self.own_certificate),
            "privateKey": str(key),
            "httpPort": self._http_port,
            "tlsPort": free_port(),
            "certificateValidityPeriod": self._life_s,
        }
        (self.directory / "pebble.json").write_text(json.dumps({"pebble": settings}))
        command = ["pebble", "-config", str(self.directory / "pebble.json"), "-dnsserver", f"127.0.0.1:{names}"]
        # Each order has a challenge of its own. It refuses some requests for their nonce, as it does by default.
        self._run(command, {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_AUTHZREUSE": "0"}, "pebble", "ACME directory available")

    def _run(self, command: list[str], env: dict[str, str], name: str, ready: str) -> None:
        log = self.directory / f"{name}.log"
        log.unlink(missing_ok=True)
        process = Process(command, env={"PATH": os.environ["PATH"], **env}, log=log, cwd=self.directory)
        self._started.append(process)
        process.wait_until(lambda: ready in log.read_text(), timeout=20, what=name)

    def trust(self) -> ssl.SSLContext:
        """Return a client's context that trusts the certificates of this authority."""
        own = ssl.create_default_context(cafile=str(self.own_certificate))
        own.check_hostname = False  # its name may lead here from a container alone
        with urllib.request.urlopen(f"https://localhost:{self._management}/roots/0", timeout=10, context=own) as answer:
            return ssl.create_default_context(cadata=answer.read().decode())
