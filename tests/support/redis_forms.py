"""A real Redis for each form of REDIS_URL in docs/deploy.md."""

import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

import redis

from core.redis_faults import RIGHTS
from tests.support.ports import free_port
from tests.support.services import Redis

USER, SECRET = "hubbub", "p@ss/w#rd?:"
QUOTED = "p%40ss%2Fw%23rd%3F%3A"
DATABASE = 3


@dataclass
class Form:
    """A value of REDIS_URL, the server of its first shard, and its database number."""

    url: str
    first: Redis
    database: int = 0


class Sentinel(Redis):
    """A sentinel that watches `master` under the name `chat`.

    It promotes a replica once `quorum` sentinels miss the master for a second.
    """

    def __init__(self, master: Redis, quorum: int = 1) -> None:
        super().__init__()
        self._master, self._quorum = master, quorum

    def _command(self) -> list[str | Path]:
        settings = {"port": self.port, "bind": "127.0.0.1", "dir": self.directory}
        lines = [f"{name} {value}" for name, value in settings.items()]
        lines += [f"sentinel monitor chat 127.0.0.1 {self._master.port} {self._quorum}"]
        lines += [f"sentinel auth-pass chat {self._master.password}", "sentinel down-after-milliseconds chat 1000"]
        lines += ["sentinel failover-timeout chat 10000"]
        configuration = self.directory / "sentinel.conf"
        configuration.write_text("\n".join(lines))
        return [str(super()._command()[0]), configuration, "--sentinel"]

    def sentinel_client(self) -> redis.Redis:
        """Return a client that asks the sentinel; close it."""
        return redis.Redis(port=self.port, socket_timeout=2, decode_responses=True)

    def _ready(self) -> bool:
        try:
            with self.sentinel_client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


class Replica(Redis):
    """A replica of `master`, which a sentinel may promote."""

    def __init__(self, master: Redis) -> None:
        super().__init__(replicaof=f"127.0.0.1 {master.port}", masterauth=master.password)
        self.password = master.password

    def role(self) -> str:
        """Return master or slave, as Redis calls them."""
        with self.client() as client:
            return str(client.info("replication")["role"])

    def follows(self) -> bool:
        """Return whether it has its master's data."""
        with self.client() as client:
            return client.info("replication").get("master_link_status") == "up"


def add_user(server: Redis, *rights: str) -> None:
    """Add the user USER with exactly these rights, by default those of docs/deploy.md."""
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", USER, "reset", "on", f">{SECRET}", *(rights or RIGHTS.split()))


def _address(server: Redis) -> str:
    return f"127.0.0.1:{server.port}"


def _plain(exits: ExitStack) -> Form:
    server = exits.enter_context(Redis())
    with server.client() as client:
        client.config_set("requirepass", "")
    server.password = ""
    return Form(f"redis://{_address(server)}", server)


def _password(exits: ExitStack) -> Form:
    server = exits.enter_context(Redis())
    return Form(f"redis://:{server.password}@{_address(server)}/{DATABASE}", server, DATABASE)


def _user(exits: ExitStack) -> Form:
    server = exits.enter_context(Redis())
    add_user(server)
    return Form(f"redis://{USER}:{QUOTED}@{_address(server)}/{DATABASE}", server, DATABASE)


def _unix(exits: ExitStack) -> Form:
    server = Redis()
    server._options["unixsocket"] = server.directory / "redis.sock"  # its directory is known only now
    exits.enter_context(server)
    return Form(f"unix://:{server.password}@{server.directory}/redis.sock?db={DATABASE}", server, DATABASE)


def _unix_user(exits: ExitStack) -> Form:
    form = _unix(exits)
    add_user(form.first)
    return Form(f"unix://{USER}:{QUOTED}@{form.first.directory}/redis.sock", form.first)


def _tls(exits: ExitStack) -> Form:
    server = Redis()
    authority = certificate(server.directory)
    server._options |= {"tls-port": "0", "tls-auth-clients": "no", "tls-ca-cert-file": authority}
    server._options |= {"tls-cert-file": authority, "tls-key-file": server.directory / "key.pem"}
    exits.enter_context(server)
    with server.client() as client:
        client.config_set("tls-port", port := free_port())
    return Form(f"rediss://:{server.password}@127.0.0.1:{port}/{DATABASE}?ssl_ca_certs={authority}", server, DATABASE)


def _sentinel(exits: ExitStack) -> Form:
    master = exits.enter_context(Redis())
    sentinels = [exits.enter_context(Sentinel(master)) for _ in range(2)]
    url = ",".join(f"sentinel://:{master.password}@{_address(one)}/chat" for one in sentinels)
    return Form(url, master)


def _sentinel_user(exits: ExitStack) -> Form:
    form = _sentinel(exits)
    add_user(form.first)
    url = ",".join(f"sentinel://{USER}:{QUOTED}@{address.split('@')[1]}/{DATABASE}" for address in form.url.split(","))
    return Form(url, form.first, DATABASE)


def _shards(exits: ExitStack) -> Form:
    servers = [exits.enter_context(Redis()) for _ in range(3)]
    url = ",".join(f"redis://:{one.password}@{_address(one)}/{DATABASE}" for one in servers)
    return Form(url, servers[0], DATABASE)


FORMS: dict[str, Callable[[ExitStack], Form]] = {
    "plain": _plain,
    "password": _password,
    "user": _user,
    "unix": _unix,
    "unix-user": _unix_user,
    "tls": _tls,
    "sentinel": _sentinel,
    "sentinel-user": _sentinel_user,
    "shards": _shards,
}


def certificate(directory: Path) -> Path:
    """Write a self-signed cert.pem for 127.0.0.1 and key.pem; return the former."""
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"]
    command += ["-subj", "/CN=redis", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(directory / "key.pem"), "-out", str(directory / "cert.pem")]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    return directory / "cert.pem"


def until(condition: Callable[[], bool], *, within: float, what: str) -> None:
    """Wait until a condition is true; raises AssertionError with `what`."""
    deadline = monotonic() + within
    while not condition():
        assert monotonic() < deadline, what
        sleep(0.05)
