#!/usr/bin/env python3
"""Stands for `docker` on the PATH: reads .env as compose does, and has one role.

It has the volumes of the file `volumes`, each with its project and its name there, and the project's containers of the
file `containers`. Every call is a line of the file `calls` beside it, and fails if it has the word in the file `fails`.
With the file `refuses_name` the app refuses an administrator's. The file `role` has the password of the database's role,
`without_certificate` the number of times that nginx has none yet, and `logs` those of a container. A program of Python's
standard library alone, since the scripts under test start it.
"""

import json
import os
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def env_file(directory: str) -> dict[str, str]:
    """Return the plain lines of .env, the last one of each name."""
    file = Path(directory) / ".env"
    lines = file.read_text(errors="replace").splitlines() if file.exists() else []
    found = [re.fullmatch(r"(?:export )?([A-Z_]+)=(?:'(.*)'|(.*))", line) for line in lines]
    return {one[1]: one[2] if one[2] is not None else one[3] for one in found if one}


def settings(directory: str, asked: str) -> str:
    """Answer `compose config` of the file that read_settings writes."""
    values = env_file(directory) | os.environ
    names = re.findall(r'^ +([A-Z_]+): "', asked, flags=re.MULTILINE)
    if twice := sorted({name for name in names if names.count(name) > 1}):
        sys.exit(f"yaml: mapping key {twice[0]} already defined")
    environment = {name: values.get(name, "") for name in names}
    name = values.get("COMPOSE_PROJECT_NAME", "hubbub")
    return json.dumps({"name": name, "services": {"settings": {"environment": environment}}}, indent=2, ensure_ascii=False)


def main() -> None:
    arguments = sys.argv[1:]
    with (HERE / "calls").open("a") as calls:
        calls.write(json.dumps(arguments) + "\n")
    fails = HERE / "fails"
    if (fails.exists() and fails.read_text() in arguments) or "recovery.signal" in arguments[-1]:
        # Docker says some of its errors there.
        sys.stdout.write("OCI runtime exec failed\n" if "exec" in arguments else "")
        sys.exit(1)
    if "config" in arguments:
        sys.stdout.write(settings(arguments[arguments.index("--project-directory") + 1], sys.stdin.read()) + "\n")
    elif arguments[:2] == ["volume", "ls"]:
        wanted = {one.rpartition("=")[2] for one in arguments if "com.docker.compose" in one}
        volumes = [line.split() for line in (HERE / "volumes").read_text().splitlines()] if (HERE / "volumes").exists() else []
        found = [name for name, *labels in volumes if wanted <= {*labels}]
        sys.stdout.write("".join(f"{name}\n" for name in found if "label=hubbub.checkout" not in arguments))
    elif arguments[0] == "ps" and (HERE / "containers").exists():
        sys.stdout.write((HERE / "containers").read_text())
    elif "--new" in arguments:
        sys.exit(3 if (HERE / "refuses_name").exists() else 0)
    elif "ps" in arguments and "compose" in arguments:
        sys.stdout.write("web-1\n")
    elif arguments[-2:-1] == ["-Atc"]:
        # Postgres is in no recovery, and no time is yet to come.
        sys.stdout.write("f\n")
    elif "psql" in arguments:
        given = re.search(r"ALTER ROLE hubbub PASSWORD '(.*)'", sys.stdin.read())
        if given:
            (HERE / "role").write_text(given[1])
    else:
        installed(arguments)


def installed(arguments: list[str]) -> None:
    """Answer what install.sh asks once the stack runs."""
    if "account" in arguments:
        sys.stdout.write(f"{arguments[-1]} is an administrator\n")
    elif "logs" in arguments and (HERE / "logs").exists():
        sys.stdout.write((HERE / "logs").read_text())
    elif {"exec", "nginx"} <= {*arguments} and (HERE / "without_certificate").exists():
        left = int((HERE / "without_certificate").read_text())
        (HERE / "without_certificate").write_text(str(max(0, left - 1)))
        sys.exit(1 if left else 0)


main()
