"""Write the skeleton of a feature, a shared tally: server, page, tests, docs.

`manage.py startfeature dice`.
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

ROOT = Path(__file__).resolve().parents[4]
SKELETON = Path(__file__).resolve().parents[2] / "skeleton"
SERVER, PAGE = Path("app/config/features.py"), Path("frontend/src/features/index.ts")


class Command(BaseCommand):
    help = "Write the skeleton of a feature, and its line in each of the two lists. docs/features.md walks through it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="a noun in lower case, as `dice`: name of its folders, prefix of its frames")

    def handle(self, *_arguments: Any, name: str, **_options: Any) -> None:
        check(ROOT, name)
        for file in [*write(ROOT, name), compiled(ROOT, name)]:
            self.stdout.write(f"wrote {file}")
        self.stdout.write("Next: make protocol, then run its tests. docs/features.md says what each part does.")


def check(root: Path, name: str) -> None:
    """Check a feature's name, and that the checkout has what is needed.

    That is the two lists and the tools of development. Raises CommandError, also for a name that is taken.
    """
    if not re.fullmatch(r"[a-z][a-z0-9]{1,30}", name):
        raise CommandError(f"{name!r} is no name of a feature: lower-case letters and digits, a letter first, at most 31")
    for file in (SERVER, PAGE):
        if not (root / file).exists():
            raise CommandError(f"{file} is not here: run it in a checkout")
    if find_spec("polib") is None:
        raise CommandError("the tools of development are missing: run scripts/setup dev first")
    for folder in (f"app/{name}", f"app/features/{name}", f"frontend/src/features/{name}"):
        if (root / folder).exists():
            raise CommandError(f"{name} is taken: {folder} exists")


def write(root: Path, name: str) -> list[Path]:
    """Write the files and the two lines.

    Return their paths, relative to `root`.
    """
    written = []
    for template in sorted(SKELETON.rglob("*.tmpl")):
        file = Path(renamed(str(template.relative_to(SKELETON).with_suffix("")), name))
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(renamed(template.read_text(), name))
        written.append(file)
    _change(root / SERVER, r"(?s)(FEATURES: tuple\[str, \.\.\.\] = \(\n.*?)(\n\))", rf'\1\n    "features.{name}",\2')
    line = f"import {name} from './{name}'"
    _change(root / PAGE, r"(?s)\A(.*?)(\n\nexport const features = \[.*?),?\s*\]", rf"\1\n{line}\2, {name}]")
    return [*written, SERVER, PAGE]


def compiled(root: Path, name: str) -> Path:
    """Compile the feature's catalogue into the file that Django reads.

    Return its path, relative to `root`.
    """
    import polib  # noqa: PLC0415  # a tool of development, which a server does not have

    catalogue = Path(f"app/features/{name}/locale/zh_Hans/LC_MESSAGES/django.po")
    file = catalogue.with_suffix(".mo")
    polib.pofile(str(root / catalogue)).save_as_mofile(str(root / file))
    return file


def renamed(text: str, name: str) -> str:
    """Put the feature's name in the place of the skeleton's."""
    capital = name[:1].upper() + name[1:]
    return text.replace("tally", name).replace("Tally", capital).replace("TALLY", name.upper())


def _change(file: Path, pattern: str, text: str) -> None:
    changed, times = re.subn(pattern, text, file.read_text(), count=1)
    if times != 1:
        raise CommandError(f"{file.name} has another form than expected: add the feature's line there")
    file.write_text(changed)
