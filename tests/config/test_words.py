"""The server's words: each has a Chinese form.

The compiled catalogues are those of the sources.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import polib
import pytest
from django.conf import settings
from django.utils.translation.template import templatize

from core.errors import FrameRefused

pytestmark = pytest.mark.once

APP = Path(settings.APP_DIR)
# Refusals of a wrong program, in English as on the socket. Each other one may be shown to a person by the HTTP API.
FOR_PROGRAMS = {"BadFrame", "BadJson", "UnknownType", "NoSuchStream"}
# What Django's forms and administrator's pages are given.
SHOWN_NAMES = {"description", "deletion_note", "label", "help_text", "short_description", "empty_label"}
# Sockets speak English, and these files answer nothing else.
OF_SOCKETS = ("frames.py", "realtime/*", "core/newest.py", "rooms/lists.py", "chat/resends.py", "notes/writer.py", "stream/*")
CATALOGUES = sorted(APP.glob("**/locale/*/LC_MESSAGES/django.po"))
MARKS = {"_", "words", "gettext", "gettext_lazy"}
# Half-width signs, and the second of two forms of address.
NOT_CHINESE = re.compile(r"[,;!?]|(?<=[\u4e00-\u9fff]):|\.\.\.|您")
# What a template's translatable words become: gettext('text'), _("text") or pgettext('context', 'text').
MARKED = re.compile(
    r"(?:\b_|\bgettext|\bpgettext)\((?:u?(?P<q>['\"])(?P<of>(?:(?!(?P=q)).)*)(?P=q), )?u?(?P<r>['\"])(?P<text>.*?)(?P=r)\)"
)
# Context, mostly None, and msgid.
Key = tuple[str | None, str]
PLACES = re.compile(r"\{\w*\}|%\(\w+\)s")


def written() -> Iterator[tuple[Path, Key]]:
    """Yield the keys of the code and the templates, and the files where they stand."""
    for path in APP.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Name(id=name), args=[ast.Constant(value=str(text)), *_]) if name in MARKS:
                    yield path, (None, text)
                case ast.Call(
                    func=ast.Name(id="pgettext_lazy"), args=[ast.Constant(value=str(of)), ast.Constant(value=str(text))]
                ):
                    yield path, (of, text)
    for path in APP.rglob("*.html"):
        for found in MARKED.finditer(templatize(path.read_text())):
            yield path, (found["of"], found["text"])


def entries(path: Path) -> dict[Key, polib.POEntry]:
    """Return the entries of a catalogue, source or compiled."""
    catalogue = polib.mofile(path) if path.suffix == ".mo" else polib.pofile(path)
    return {(entry.msgctxt, entry.msgid): entry for entry in catalogue}


def refusals(kind: type[FrameRefused] = FrameRefused) -> Iterator[str]:
    """Yield the names of all refusals, those of features included."""
    for refusal in kind.__subclasses__():
        yield refusal.__name__
        yield from refusals(refusal)


def unmarked(code: str) -> Iterator[str]:
    """Yield the sentences of the code that a person sees in English only."""
    shown = {"ValidationError", *refusals()} - FOR_PROGRAMS
    for node in ast.walk(ast.parse(code)):
        given: list[ast.expr | None] = []
        match node:
            case ast.Call(func=ast.Name(id=name), args=[first, *_]) if name in shown:
                given = [first]
            case ast.Call(
                func=ast.Attribute(attr="action" | "display" | "add_error" | "CharField"), args=args, keywords=keywords
            ):
                given = [*args[1:], *(one.value for one in keywords if one.arg in SHOWN_NAMES)]
            case ast.Assign(targets=[ast.Name(id=name) | ast.Attribute(attr=name)], value=value) if name in SHOWN_NAMES:
                given = [value]
        for one in given:
            if isinstance(one, ast.JoinedStr) or (isinstance(one, ast.Constant) and isinstance(one.value, str) and one.value):
                yield ast.unparse(one)


def folder_of(file: Path) -> Path:
    """Return the folder of a file's catalogues.

    It is the feature's own, else the server's.
    """
    return next(folder / "locale" for folder in file.parents if (folder / "locale").is_dir())


def test_each_word_has_a_translation_with_the_same_values() -> None:
    # A feature that is off takes its catalogue along, so that each has all words of its own folder.
    msgids = defaultdict(set)
    for file, text in written():
        msgids[folder_of(file)].add(text)
    assert sum(map(len, msgids.values())) > 100
    languages = {path.parent.parent.name for path in CATALOGUES}
    wanted = {folder / code / "LC_MESSAGES" / "django.po": texts for folder, texts in msgids.items() for code in languages}
    assert set(CATALOGUES) == set(wanted), "run scripts/messages"
    for path, texts in wanted.items():
        found = entries(path)
        assert set(found) == texts, f"{path.relative_to(APP)}: run scripts/messages"
        for entry in found.values():
            assert entry.translated(), f"{path.relative_to(APP)} lacks {entry.msgid!r}"
            assert set(PLACES.findall(entry.msgstr)) == set(PLACES.findall(entry.msgid)), entry.msgid


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: str(path.relative_to(APP)))
def test_compiled_catalogue_is_fresh(path: Path) -> None:
    compiled, source = ({key: entry.msgstr for key, entry in entries(one).items()} for one in (path.with_suffix(".mo"), path))
    assert compiled == source, "run scripts/messages"


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: str(path.relative_to(APP)))
def test_chinese_has_its_own_punctuation_and_address(path: Path) -> None:
    assert [entry.msgstr for entry in polib.pofile(path) if NOT_CHINESE.search(entry.msgstr)] == []


def test_each_template_marks_its_words() -> None:
    for path in sorted(APP.rglob("*.html")):
        text = re.sub(r"\{%\s*blocktranslate.*?endblocktranslate\s*%\}|\{%.*?%\}|\{\{.*?\}\}", "", path.read_text(), flags=re.S)
        shown = re.sub(r"<(script|style).*?</\1>|<[^>]*>", " ", text, flags=re.S)
        labels = re.findall(r"(?:aria-label|title|placeholder|alt)=\"([^\"]*)\"", text)
        words = [word for word in re.findall(r"[A-Za-z]{2,}", " ".join([shown, *labels])) if word not in {"Hubbub", "WebSocket"}]
        assert not words, f"{path.relative_to(APP)} shows {words}"


def test_each_sentence_of_the_code_is_marked() -> None:
    found: list[str] = []
    for path in sorted(APP.rglob("*.py")):
        if any(path.match(pattern) for pattern in OF_SOCKETS) or "migrations" in path.parts:
            continue
        found += [f"{path.relative_to(APP)}: {sentence}" for sentence in unmarked(path.read_text())]
    assert found == [], "mark them with _()"


@pytest.mark.parametrize(
    "line",
    [
        "raise Forbidden({})",
        "raise ValidationError({}, code='taken')",
        "form.add_error('name', {})",
        "@admin.action(description={})\ndef act(): ...",
        "deletion_note = {}",
        "field = forms.CharField(label={})",
    ],
)
def test_planted_sentence_is_found(line: str) -> None:
    for sentence in ("'only an owner'", "f'only {name}'"):
        assert list(unmarked(line.format(sentence))) == [sentence]
    assert list(unmarked(line.format("_('only an owner')"))) == []
