"""scripts/roll: its arguments and its steps, in order."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic, sleep
from typing import NoReturn

from .engine import BUILD_S, COMPANION, ROOT, Answer, Engine, Failed, StepFailed, say
from .plan import Container, Memory, Plan, Version, make_plan, reason_to_give_up, split
from .signals import Interrupted, Signals

MIGRATE_S = 900
HEALTHY_S = 60
SEEN_BY_NGINX_S = 30
POLL_S = 0.5
# nginx asks for the name again after a second (valid= in its resolver line), and each of its workers at another moment.
NGINX_USES_S = 4
# A companion that cannot work ends at once; its order of a certificate takes minutes, and is not waited for.
COMPANION_ENDS_WITHIN_S = 6

USAGE = """\
Usage: scripts/roll [--build] [--force] [--help]

Replaces the web containers by ones of the current images and settings (.env, compose files) without an outage:
migrations run first, as many new containers as there are old ones are started, and once all of them are ready and nginx
uses them, the old ones hand their sockets over one after the other and are removed. worker, nginx and the ACME companion
follow when their image or settings changed. Then there are as many web containers as before.

A new version that does not become ready is removed again and the old one goes on serving; migrations stay applied, so a
release must be able to run on the schema of the next one. A roll that was interrupted, at any point, is finished by
the next: say scripts/roll again. Once the first old container was told to end, there is no way back, only forward.

  --build  build the images first
  --force  replace web containers that are up to date, too
  --help   this text

Replacing nginx closes its port for two to three seconds: sockets come back by themselves, requests of that moment fail.
This step, once begun, goes to its end, also without the script.

Variables (defaults)
  ROLL_READY_SECONDS (180)  how long all new containers together may take to become ready

