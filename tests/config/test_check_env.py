"""`python -m config.check_env`: messages of `make up` about .env."""

import json
import subprocess
import sys

import pytest

from tests.support.server import ROOT, base_environment

pytestmark = pytest.mark.once


def check(**values: str | None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "config.check_env"]
    env = base_environment() | {"PYTHONPATH": str(ROOT / "app")}
    config = json.dumps({"name": "settings", "services": {"settings": {"image": "none", "environment": values or None}}})
    return subprocess.run(command, input=config, env=env, capture_output=True, text=True, timeout=30, check=False)


def test_misspelt_name_gets_the_closest_name() -> None:
    done = check(SIGNUP_OPNE="false", PORT="80")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "Warning: SIGNUP_OPNE is not a setting of Hubbub; did you mean SIGNUP_OPEN?\n"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"WORKERS": "3"}, "WORKERS is now WEB_CONCURRENCY: rename it\n"),
        ({"COALESCE": "tick"}, "COALESCE is no longer a setting: "),
        ({"PUBLIC_URL": "chat.example"}, "PUBLIC_URL is 'chat.example': use "),
        ({"NGINX_WORKER_PROCESSES": "many"}, "NGINX_WORKER_PROCESSES is 'many': use a whole number"),
        ({"LOG_FORMAT": "a$$b"}, "LOG_FORMAT is 'a$b': use one of "),
    ],
)
def test_a_wrong_setting_is_refused_by_name(values: dict[str, str], message: str) -> None:
    done = check(PORT="80", **values)
    assert done.returncode == 3
    assert done.stderr.startswith(message)


def test_empty_settings_are_accepted() -> None:
    for done in (check(), check(PORT=None)):
        assert (done.returncode, done.stderr) == (0, "")
