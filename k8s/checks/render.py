"""Render the overlays, and combinations of components."""

from __future__ import annotations

import itertools
import os
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml

from k8s.checks.manifests import Manifests

# The safe loader in C if PyYAML has it: ten times faster.
Loader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
HERE = Path(__file__).resolve().parent.parent
CHECKOUT = HERE.parent
OVERLAYS = HERE / "overlays"
COMPONENTS = HERE / "components"
# Alternatives: at most one of each.
ALTERNATIVES = (
    frozenset({"ingress", "tls-at-nginx", "gateway"}),
    frozenset({"autoscaling", "autoscaling-connections"}),
    frozenset({"managed-postgres", "cloudnative-pg"}),
    frozenset({"managed-redis", "redis-sentinel"}),
)
TIMEOUT_S = 60


class RenderError(Exception):
    """kustomize refused a folder; the message is its own."""


def kustomize_command() -> list[str]:
    """Return the renderer found by scripts/check_k8s_kustomize.

    Raises RenderError with installation advice.
    """
    found = subprocess.run(  # noqa: S603 - our own script, no input
        [str(CHECKOUT / "scripts" / "check_k8s_kustomize")], capture_output=True, text=True, timeout=900, check=False
    )
    if found.returncode:
        raise RenderError(found.stderr.strip())
    return found.stdout.split()


def render(folder: Path, command: list[str]) -> Manifests:
    """Render the objects of `kubectl apply -k folder`.

    Raises RenderError.
    """
    # It ends after a tenth of a second and 75 MB: Go's collections of garbage would take a fifth of that time.
    env = os.environ | {"GOGC": "off"}
    done = subprocess.run(  # noqa: S603 - a local renderer on our own folder
        [*command, str(folder)], env=env, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    if done.returncode:
        raise RenderError(f"{folder}: {done.stderr.strip()}")
    return Manifests([item for item in yaml.load_all(done.stdout, Loader=Loader) if item])


def overlays() -> list[Path]:
    return sorted(path.parent for path in OVERLAYS.glob("*/kustomization.yaml"))


def combinations() -> list[tuple[str, ...]]:
    """Return sets of components that may be used together.

    They are all sets of up to two, and the largest ones. All sets would be thousands. A fault of two components shows in a
    pair, one of all in a largest set.
    """
    names = sorted(path.parent.name for path in COMPONENTS.glob("*/kustomization.yaml"))
    chosen = [one for size in range(3) for one in itertools.combinations(names, size)]
    free = set(names).difference(*ALTERNATIVES)
    chosen += [tuple(sorted(free | set(picked))) for picked in itertools.product(*map(sorted, ALTERNATIVES))]
    return [one for one in chosen if all(len(either.intersection(one)) < 2 for either in ALTERNATIVES)]


def render_all(command: list[str]) -> Iterator[tuple[str, Manifests]]:
    """Yield each overlay and each combination with its name for reports."""

    def one(chosen: tuple[str, ...]) -> tuple[str, Manifests]:
        with tempfile.TemporaryDirectory(prefix="hubbub-k8s-") as scratch:
            return f"base + {', '.join(chosen) or 'no component'}", render(combined(chosen, Path(scratch)), command)

    for folder in overlays():
        yield f"overlays/{folder.name}", render(folder, command)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(one, combinations())


def combined(components: tuple[str, ...], folder: Path) -> Path:
    """Write an overlay with production's values and these components to `folder`.

    priority comes last: its patches are for objects of the others.
    """
    production = OVERLAYS / "production"
    overlay: dict[str, Any] = yaml.safe_load((production / "kustomization.yaml").read_text())
    folder = folder.resolve()

    def here(path: Path) -> str:
        return os.path.relpath(path.resolve(), folder)

    overlay["components"] = [here(COMPONENTS / name) for name in sorted(components, key=lambda name: name == "priority")]
    for field in ("resources", "transformers"):
        overlay[field] = [here(production / path) for path in overlay[field]]
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
    return folder
