"""Check the options on Locust's page, and refuse unusable ones with the reason.

Locust itself reports success for every start and begins in the background. A bad option would be an exception in its log, and
this master could never start another run.
"""

import argparse
from collections.abc import Callable
from typing import Any

from flask import Response, jsonify, request
from locust.runners import MasterRunner

from loadtest import gates, options, values


def guard(environment: Any, under_way: Callable[[], bool]) -> None:
    """Check the form of the page before Locust gets it; without a page do nothing.

    `under_way` returns whether a run is under way.
    """
    if environment.web_ui is None:
        return

    @environment.web_ui.app.before_request
    def refuse() -> Response | None:
        """Return Locust's form of a failure, with our reason, for its page to show.

        None lets the start go on.
        """
        if request.method != "POST" or not request.path.endswith("/swarm"):
            return None
        try:
            check(environment, request.form.to_dict(), under_way=under_way())
        except values.BadOption as error:
            return jsonify({"success": False, "message": str(error), "host": environment.host})
        return None


def check(environment: Any, form: dict[str, str], *, under_way: bool) -> None:
    """Raise BadOption for a form that allows no run now."""
    runner = environment.runner
    if under_way or runner.shape_greenlet is not None:
        raise values.BadOption("a run is under way: stop it, or wait for its end")
    if isinstance(runner, MasterRunner) and not runner.worker_count:
        raise values.BadOption("no load generator is connected: start some (ROLE=worker)")
    known = vars(environment.parsed_options)
    asked = argparse.Namespace(**known | {name: text for name, text in form.items() if name in known})
    if "user_count" in form:
        asked.num_users = values.whole("USERS", form["user_count"])
    if "spawn_rate" in form:
        values.number("SPAWN_RATE", form["spawn_rate"], least=0.1)
    asked.members = ""  # of the previous run
    asked.host = asked.host or environment.host
    settings = options.settings(asked)
    gates.limits(settings.thresholds, settings.gates)
