"""Sentences for people: marked where they are written, translated where shown.

    from core.words import words as _
    raise Forbidden(_("only an owner changes a room"))
    raise NotAMember(_("you are not a member of {room}", room=slug))

Sockets and logs show them in English; the HTTP API and the pages call `translated` in the request's language. Django's own
`gettext` would translate at once, and an error may be raised in a task of many requests.
"""

from __future__ import annotations

from django.utils.translation import gettext


class Words(str):
    """An English sentence that knows its form for translators."""

    __slots__ = ("form", "values")

    form: str
    values: dict[str, object]


def words(form: str, **values: object) -> Words:
    """Return the form with its values filled in.

    A value may be Words, too.
    """
    sentence = Words(form.format_map(values) if values else form)
    sentence.form, sentence.values = form, values
    return sentence


def translated(text: str) -> str:
    """Return the sentence in the active language; a plain string as it is."""
    if not isinstance(text, Words):
        return text
    values = {name: translated(value) if isinstance(value, Words) else value for name, value in text.values.items()}
    form = gettext(text.form)
    return form.format_map(values) if values else form


def said(error: Exception) -> str:
    """Return an error's message in the active language."""
    return translated(error.args[0]) if error.args and isinstance(error.args[0], str) else str(error)


def sentence(text: str) -> str:
    """Return the text in the active language as a whole sentence, for pages."""
    text = translated(text)
    stop = gettext(".")
    return f"{text[0].upper()}{text[1:].removesuffix(stop)}{stop}"
