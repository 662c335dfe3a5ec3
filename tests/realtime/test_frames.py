"""Decoding of a frame into its struct, and the text of errors."""

import json

import pytest

from core.errors import BadFrame, BadJson, FrameRefused, UnknownType
from realtime.ports import frame_table

pytestmark = pytest.mark.once


def refusal(text: str) -> FrameRefused:
    with pytest.raises(FrameRefused) as error:
        frame_table().decode(text)
    return error.value


def test_a_frame_becomes_its_struct() -> None:
    frame = frame_table().decode('{"type":"message.send","id":"7","room":"lobby","key":"k","text":"hi","unknown":1}')
    assert (frame.id, frame.room, frame.to, frame.key, frame.text) == ("7", "lobby", None, "k", "hi")


@pytest.mark.parametrize(
    ("text", "kind", "named"),
    [
        ("{", BadJson, "not JSON"),
        ("[[[[", BadJson, "not JSON"),
        ('{"type":1', BadJson, "not JSON"),
        ("7", BadFrame, "frame"),
        ('{"type":"nonsense"}', UnknownType, "nonsense"),
        ('{"type":"room.join"}', BadFrame, "room"),
        ('{"type":"message.send","room":"r","key":"k","text":7}', BadFrame, "text"),
        ('{"type":"message.send","room":"r","key":"k\\u0000","text":"x"}', BadFrame, "key holds a NUL"),
        ('{"type":"message.send","room":"r","key":"k","text":"\\udc00"}', BadFrame, "lone surrogate"),
        ('{"type":"history","room":"r","before":1e999}', BadFrame, "range"),
    ],
)
def test_error_names_the_wrong_field(text: str, kind: type[FrameRefused], named: str) -> None:
    error = refusal(text)
    assert type(error) is kind
    assert named in error.message


def test_escaped_zeros_without_nul_are_text() -> None:
    text = "a literal \\u0000 in the text"
    frame = frame_table().decode(json.dumps({"type": "message.send", "room": "r", "key": "k", "text": text}))
    assert frame.text == text


def test_error_has_the_id_if_it_can_be_read() -> None:
    assert frame_table().id_of('{"type":"room.join","id":5}') == 5
    assert frame_table().id_of('{"id":"x","type":"nonsense"}') == "x"
    assert frame_table().id_of("{") is None
    assert frame_table().id_of('{"type":"ping","id":[]}') is None


def test_a_lone_surrogate_keeps_the_frames_id() -> None:
    text = '{"type":"message.send","id":1,"room":"lobby","key":"k","text":"a\\ud800"}'
    assert frame_table().id_of(text) == 1
    assert frame_table().id_of('{"id":true,"text":"\\ud800"}') is None
    assert frame_table().id_of('{"id":"\\ud800"}') is None
