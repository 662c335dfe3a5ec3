"""Runs of the load generator, and servers with faults for it to find.

A run takes seconds and mostly waits, so the runs of a module are started several at a time. A test states its run
with the mark `load`, and gets it through the fixture `run`:

    @pytest.mark.load(fault="lose", USERS="5")
    def test_a_lost_event_fails_the_run(run: LoadRun) -> None: …

`fault` belongs to the server (faulty_server.py), `proxy` to a proxy before the product's (faulty_proxy.py); without them or
a `URL`, the product's server runs with the settings in `server`. `arguments` are scripts/load's, `split` is run_load's, all
others are variables. A test's own mark overrides its module's, and both override QUICK.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.loadtest import runs
from tests.loadtest.preloaded import Preloaded
from tests.loadtest.runs import AtOnce, LoadRun
from tests.support.ports import accepts, free_port
from tests.support.processes import Process
from tests.support.profile import Profile
from tests.support.server import ROOT, Server, base_environment

THRESHOLDS = str(Path(__file__).with_name("thresholds.toml"))
QUICK = {
    "USERS": "10",
    "TIME": "2s",
    "THINK": "0.2-0.5",
    "RECONNECTS": "0",
    "THRESHOLDS": THRESHOLDS,
    "GATES": "busy",
    "PICTURE": "0",
}
AT_ONCE = 3

RunLoad = Callable[..., LoadRun]
Faulty = Callable[[str], str]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each test the time limit of its run.

    The run may wait for its turn on a busy machine.
    """
    for item in items:
        waits = {"run", "run_load"} & set(getattr(item, "fixturenames", ())) and item.path.parent == Path(__file__).parent
        if waits and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(300))


@pytest.fixture
def run_load(tmp_path: Path) -> RunLoad:
    """Run `scripts/load` to its end: `run_load(url, USERS="5")`.

    By default quick, with 10 users.
    """

    def run(url: str, **env: str) -> LoadRun:
        return runs.run_load(url, tmp_path / "report", QUICK | env)

    return run


@pytest.fixture(scope="module")
def faulty_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faulty]:
    """Return the address of a server with one broken promise: `faulty_server("lose")`."""
    port = free_port()
    program = Path(__file__).with_name("faulty_server.py")
    log = tmp_path_factory.mktemp("faulty") / "log"
    process = Process([sys.executable, program, "--port", str(port)], env=base_environment(), log=log, cwd=ROOT)
    try:
        process.wait_until(lambda: accepts(port), timeout=20, what="the faulty server")
        yield lambda fault: f"http://127.0.0.1:{port}/{fault}"
    finally:
        process.kill()


@pytest.fixture(scope="module")
def faulty_proxy(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faulty]:
    """Return an address of the server behind a proxy that breaks one promise.

    The argument names the promise: `faulty_proxy("hide-places")`.
    """
    port = free_port()
    program = Path(__file__).with_name("faulty_proxy.py")
    log = tmp_path_factory.mktemp("proxy") / "log"
    process = Process(
        [sys.executable, program, "--port", str(port), "--to", server.base_url], env=base_environment(), log=log, cwd=ROOT
    )
    try:
        process.wait_until(lambda: accepts(port), timeout=20, what="the proxy")
        yield lambda fault: f"http://127.0.0.1:{port}/{fault}"
    finally:
        process.kill()


@pytest.fixture(scope="session")
def preloaded() -> Iterator[Preloaded]:
    with Preloaded() as one:
        yield one


@pytest.fixture(scope="module")
def module_runs(
    request: pytest.FixtureRequest, profile: Profile, preloaded: Preloaded, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AtOnce[LoadRun]]:
    """All runs of this module's selected tests, already started."""
    items = [item for item in request.session.items if item.path == request.path and "run" in getattr(item, "fixturenames", ())]
    with ExitStack() as exits, AtOnce[LoadRun](AT_ONCE) as made:
        own = []
        for number, item in enumerate(items):
            marked = _settings_of(item)
            arguments = {"arguments": marked.pop("arguments", ()), "split": marked.pop("split", False)}
            settings, fault, proxied = marked.pop("server", {}), marked.pop("fault", None), marked.pop("proxy", None)
            report = tmp_path_factory.mktemp("runs") / f"{number}"
            job = partial(runs.run_load, report=report, env=QUICK | marked, preloaded=preloaded, **arguments)
            if settings:
                own.append((item.nodeid, settings, job))
                continue
            if proxied:
                url = request.getfixturevalue("faulty_proxy")(proxied)
            elif fault:
                url = request.getfixturevalue("faulty_server")(fault)
            else:
                url = marked.get("URL") or request.getfixturevalue("server").base_url
            made.give(item.nodeid, partial(job, url))
        # Started in the main thread: the kernel ends its children when the tests end in any way.
        for name, settings, job in own:
            server = Server(profile, settings)
            exits.callback(server.close)
            server.start()
            made.give(name, partial(job, server.base_url))
        yield made


@pytest.fixture
def run(request: pytest.FixtureRequest, module_runs: AtOnce[LoadRun]) -> LoadRun:
    """The finished run of this test's mark `load`."""
    return module_runs.result(request.node.nodeid)


def _settings_of(item: pytest.Item) -> dict[str, Any]:
    marked: dict[str, Any] = {}
    for mark in item.iter_markers("load"):
        marked = {**mark.kwargs, **marked}
    return marked
