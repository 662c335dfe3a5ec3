"""Debian's Prometheus and Alertmanager on free ports, with our configuration."""

import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import httpx
import yaml

from tests.support.ports import free_port
from tests.support.processes import Process, StartError, start_on_free_ports
from tests.support.server import ROOT
from tests.support.services import MissingService

MONITORING = ROOT / "monitoring"


class Program:
    """A daemon with a page /-/ready and its own directory."""

    name: str

    def __init__(self, directory: Path) -> None:
        self.directory, self.port = directory / self.name, 0
        self.directory.mkdir()
        if shutil.which(self.name) is None:
            raise MissingService(f"{self.name} is not installed: apt-get install prometheus prometheus-alertmanager")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        start_on_free_ports(self._start)
        return self

    def _start(self) -> None:
        self.port = free_port()
        env = os.environ | dict(self.environment())
        self.process = Process(self.command(), env=env, log=self.directory / "log", cwd=self.directory)
        try:
            self.process.wait_until(self._ready, timeout=60, what=self.name)
        except StartError:
            self.process.kill()
            raise

    def __exit__(self, *_: object) -> None:
        self.process.kill()

    def _ready(self) -> bool:
        with suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/-/ready", timeout=2).is_success
        return False

    def command(self) -> list[str | Path]:
        raise NotImplementedError

    def environment(self) -> Mapping[str, str]:
        return {}


class Alertmanager(Program):
    """Started by our script, as in compose."""

    name = "prometheus-alertmanager"

    def __init__(self, directory: Path, alerts_url: str, proxy: str = "") -> None:
        super().__init__(directory)
        self.alerts_url, self.proxy = alerts_url, proxy

    def environment(self) -> Mapping[str, str]:
        secret = self.directory / "ALERTS_URL"
        secret.write_text(self.alerts_url)
        made = {"ALERTMANAGER": self.name, "ALERTS_DIRECTORY": str(self.directory)}
        return made | {"ALERTS_URL_FILE": str(secret), "ALERTS_PROXY": self.proxy}

    def command(self) -> list[str | Path]:
        listens = f"--web.listen-address=127.0.0.1:{self.port}"
        return [MONITORING / "alertmanager" / "start", f"--storage.path={self.directory}", "--cluster.listen-address=", listens]


class Prometheus(Program):
    """Our configuration with other addresses, and a second between two scrapes.

    With `replicas` it is started by our script, as in compose.
    """

    name = "prometheus"

    def __init__(
        self, directory: Path, targets: list[str], alertmanager: str = "", rules: Path | None = None, replicas: int | None = None
    ) -> None:
        super().__init__(directory)
        self.replicas = replicas
        config = yaml.safe_load((MONITORING / "prometheus" / "prometheus.yml").read_text())
        config["global"] |= {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
        config["scrape_configs"] = [{"job_name": "hubbub", "static_configs": [{"targets": targets}]}]
        _, written = config["rule_files"]
        config["rule_files"] = [
            str(rules or MONITORING / "prometheus" / "rules.yaml"),
            written.replace("/tmp", str(self.directory)),
        ]
        config["alerting"]["alertmanagers"] = [{"static_configs": [{"targets": [alertmanager] if alertmanager else []}]}]
        (self.directory / "prometheus.yml").write_text(yaml.safe_dump(config))

    def environment(self) -> Mapping[str, str]:
        made = {"RUNBOOKS_URL": "https://docs.example.org/runbooks"}
        if self.replicas is not None:
            made |= {"PROMETHEUS": self.name, "REPLICAS_DIRECTORY": str(self.directory), "WEB_REPLICAS": str(self.replicas)}
        return made

    def command(self) -> list[str | Path]:
        return [
            self.name if self.replicas is None else MONITORING / "prometheus" / "start",
            f"--config.file={self.directory / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.directory / 'data'}",
            "--enable-feature=expand-external-labels",  # the default from Prometheus 3 on
            f"--web.listen-address=127.0.0.1:{self.port}",
        ]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the samples of a query now; raises AssertionError with its error."""
        answer = httpx.get(f"{self.url}/api/v1/query", params={"query": expression}, timeout=10).json()
        assert answer["status"] == "success", f"{expression}: {answer.get('error')}"
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found


def until(holds: Callable[[], Any], what: str, seconds: float = 60) -> Any:
    """Return what `holds` returns once it is true."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, what
        time.sleep(0.3)
    return found


def dashboards() -> dict[str, dict[str, Any]]:
    """Return each dashboard as Grafana reads it, by the name of its file."""
    return {path.stem: json.loads(path.read_text()) for path in (MONITORING / "grafana" / "dashboards").glob("*.json")}