Exit codes: 0 done, or nothing to do; 1 not done (the message says how far it came); 130 interrupted
"""


@dataclass(frozen=True)
class Options:
    build: bool
    force: bool
    ready_within_s: int

    @classmethod
    def read(cls, arguments: Sequence[str]) -> Options:
        for argument in arguments:
            if argument in {"--help", "-h"}:
                sys.stdout.write(USAGE)
                sys.exit(0)
            if argument not in {"--build", "--force"}:
                say(USAGE.rstrip())
                raise Failed(f"unknown argument {argument}")
        ready = os.environ.get("ROLL_READY_SECONDS") or "180"
        if not re.fullmatch(r"[1-9][0-9]{0,4}", ready):
            raise Failed(f"ROLL_READY_SECONDS must be whole seconds, not '{ready}'")
        return cls("--build" in arguments, "--force" in arguments, int(ready))


class Roll:
    """One run."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.engine = Engine()
        self.signals = Signals()
        # What an interruption leaves behind, for its message.
        self.state = "nothing was changed"
        self.plan = Plan(0, (), (), ())
        self.wanted: dict[str, Version] = {}
        self.memory_file = ROOT / "var" / "roll"

    def run(self) -> None:
        self.engine.look()
        if not self.engine.containers("web"):
            raise Failed("the stack is not running: `make up` starts it")
        self.memory_file = ROOT / "var" / f"roll-{self.engine.project}"
        with self.lock():
            self.bring_nginx_back()
            if self.options.build:
                self.engine.step("build_images", within_s=BUILD_S)
            self.find_old_and_new()
            if self.plan.old:
                self.replace_web()
            self.state = "web is done; worker, nginx or the ACME companion may still be of the old version"
            self.replace_worker()
            self.replace_nginx()
            self.replace_companion()
            self.engine.step("ask_whole_path", within_s=180)
            say(f"Done: {self.plan.count} web containers{'' if self.plan.old else ', which were up to date'}.")

    def replace_web(self) -> None:
        self.remember()
        self.state = "the web containers are as they were"
        self.migrate()
        self.state = "the old web containers serve, with new ones beside them"
        self.create_new()
        self.start_new()
        self.let_nginx_use_new()
        self.state = "the new web containers serve, and the old ones are being ended"
        # Written before the first old one is touched: from then on the new ones may be the only ones that serve, and this roll
        # and each after it leave them alone.
        self.plan = replace(self.plan, serving=self.plan.new)
        self.remember()
        self.end_all(list(self.engine.inspect(self.plan.old).values()))
        self.forget()

    # --- one at a time, and its memory file ---------------------------------------------------------------------------

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the lock: one roll at a time, of any user."""
        try:
            self.memory_file.parent.mkdir(exist_ok=True)
        except OSError:
            raise Failed(f"cannot write to {ROOT}/var") from None
        self.signals.interrupt()
        if shutil.which("flock"):
            self.engine.kept_open = (self._take_lock(Path(f"{self.memory_file}.lock")),)
            yield
            return
        # macOS has no flock, nor had what rolled there before. Nobody removes a directory for a roll that was killed.
        directory = Path(f"{self.memory_file}.lock.d")
        try:
            directory.mkdir()
        except OSError:
            raise Failed(f"another roll is under way, or was killed: if none runs any more, remove {directory}") from None
        try:
            yield
        finally:
            directory.rmdir()

    def _take_lock(self, file: Path) -> int:
        """Return the locked file.

        The kernel drops the lock when this process and its children are gone, however they end. The file stays: without it
        two could hold a lock each, on the old file and the new one.
        """
        if not file.exists():
            try:
                file.open("a").close()
            except OSError:
                raise Failed(f"cannot write to {ROOT}/var") from None
        try:
            # For reading: it may be another user's.
            lock = os.open(file, os.O_RDONLY)
        except OSError:
            raise Failed(f"cannot read {file}") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Failed("another roll is under way") from None
        return lock

    def recall(self) -> Memory | None:
        try:
            return Memory.parse(self.memory_file.read_text())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise Failed(f"{self.memory_file} was not written by a roll ({error}): remove it to begin anew") from None

    def remember(self) -> None:
        new = Path(f"{self.memory_file}.new")
        new.write_text(self.plan.memory().text())
        new.replace(self.memory_file)

    def forget(self) -> None:
        with suppress(FileNotFoundError):
            self.memory_file.unlink()

    def find_old_and_new(self) -> None:
        self.wanted = self.engine.wanted()
        web = self.engine.containers("web")
        self.plan = make_plan(web, self.wanted["web"], self.recall(), force=self.options.force)
        if self.plan.finishes:
            say("Finishing a roll that was interrupted.")

    # --- the new ones -------------------------------------------------------------------------------------------------

    def migrate(self) -> None:
        say("Migrating.")
        for one in self.engine.containers("migrate", one_offs=True):
            # Those of a roll that was interrupted, or of `make up`: they end by themselves.
            if not self._wait(one).ok and self.engine.inspect([one.id]):
                raise Failed("migrations that were under way did not end within 15 min")
            if not self.engine.docker("rm", "--volumes", one.id).ok and self.engine.inspect([one.id]):
                raise Failed("the container of earlier migrations could not be removed; nothing was changed")
        made, whole = self.engine.create("migrate", 1)
        if not made or not whole or not self.engine.start(made[0].id):
            raise Failed("the migrations could not be started; nothing was changed")
        answer = self._wait(made[0])
        if not answer.ok:
            raise Failed("the migrations did not end within 15 min; nothing else was changed")
        if answer.output.strip() != "0":
            self.engine.show_log(made[0].id)
            raise Failed(f"the migrations failed with code {answer.output.strip()}; the containers are as they were")

    def _wait(self, container: Container) -> Answer:
        return self.engine.docker("wait", container.id, within_s=MIGRATE_S)

    def create_new(self) -> None:
        if not self.plan.missing:
            return
        say(f"Starting {self.plan.missing} new web containers beside the old ones.")
        made, whole = self.engine.create("web", self.plan.missing)
        self.plan = replace(self.plan, new=(*self.plan.new, *(one.id for one in made)))
        if not whole:
            self.give_up("the new containers could not be created")

    def start_new(self) -> None:
        """Start the new ones outside nginx's network.

        nginx asks Docker for every container called web, ready or not. So they enter its network when they are ready: a version
        that does not work never sees a request. Where the way to the database leads through that network (docs/deploy.md), they
        are started in it, one by one, and nginx asks another when one refuses.
        """
        deadline = monotonic() + self.options.ready_within_s
        edge = self.engine.network("edge")
        outside: list[str] = []
        inside: list[str] = []
        for one in self.engine.inspect(self.plan.new).values():
            if one.runs:
                continue
            leaves = one.has_own_services() and edge in one.networks
            if leaves and not self.engine.leave_network("edge", one):
                self.give_up("a new container could not be started")
            (outside if leaves or edge not in one.networks else inside).append(one.id)
        if outside and not self.engine.start(*outside):
            self.give_up("a new container could not be started")
        for each in inside:
            if not self.engine.start(each):
                self.give_up("a new container could not be started")
            self.wait_until_ready([each], deadline)
        self.wait_until_ready(self.plan.new, deadline)

    def wait_until_ready(self, ids: Sequence[str], deadline: float) -> None:
        pending = list(ids)
        while True:
            found = self.engine.inspect(pending)
            for each in list(pending):
                one = found.get(each)
                if one and one.health == "healthy" and self.engine.answers_ready(one):
                    pending.remove(each)
                elif why := reason_to_give_up(one, self.plan.serving):
                    self.give_up(why, each)
            if not pending:
                return
            if monotonic() >= deadline:
                self.give_up(f"a new container was not ready within {self.options.ready_within_s} s", pending[0])
            sleep(POLL_S)

    def let_nginx_use_new(self) -> None:
        for one in self.engine.inspect(self.plan.new).values():
            if not self.engine.enter_network("edge", one):
                self.give_up("nginx does not see a new container", one.id)
        edge = self.engine.network("edge")
        unseen = {one.networks[edge]: one.id for one in self.engine.inspect(self.plan.new).values() if edge in one.networks}
        deadline = monotonic() + SEEN_BY_NGINX_S
        while unseen:
            for nginx in self.engine.containers("nginx"):
                known = self.engine.docker("exec", nginx.id, "getent", "ahostsv4", "web", within_s=10, quiet=True).output
                for line in known.splitlines():
                    unseen.pop(line.split()[0], None)
            if unseen and monotonic() >= deadline:
                self.give_up("nginx does not see a new container", next(iter(unseen.values())))
            if unseen:
                sleep(POLL_S)
        sleep(NGINX_USES_S)

    def give_up(self, why: str, shown: str = "") -> NoReturn:
        """Remove the new containers again, except the ones written down as serving.

        Those may be the only ones that serve. No old one was told to end before all new ones were written down.
        """
        if shown:
            self.engine.show_log(shown)
        say(f"Giving up: {why}.")
        edge = self.engine.network("edge")
        new = self.engine.inspect(self.plan.new)
        for one in new.values():
            if one.id in self.plan.serving:
                continue
            if edge in one.networks:
                self.engine.end(one)
            else:
                self.engine.remove(one)
        # What else an interrupted roll left behind is still to be replaced.
        if len(self.engine.containers("web")) == self.plan.count:
            self.forget()
        if any(each in self.plan.serving for each in self.plan.new):
            raise Failed(f"{why}; what served stays, of both versions: mend what is wrong, and say scripts/roll again")
        raise Failed(f"{why}; the old version goes on serving")

    # --- the old ones, and the rest -----------------------------------------------------------------------------------

    def end_all(self, containers: Sequence[Container]) -> None:
        """End one after the other, so that the sockets of one find the others ready."""
        for one in containers:
            say(f"Ending {one.name}.")
            self.engine.end(one)

    def find_versions(self, service: str) -> tuple[Container | None, list[Container]]:
        """Return the one container of the wanted version, and the others.

        The wanted one is made if there is none.
        """
        found = self.engine.containers(service)
        after, before = split(found, self.wanted[service])
        if after is None and before:
            made, whole = self.engine.create(service, 1)
            if not made or not whole:
                raise Failed(f"the new {service} could not be created; web is done")
            after = made[0]
        return after, before

    def replace_worker(self) -> None:
        """Two of them do no harm: each task is taken by one."""
        after, before = self.find_versions("worker")
        if after is None or not before:
            return
        say("Replacing worker.")
        self.engine.start(after.id)
        if not self.becomes_healthy(after):
            self.engine.show_log(after.id)
            # What ran already when this roll found it may be the only one left of a roll that was interrupted.
            if after.runs:
                raise Failed("the new worker does not become healthy; web is done, and no worker was removed")
            self.engine.remove(after)
            for one in before:
                self.engine.start(one.id)
            raise Failed("the new worker does not become healthy; web is done, and the old worker goes on")
        self.end_all(before)

    def replace_nginx(self) -> None:
        """Replace nginx: only one container can hold its port.

        So web closes the sockets within a second, and they come back to the next nginx.
        """
        after, before = self.find_versions("nginx")
        if after is None or (after.runs and not before):
            return
        wanted = after
        whole, interrupted = self.signals.to_the_end(lambda: self.swap_nginx(wanted, before))
        failed = "web is done, nginx is not: see above"
        if interrupted:
            these = "all containers" if COMPANION not in self.wanted else "all containers but the ACME companion"
            self.state = f"{these} were replaced, and nginx runs" if whole else failed
            raise Interrupted
        if not whole:
            raise Failed(failed)

    def swap_nginx(self, after: Container, before: Sequence[Container]) -> bool:
        say("Replacing nginx: its port is closed for a moment.")
        for one in before:
            self.engine.docker("stop", "-t", "4", one.id)
        self.engine.start(after.id)
        if self.becomes_healthy(after):
            for one in before:
                self.engine.docker("rm", "--volumes", one.id)
            return True
        self.engine.show_log(after.id)
        self.engine.remove(after)
        for one in before:
            if self.engine.start(one.id):
                say("The new nginx does not become healthy; the old one is back.")
                return False
        say("The new nginx does not become healthy, and the old one does not start: `make up` starts one.")
        return False

    def replace_companion(self) -> None:
        """Never two, which would order twice.

        Nobody waits for it: nginx has the certificate of before.
        """
        found = self.engine.containers(COMPANION)
        if COMPANION not in self.wanted:
            for one in found:
                say(f"Ending {one.name}: .env has no ACME_EMAIL.")
                self.engine.end(one)
            return
        after, before = split(found, self.wanted[COMPANION])
        if after is not None and after.runs and not before:
            return
        say("Replacing the ACME companion." if before else "Starting the ACME companion.")
        if after is None:
            made, whole = self.engine.create(COMPANION, 1)
            if not made or not whole:
                raise Failed("the new ACME companion could not be created; all else is done")
            after = made[0]
        for one in before:
            self.engine.docker("stop", one.id)
        if self.engine.start(after.id) and self.stays(after):
            self.end_all(before)
            return
        self.engine.show_log(after.id)
        self.engine.remove(after)
        goes_on = [self.engine.start(one.id) for one in before]
        raise Failed(f"the new ACME companion ended; all else is done{', and the old one goes on' if any(goes_on) else ''}")

    def stays(self, container: Container) -> bool:
        deadline = monotonic() + COMPANION_ENDS_WITHIN_S
        while monotonic() < deadline:
            one = self.engine.inspect([container.id]).get(container.id)
            if one is None or not one.runs or one.restarts:
                return False
            sleep(POLL_S)
        return True

    def bring_nginx_back(self) -> None:
        """Start nginx if it does not run, before anything else is done.

        Even SIGKILL for all of a roll, or a machine that goes down, may come while nginx is being replaced.
        """
        found = self.engine.containers("nginx")
        if any(one.status == "running" for one in found):
            return
        for one in found:
            if self.engine.start(one.id, quiet=True):
                say("nginx was not running: started it again.")
                return
        raise Failed("nginx is not running: `make up` starts it")

    def becomes_healthy(self, container: Container) -> bool:
        deadline = monotonic() + HEALTHY_S
        while monotonic() < deadline:
            one = self.engine.inspect([container.id]).get(container.id)
            if one is None or one.health != "starting":
                return one is not None and one.health == "healthy"
            sleep(POLL_S)
        return False


def main() -> int:
    try:
        options = Options.read(sys.argv[1:])
    except Failed as failed:
        say(f"roll: {failed}")
        return 1
    roll = Roll(options)
    try:
        roll.run()
    except Failed as failed:
        say(f"roll: {failed}")
        return 1
    except StepFailed:
        return 1
    except Interrupted:
        say(f"Interrupted: {roll.state}; scripts/roll goes on from there.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
