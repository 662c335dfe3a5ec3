"""scripts/render_nginx: the container's configuration, and clear refusals."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.nginx.front import ROOT

PLAIN = {"PATH": os.environ["PATH"], "RESOLVER": "127.0.0.11"}


def render(out: Path, **env: str) -> subprocess.CompletedProcess[str]:
    command = [ROOT / "scripts" / "render_nginx", out]
    return subprocess.run(command, env=PLAIN | env, capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"LIMIT_HANDSHAKES_PER_S": "many"}, "LIMIT_HANDSHAKES_PER_S must be a whole number from 0 to 100000, not 'many'"),
        ({"LIMIT_REQUESTS_PER_S": "-1"}, "LIMIT_REQUESTS_PER_S must be a whole number"),
        ({"LIMIT_CONNECTIONS": "99999999999999999999"}, "LIMIT_CONNECTIONS must be a whole number"),
        ({"DRAIN_SECONDS": "1; evil on"}, "DRAIN_SECONDS must be a whole number"),
        ({"TRUSTED_PROXIES": "10.0.0.0/8,load-balancer"}, "must list addresses or networks (10.0.0.0/8), not 'load-balancer'"),
        ({"UPSTREAM": "web"}, "UPSTREAM must be name:port, not 'web'"),
        ({"UPSTREAM": "web:80; evil on"}, "UPSTREAM holds a character that is not allowed"),
        ({"TLS_CERTIFICATE": "/nowhere.pem"}, "TLS_CERTIFICATE is set, TLS_KEY is not: TLS needs both"),
        ({"TLS_KEY": "/nowhere.pem"}, "TLS_KEY is set, TLS_CERTIFICATE is not: TLS needs both"),
        ({"TLS_CERTIFICATE": "/nowhere.pem", "TLS_KEY": "/nowhere.key"}, "cannot read '/nowhere.pem' (TLS_CERTIFICATE, TLS_KEY)"),
        ({"ACME_CERTIFICATES": "/nowhere"}, "ACME_CERTIFICATES and ACME_CHALLENGES go together"),
        ({"ACME_CHALLENGES": "/nowhere"}, "ACME_CERTIFICATES and ACME_CHALLENGES go together"),
        ({"ACME_CERTIFICATES": "/a", "ACME_CHALLENGES": "/b", "TLS_CERTIFICATE": "/c"}, "one of them names the certificate"),
        ({"NGINX_VERSION": "1.22.1"}, "UPSTREAM must be an IPv4 address: nginx 1.22.1 cannot follow the name 'web:8000'"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_by_name(tmp_path: Path, env: dict[str, str], message: str) -> None:
    answer = render(tmp_path / "out", **env)
    assert answer.returncode == 2
    refusal = answer.stderr.splitlines()[-1]
    assert refusal.startswith("error: ")
    assert message in refusal
    assert not (tmp_path / "out").exists()


def test_upstream_is_resolved_by_name(tmp_path: Path) -> None:
    assert render(tmp_path, UPSTREAM="web.hubbub.svc.cluster.local:8000", RESOLVER="fd00::a").returncode == 0
    upstream = (tmp_path / "includes" / "upstream.conf").read_text()
    assert "server web.hubbub.svc.cluster.local:8000 resolve " in upstream
    assert "resolver [fd00::a] valid=1s" in upstream


def test_new_name_is_known_within_five_seconds(tmp_path: Path) -> None:
    """tests/stack/test_restarts.py tests the whole recovery."""
    assert render(tmp_path).returncode == 0
    upstream = (tmp_path / "includes" / "upstream.conf").read_text()
    name, unanswered = (int(re.findall(rf"{setting}[= ](\d+)s", upstream)[-1]) for setting in ("valid", "resolver_timeout"))
    assert max(name, unanswered) <= 4, "nginx counts whole seconds"


def test_no_server_is_ever_marked_as_failed(tmp_path: Path) -> None:
    assert render(tmp_path, UPSTREAM="web:8000,10.0.0.7:8000,10.0.0.8:8001").returncode == 0
    lines = [line.strip() for line in (tmp_path / "includes" / "upstream.conf").read_text().splitlines()]
    servers = [line for line in lines if line.startswith("server ")]
    assert servers == [
        "server web:8000 resolve max_fails=0;",
        "server 10.0.0.7:8000 max_fails=0;",
        "server 10.0.0.8:8001 max_fails=0;",
    ]


@pytest.mark.parametrize(
    ("search", "server"),
    [
        ("search chat.svc.cluster.local svc.cluster.local cluster.local", "web.chat.svc.cluster.local:8000"),
        ("search chat.svc.example.internal svc.example.internal", "web.chat.svc.example.internal:8000"),
        ("search office.example.com", "web:8000"),
        ("", "web:8000"),
    ],
)
def test_bare_name_resolves_in_the_pods_namespace(tmp_path: Path, search: str, server: str) -> None:
    resolv = tmp_path / "resolv.conf"
    resolv.write_text(f"nameserver 10.96.0.10\n{search}\noptions ndots:5\n")
    assert render(tmp_path / "out", UPSTREAM="web:8000", RESOLVER="", NGINX_RESOLV_CONF=str(resolv)).returncode == 0
    upstream = (tmp_path / "out" / "includes" / "upstream.conf").read_text()
    assert f"server {server} resolve " in upstream
    assert "resolver 10.96.0.10 " in upstream


def test_rendered_configuration_has_no_placeholder(tmp_path: Path) -> None:
    assert render(tmp_path).returncode == 0
    files = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.conf"))
    templates = ROOT / "nginx" / "templates"
    expected = {path.relative_to(templates).as_posix().removesuffix(".template") for path in templates.rglob("*.template")}
    with_tls = {"server-plain.conf", "server-tls.conf", "includes/acme.conf", "includes/tls.conf"}
    assert set(files) == expected - with_tls | {"server.conf"}
    for file in files:
        assert "${" not in (tmp_path / file).read_text(), file


def test_worker_connections_stay_below_the_file_limit(tmp_path: Path) -> None:
    command = ["prlimit", "--nofile=512", str(ROOT / "scripts" / "render_nginx"), str(tmp_path)]
    answer = subprocess.run(command, env=PLAIN, capture_output=True, text=True, timeout=30, check=True)
    assert "at most 512 open files: 256 connections a worker" in answer.stderr
    assert "worker_connections 256;" in (tmp_path / "nginx.conf").read_text()


def test_nginx_has_a_worker_for_each_cpu_of_compose(tmp_path: Path) -> None:
    """Two workers on one CPU batch fewer messages.

    A delivery takes a third more processor time.
    """
    assert render(tmp_path).returncode == 0
    workers = re.search(r"worker_processes (\d+);", (tmp_path / "nginx.conf").read_text())
    nginx = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["nginx"]
    assert workers is not None
    assert int(workers[1]) == float(nginx["deploy"]["resources"]["limits"]["cpus"])
