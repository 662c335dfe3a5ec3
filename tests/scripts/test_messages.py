"""scripts/messages brings catalogues up to date, in checkouts of their own."""

import shutil
import subprocess
from pathlib import Path

import polib
import pytest

ROOT = Path(__file__).resolve().parents[2]
CATALOGUE = Path("locale/zh_Hans/LC_MESSAGES/django.po")
HEAD = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n'
MANAGE = "import sys\nfrom django.conf import settings\nfrom django.core import management\nsettings.configure()\n"

pytestmark = pytest.mark.once


class Checkout:
    """The script, and an app with two features that have catalogues."""

    def __init__(self, root: Path) -> None:
        self.app = root / "app"
        shutil.copytree(ROOT / "scripts" / "lib", root / "scripts" / "lib")
        shutil.copy(ROOT / "scripts" / "messages", root / "scripts")
        self.write(root / "scripts" / "setup", "#!/bin/sh\n").chmod(0o755)
        (root / ".venv").symlink_to(ROOT / ".venv")
        self.write(self.app / "manage.py", f"{MANAGE}management.execute_from_command_line(sys.argv)\n")
        self.put("core", "the message is empty", self.app)
        self.put("dice", "one die is enough", self.app / "features" / "dice")
        self.put("chess", "it is not your move", self.app / "features" / "chess")

    def put(self, name: str, text: str, folder: Path) -> None:
        """Write a module with one sentence, and its translation."""
        self.write(folder / f"{name}.py", f'_("{text}")\n')
        self.write(folder / CATALOGUE, f'{HEAD}\nmsgid "{text}"\nmsgstr "译文"\n')

    def write(self, file: Path, text: str) -> Path:
        """Write a file and its folders."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def words(self, folder: str) -> dict[str, str]:
        """Read a catalogue."""
        return {entry.msgid: entry.msgstr for entry in polib.pofile(self.app / folder / CATALOGUE)}

    def messages(self) -> str:
        """Run the script."""
        command = [self.app.parent / "scripts" / "messages"]
        return subprocess.run(command, capture_output=True, text=True, timeout=100, check=True).stdout


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_new_sentence_goes_into_its_own_catalogue(checkout: Checkout) -> None:
    # Another feature, which may be off, has the same sentence.
    checkout.write(checkout.app / "features" / "dice" / "more.py", '_("it is not your move")\n')
    assert "features/dice/locale/zh_Hans/LC_MESSAGES/django.po: 1 untranslated" in checkout.messages()
    assert checkout.words("features/dice") == {"it is not your move": "", "one die is enough": "译文"}
    assert checkout.words("features/chess") == {"it is not your move": "译文"}


def test_catalogue_without_a_sentence_is_removed(checkout: Checkout) -> None:
    (checkout.app / "features" / "dice" / "dice.py").write_text("")
    (checkout.app / "features" / "new" / "locale").mkdir(parents=True)
    assert "features/dice/locale: no sentence left, removed" in checkout.messages()
    assert not (checkout.app / "features" / "dice" / "locale").exists()
    assert (checkout.app / "features" / "new" / "locale").exists(), "made before its first sentence"
    assert checkout.words("") == {"the message is empty": "译文"}
    assert checkout.words("features/chess") == {"it is not your move": "译文"}
    assert list(checkout.app.rglob("*.pot")) == []


def test_catalogues_of_this_checkout_stay_as_they_are(tmp_path: Path) -> None:
    def words(app: Path) -> dict[str, list[tuple[str, str]]]:
        files = sorted(app.rglob("django.po"))
        return {str(file.relative_to(app)): [(entry.msgid, entry.msgstr) for entry in polib.pofile(file)] for file in files}

    checkout = Checkout(tmp_path)
    shutil.rmtree(checkout.app)
    shutil.copytree(ROOT / "app", checkout.app, ignore=shutil.ignore_patterns("__pycache__"))
    checkout.write(checkout.app / "manage.py", f"{MANAGE}management.execute_from_command_line(sys.argv)\n")
    assert "0 untranslated" in checkout.messages()
    assert words(checkout.app) == words(ROOT / "app")
