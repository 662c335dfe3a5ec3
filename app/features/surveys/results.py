"""A survey's answers as a table for spreadsheets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from core.spreadsheet import csv_of
from features.surveys.events import Answer, Question, Survey


def table(survey: Survey, names: Mapping[int, str]) -> str:
    """Return the CSV of a survey: a line for each person.

    Of a secret one without names, in no order of time.

    `names`: user → name.
    """
    return csv_of(_rows(survey, names))


def _rows(survey: Survey, names: Mapping[int, str]) -> Iterator[list[object]]:
    questions = [question.text for question in survey.questions]
    if survey.secret:
        yield list(questions)
        yield from sorted((_cells(survey, answers) for answers in survey.answers.values()), key=str)
        return
    yield ["person", *questions]
    for person, answers in sorted(survey.answers.items(), key=lambda one: names.get(int(one[0]), one[0]).casefold()):
        yield [names.get(int(person), person), *_cells(survey, answers)]


def _cells(survey: Survey, answers: list[Answer]) -> list[object]:
    return [_cell(question, given) for question, given in zip(survey.questions, answers, strict=True)]


def _cell(question: Question, given: Answer) -> object:
    if given is None:
        return ""
    return "; ".join(question.options[choice] for choice in given) if isinstance(given, list) else given
