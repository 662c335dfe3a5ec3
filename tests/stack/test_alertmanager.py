"""Alertmanager in its container turns an alert into a message of a room.

The webhook's address is a file.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.stack.rolling import docker
from tests.stack.stack import Stack
from tests.support.api import with_token
from tests.support.chat_client import ChatClient, create_room, sign_up
from tests.support.ports import free_port

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

FILES = ("--file", "compose.yaml", "--file", "compose.observability.yaml")
# Debian's program where the published image has its own, which is not here; that image also has the health check's wget.
IMAGE = """
FROM {web}
USER 0
COPY prometheus-alertmanager /bin/alertmanager
COPY templates/ /usr/share/prometheus/alertmanager/
RUN install -d -o 65534 -g 65534 /alertmanager
"""
OVERRIDE = """
services:
  alertmanager:
    image: {image}
    healthcheck:
      test: [CMD, python, -c, "from urllib.request import urlopen; urlopen('http://127.0.0.1:9093/-/ready', timeout=4)"]
"""
ALERT = {
    "labels": {"alertname": "HubbubDown", "severity": "critical"},
    "annotations": {"summary": "Gone.", "description": "All."},
}


@pytest.fixture
def image(stack: Stack, tmp_path: Path) -> Iterator[str]:
    program = shutil.which("prometheus-alertmanager")
    assert program, "apt-get install prometheus-alertmanager"
    shutil.copy2(program, tmp_path / "prometheus-alertmanager")
    # Debian's reads them from there; the published one has them inside.
    shutil.copytree("/usr/share/prometheus/alertmanager", tmp_path / "templates", ignore=shutil.ignore_patterns("ui"))
    (tmp_path / "Dockerfile").write_text(IMAGE.format(web=f"{stack.project}-web:{stack.project}"))
    name = f"{stack.project}-alertmanager"
    docker("build", "--tag", name, str(tmp_path))
    yield name
    docker("image", "rm", name)


@pytest.mark.drill
async def test_alert_reaches_a_room_and_its_address_is_a_file(stack: Stack, image: str, tmp_path: Path) -> None:
    ada = await sign_up(stack.url)
    room = await create_room(stack.url, ada, private=True)
    async with with_token(stack.url, ada) as http:
        hook = (await http.post(f"/api/rooms/{room}/hooks", json={"name": "Alerts"})).json()
    (tmp_path / "override.yaml").write_text(OVERRIDE.format(image=image))
    files = (*FILES, "--file", str(tmp_path / "override.yaml"), "--profile", "observability")
    port = free_port()
    env = {"ALERTS_URL": hook["url"], "ALERTMANAGER_PORT": str(port)}
    try:
        written = stack.script("up", "--secrets", env=stack.env | env)
        assert written.returncode == 0, written.stderr
        started = stack.compose(*files, "up", "--detach", "--no-build", "--no-deps", "--wait", "alertmanager", env=env)
        assert started.returncode == 0, started.stderr + stack.logs("alertmanager")
        async with ChatClient(stack.ws("/ws/"), ada) as chat, httpx.AsyncClient(timeout=10) as http:
            await chat.join(room)
            (await http.post(f"http://127.0.0.1:{port}/api/v2/alerts", json=[ALERT])).raise_for_status()
            message = await chat.expect("message", timeout=60)
            assert (message["alias"], message["text"]) == ("Alertmanager", "🔥 HubbubDown\nGone. All.")
        (container,) = stack.containers("alertmanager")
        assert hook["token"] not in json.dumps(container)
        assert hook["token"] not in stack.logs("alertmanager")
        assert hook["token"] not in docker("top", container["Id"], "-eo", "pid,args")
        # The program's own page shows its settings.
        async with httpx.AsyncClient(timeout=10) as http:
            assert hook["token"] not in (await http.get(f"http://127.0.0.1:{port}/api/v2/status")).text
        host = container["HostConfig"]
        assert (host["ReadonlyRootfs"], host["CapDrop"], container["Config"]["User"]) == (True, ["ALL"], "65534:65534")
    finally:
        stack.compose(*files, "rm", "--stop", "--force", "alertmanager", env=env)
        # Compose made them for this file.
        for kind, names in (("volume", ("alertmanager", "grafana", "prometheus")), ("network", ("observability",))):
            docker(kind, "rm", "--force", *(f"{stack.project}_{name}" for name in names))
        stack.script("up", "--secrets")
