"""`python -m loadtest`: a headless run configured by environment variables.

scripts/load lists the variables.

Exit codes: 0 all gates held; 1 a gate was missed, or no server answered; 2 an unusable option; 3 the generator was starved, so
that the run proves nothing.
"""

import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import NoReturn

from loadtest import options, stopping, values

_HERE = Path(__file__).parent
_OWN = ("report",)  # passed differently, see below
_PROBE_TIMEOUT = 10
_SEED_TIMEOUT = 300


def main(env: dict[str, str]) -> NoReturn:
    """Check the options and the server, then become Locust; exit if a check fails."""
    try:
        url = values.url("URL", env.get("URL") or "http://127.0.0.1:8000")
        options.shape("SHAPE", env.get("SHAPE") or "smoke")
        command = locust(url, env)
    except values.BadOption as error:
        _fail(2, str(error))
    problem = "" if env.get("ROLE") == "worker" else silence_at(url)
    if problem:
        _fail(
            1,
            f"nothing answers at {url} ({problem}). Start the server (make run, make up), or say where it is: "
            "make load URL=http://host:port",
        )
    os.execve(sys.executable, command, env)  # noqa: S606  # our own interpreter; no shell is wanted


def _fail(code: int, message: str) -> NoReturn:
    print(f"load: {message}", file=sys.stderr)
    sys.exit(code)


def locust(url: str, env: dict[str, str]) -> list[str]:
    """Return Locust's command line for these variables; raises BadOption."""
    users = values.whole("USERS", env.get("USERS") or "20")
    values.duration("TIME", env.get("TIME") or "15s")
    rate = f"{values.number('SPAWN_RATE', env.get('SPAWN_RATE') or '20', least=0.1):g}"
    report = Path(env.get("REPORT") or _HERE.parent / "artifacts" / "load")
    report.mkdir(parents=True, exist_ok=True)
    if env.get("SEED") and not env.get("TOKENS"):
        env = env | {"TOKENS": seeded(env["SEED"], users, report)}
    command = [sys.executable, "-m", "locust", "--locustfile", str(_HERE / "locustfile.py"), "--only-summary"]
    command += ["--host", url, "--users", str(users), "--spawn-rate", rate]
    command += ["--loglevel", "WARNING", "--report", str(report), *role(env)]
    if env.get("ROLE") != "worker":
        # report.py has already written it; without the option Locust prints its tables.
        command += ["--json-file", str(report / "locust")]
    for name, _, _ in options.ARGUMENTS:
        variable = name.upper().replace("-", "_")
        if name not in _OWN and env.get(variable):
            command += [f"--{name}", env[variable]]
    return command


def role(env: dict[str, str]) -> list[str]:
    """Return the options for this process's role.

    Alone, master, or a worker with users.

    ROLE=master waits for EXPECT_WORKERS workers at MASTER_PORT and serves Locust's page at WEB_PORT, or with HEADLESS=1 starts by
    itself; ROLE=worker connects to MASTER. Without ROLE, PROCESSES workers are started here. Raises BadOption.
    """
    expected = ["--expect-workers", str(values.whole("EXPECT_WORKERS", env.get("EXPECT_WORKERS") or "1"))]
    match env.get("ROLE") or "":
        case "master":
            page = ["--web-port", env.get("WEB_PORT") or "8089"]
            if values.yes("HEADLESS", env.get("HEADLESS") or ""):
                page = ["--headless"]
            return ["--master", *expected, *page, "--master-bind-port", env.get("MASTER_PORT") or "5557"]
        case "worker":
            return ["--worker", *expected, "--master-host", env.get("MASTER") or "127.0.0.1",
                    "--master-port", env.get("MASTER_PORT") or "5557"]  # fmt: skip
        case "":
            processes = values.whole("PROCESSES", env.get("PROCESSES") or "1")
            if processes == 1:
                return ["--headless"]
            port = str(_free_port())
            ports = ["--master-bind-host", "127.0.0.1", "--master-bind-port", port, "--master-port", port]
            return ["--headless", "--processes", str(processes), *ports]
        case other:
            raise values.BadOption(f"ROLE={other!r} does not exist; there is: master, worker")


def seeded(command: str, users: int, report: Path) -> str:
    """Run SEED, a command that prints a token per line for `{n}` users.

    Return the file of tokens.

    Raises BadOption if it fails or prints too few.
    """
    if "{n}" not in command:
        raise values.BadOption(f"SEED={command!r} must say {{n}} where the number of users belongs")
    try:
        done = subprocess.run(  # noqa: S602  # a command line of the person who runs this
            command.replace("{n}", str(users)), shell=True, capture_output=True, text=True, timeout=_SEED_TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired:
        raise values.BadOption(f"SEED={command!r} did not end within {_SEED_TIMEOUT:g} s") from None
    tokens = done.stdout.split()
    if done.returncode or len(tokens) < users:
        said = (done.stderr.strip().splitlines() or [f"it printed {len(tokens)} tokens"])[-1]
        raise values.BadOption(f"SEED={command!r} ended with {done.returncode}: {said}")
    file = report / "tokens"
    file.touch(mode=0o600)
    file.write_text("\n".join(tokens[-users:]) + "\n")
    return str(file)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def silence_at(url: str) -> str:
    """Return why `url` gives no HTTP answer; empty if it gives any."""
    try:
        urllib.request.urlopen(f"{url}/", timeout=_PROBE_TIMEOUT).close()  # noqa: S310  # http(s) only: values.url
    except urllib.error.HTTPError:
        return ""
    except urllib.error.URLError as error:
        return str(error.reason)
    except (OSError, ValueError) as error:
        return str(error) or type(error).__name__
    return ""


if __name__ == "__main__":
    stopping.exit_on_signals()  # until Locust takes over
    main(dict(os.environ))
