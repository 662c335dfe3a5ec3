"""Only settings.py reads the environment.

The exception is code that starts the server before there are settings.
"""

import ast
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

APP = Path(__file__).resolve().parents[2] / "app"
READERS = {"environ", "environb", "getenv", "getenvb"}
# start.py becomes Gunicorn, which reads the settings.
ALLOWED = {"config/settings.py", "server/start.py"}


def reads(source: str) -> list[int]:
    """Return the lines that read the environment, except Django's settings module."""
    tree = ast.parse(source)
    allowed = {id(name) for node in ast.walk(tree) for name in _tells_django(node)}
    lines = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in READERS and _is_os(node.value) and id(node) not in allowed
    ]
    imported = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "os" and READERS & {name.name for name in node.names}
    ]
    return sorted(lines + imported)


def _is_os(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "os"


def _tells_django(node: ast.AST) -> list[ast.expr]:
    match node:
        case ast.Call(func=ast.Attribute(value=name, attr="setdefault"), args=[ast.Constant("DJANGO_SETTINGS_MODULE"), _]):
            return [name]
    return []


@pytest.mark.parametrize("path", sorted(APP.rglob("*.py")), ids=lambda path: path.relative_to(APP).as_posix())
def test_only_settings_read_the_environment(path: Path) -> None:
    if path.relative_to(APP).as_posix() not in ALLOWED:
        assert reads(path.read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        "import os\nX = os.environ['X']",
        "import os\nX = os.getenv('X')",
        "from os import environ\n",
        "import os\nos.environ.setdefault('X', '1')",
    ],
)
def test_planted_reader_is_found(source: str) -> None:
    assert reads(source) != []


def test_naming_the_settings_module_is_allowed() -> None:
    assert reads("import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'config.settings')") == []
