"""Fail on circles of imports in app/, loadtest/ and frontend/src.

`make check`: the step `circles`.

Imports for types alone count: such a file cannot be read without the other one either.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# An import or export from a path; a dynamic one, `import()`, loads a chunk later and ties nothing.
_IMPORT = re.compile(
    r"""^\s*(?:import|export)\b[^'"();]*?\bfrom\s*['"](\.[^'"]*)['"]|^\s*import\s*['"](\.[^'"]*)['"]""", re.MULTILINE
)


def python_imports(folder: Path, package: str) -> dict[str, set[str]]:
    """Return module → the modules of `folder` that it imports at its top.

    `package`: the name in front of them all, or "".
    """
    modules = {}
    for file in folder.rglob("*.py"):
        parts = file.relative_to(folder).with_suffix("").parts
        modules[".".join((package, *parts) if package else parts).removesuffix(".__init__")] = file
    return {name: set(_of_module(file, modules)) - {name} for name, file in modules.items()}


def _of_module(file: Path, modules: dict[str, Path]) -> Iterator[str]:
    tree = ast.parse(file.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names if one.name in modules)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for one in node.names:
                inner = f"{node.module}.{one.name}"
                if inner in modules:
                    yield inner
                elif node.module in modules:
                    yield node.module


def script_imports(folder: Path) -> dict[str, set[str]]:
    """Return TypeScript or Vue file → the files that it imports."""
    files = {file for suffix in ("*.ts", "*.vue") for file in folder.rglob(suffix)}
    found: dict[str, set[str]] = {}
    for file in files:
        paths = [first or second for first, second in _IMPORT.findall(file.read_text())]
        wanted = {(file.parent / path).resolve() for path in paths}
        meant = {one for path in wanted for one in (path, path.with_name(f"{path.name}.ts"), path / "index.ts") if one in files}
        found[str(file.relative_to(ROOT))] = {str(one.relative_to(ROOT)) for one in meant - {file}}
    return found


def circles(imports: dict[str, set[str]]) -> Iterator[list[str]]:
    """Yield each set of files that reach each other (Tarjan), sorted."""
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []

    def visit(name: str) -> Iterator[list[str]]:
        number[name] = low[name] = len(number)
        stack.append(name)
        for other in sorted(imports[name]):
            if other not in number:
                yield from visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], number[other])
        if low[name] == number[name]:
            at = stack.index(name)
            circle = sorted(stack[at:])
            del stack[at:]
            if len(circle) > 1:
                yield circle

    for name in sorted(imports):
        if name not in number:
            yield from visit(name)


def main() -> int:
    """Print each circle.

    Return 1 if there is one.
    """
    trees: Iterable[dict[str, set[str]]] = (
        python_imports(ROOT / "app", ""),
        python_imports(ROOT / "loadtest", "loadtest"),
        script_imports(ROOT / "frontend" / "src"),
    )
    found = [circle for tree in trees for circle in circles(tree)]
    for circle in found:
        print("these files import each other in a circle:", *circle, sep="\n    ")
    return 1 if found else 0


if __name__ == "__main__":
    sys.setrecursionlimit(10_000)
    sys.exit(main())
