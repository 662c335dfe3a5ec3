"""Compare names, and refuse unsuitable new ones."""

from __future__ import annotations

import unicodedata

from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.lookalikes import hidden_objection, look_of, mark_objection, script_objection, without_ignorables
from core.words import sentence

MAX_LENGTH = 64
SYMBOLS = "@.+-_"
RULES = format_lazy(
    gettext_lazy("Up to {most} letters, digits and {symbols} without spaces. Ada and ada are the same name."),
    most=MAX_LENGTH,
    symbols=" ".join(SYMBOLS),
)

# Before the number of an account that was deleted.
DELETED = "deleted-"
# Means everybody behind an @.
EVERYBODY = "room"


def normalized(name: str) -> str:
    """Return the name in its stored form: composed (NFKC), without surrounding blanks."""
    return unicodedata.normalize("NFKC", name).strip()


def key_of(name: str) -> str:
    """Return the form in which names are compared.

    Without case, unseen characters and spelling variants.

    Computed here and stored in a column, because databases disagree about case: SQLite knows only ASCII's, and Postgres
    maps a dotless i to I in UPPER, but I to i in LOWER.
    """
    return unicodedata.normalize("NFKC", without_ignorables(normalized(name)).casefold())


def objection_to(name: str) -> str | None:
    """Return why a normalized name is refused for a new account; None if it is fine.

    The reason is in the active language. Whether the name is taken is checked elsewhere.
    """
    hidden = hidden_objection(name)
    for character in () if hidden else name:
        if not (character in SYMBOLS or unicodedata.category(character)[0] in "LM" or character.isdecimal()):
            form = _("Use letters, digits and {symbols} only: {character} is none of them.")
            return form.format(symbols=" ".join(SYMBOLS), character=_described(character))
    found = hidden or mark_objection(name) or script_objection(name)
    if found:
        return sentence(found)
    return _("Hubbub keeps that name, and names that look like it, for itself.") if is_kept(name) else None


def is_kept(name: str) -> bool:
    """Return whether a name is reserved, or looks like a reserved name.

    Reserved names stand for something other than a person: for everybody in a room, or for a deleted account.
    """
    looks = look_of(name), look_of(key_of(name))  # a capital has a look of its own
    return look_of(EVERYBODY) in looks or any(look.startswith(look_of(DELETED)) for look in looks)


def _described(character: str) -> str:
    if character == " ":
        return _("a space")
    return f"“{character}”" if character.isprintable() else f"U+{ord(character):04X}"
