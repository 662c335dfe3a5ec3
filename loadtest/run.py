"""Run inside Locust: options, users by the shape, the report and the exit code.

`prepare()` in a locustfile does all of it; import `Led` as well, since Locust looks for load shapes there.
"""

import secrets
import sys
from dataclasses import dataclass
from typing import Any

import gevent
from locust import LoadTestShape, events

from loadtest import gates, link, options, page, picture, report, shapes, stopping
from loadtest.chat_socket import ChatSocket
from loadtest.clock import Clock
from loadtest.conductor import Conductor
from loadtest.options import Settings
from loadtest.trial import Trial
from loadtest.values import BadOption

_AT_ONCE = 100.0  # most users a second a shape may add: Locust does not manage more


@dataclass
class _Run:
    conductor: Conductor | None = None
    follower: link.Follower | None = None
    verdict: int | None = None


_run = _Run()


class Led(LoadTestShape):
    """Gives Locust the number of users our conductor wants.

    Locust's other options keep working.
    """

    use_common_options = True

    def tick(self) -> tuple[int, float] | None:
        """Return wanted users and spawn rate; None after the run."""
        assert self.runner is not None
        if _run.conductor is None:
            begin(self.runner.environment)
        conductor = _run.conductor
        if conductor is None or conductor.over:
            return None
        given: Any = self.runner.environment.parsed_options
        return conductor.users_wanted(), min(_AT_ONCE, given.spawn_rate or 20)


def prepare() -> None:
    """Make Locust run its users under our conductor.

    Call it once, at the end of a locustfile.
    """
    events.init_command_line_parser.add_listener(options.add_arguments)
    events.init.add_listener(_on_init)
    events.test_start.add_listener(_on_test_start)
    events.test_stop.add_listener(_on_test_stop)
    events.quitting.add_listener(_on_quitting)
    events.user_error.add_listener(_on_user_error)


def begin(environment: Any) -> None:
    """Begin a run on its leader; fix open options so that all processes agree."""
    given = environment.parsed_options
    given.run_id = secrets.token_hex(4)
    given.members = str(given.num_users or 1)
    shape = shapes.of(settings(environment))
    _run.verdict = None
    _run.conductor = link.lead(environment.runner, lambda send, processes: Conductor(shape, send, processes))


def settings(environment: Any) -> Settings:
    """Return the options of this process; raises BadOption."""
    given = environment.parsed_options
    given.host = environment.host or given.host
    return options.settings(given)


def _on_init(environment: Any, **_: Any) -> None:
    """Check the options before the first message is sent."""
    runner = environment.runner
    if link.is_leader(runner):
        try:
            asked = settings(environment)
            gates.limits(asked.thresholds, asked.gates)
        except BadOption as error:
            print(f"load: {error}", file=sys.stderr)
            sys.exit(2)
        link.listen_as_leader(runner, lambda: _run.conductor)
        page.guard(environment, lambda: _run.conductor is not None)
        if environment.parsed_options.headless:  # with a page, Locust handles signals itself
            stopping.end_early(_end_early)
    if runner is not None and hasattr(runner, "worker_index"):
        _run.follower = link.Follower(runner)


def _end_early(reason: str) -> None:
    """End the run with its measurements so far; its verdict is incomplete."""
    if _run.conductor is not None:
        _run.conductor.abort(reason)
    elif _run.verdict is None:  # still waiting for its processes
        print(f"load: {reason}, before it began", file=sys.stderr)
        sys.exit(1)


def _on_test_start(environment: Any, **_: Any) -> None:
    if environment.parsed_options.processes and not link.is_leader(environment.runner):
        stopping.end_with_leader()
    if _run.follower is not None:
        ChatSocket.trial = Trial(shapes.of(settings(environment)), _run.follower.next_number, Clock())
        _run.follower.follow(ChatSocket.trial)
    if _run.conductor is not None:
        gevent.spawn(_run.conductor.conduct)


def _on_user_error(user_instance: Any, exception: BaseException, tb: Any, **_: Any) -> None:
    """Keep the exception that ended a user or its keeper.

    Locust lists it on its page only; the verdict uses the trial's list.
    """
    trial: Trial | None = getattr(ChatSocket, "trial", None)
    if trial is not None:
        trial.failed(exception, tb)


def _on_test_stop(environment: Any, **_: Any) -> None:
    """Note the end of the run in Locust: its statistics are complete now."""
    _close(environment)


def _on_quitting(environment: Any, **_: Any) -> None:
    """Set the exit code of the process to the verdict."""
    _close(environment)
    picture.finish()
    if _run.verdict is not None:
        environment.process_exit_code = _run.verdict


def _close(environment: Any) -> None:
    conductor = _run.conductor
    if conductor is None:
        return
    if not conductor.over:
        conductor.abort("interrupted")
        conductor.gather(within=3)
    _run.verdict = report.close(conductor, environment)
    _run.conductor = None
