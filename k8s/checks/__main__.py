"""`python -m k8s.checks`: render everything, validate it, print the faults.

Exit code 1 if there are any.
"""

from __future__ import annotations

import sys

from k8s.checks.render import RenderError, kustomize_command, render_all
from k8s.checks.rules import violations
from k8s.checks.schemas import NEWEST, OLDEST, Schemas

# Fewest objects of a rendering: with fewer, a check without findings would prove nothing.
FEWEST = 20


def main() -> int:
    schemas = Schemas()
    found: dict[str, list[str]] = {}
    renderings = objects = 0
    try:
        for name, manifests in render_all(kustomize_command()):
            renderings, objects = renderings + 1, objects + len(manifests.objects)
            problems = [("schema", text) for text in schemas.violations(manifests)] + list(violations(manifests))
            for rule, text in problems:
                found.setdefault(f"{text} [{rule}]", []).append(name)
    except RenderError as error:
        sys.stderr.write(f"check_k8s: {error}\n")
        return 1
    if not renderings or objects < FEWEST * renderings:
        sys.stderr.write(f"check_k8s: only {objects} objects of {renderings} renderings: something was not rendered\n")
        return 1
    for text, where in found.items():
        more = f" and {len(where) - 1} more" if len(where) > 1 else ""
        sys.stderr.write(f"{where[0]}{more}: {text}\n")
    if not found:
        versions = f"Kubernetes {OLDEST} to {NEWEST}"
        sys.stdout.write(f"check_k8s: {objects} objects of {renderings} renderings fit {versions} and our rules\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
