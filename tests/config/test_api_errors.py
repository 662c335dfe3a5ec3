"""Refusals as answers of the HTTP API."""

import pytest
from django.test import RequestFactory

from config.api_errors import refused
from core.errors import FrameRefused, RateLimited, Unavailable

pytestmark = pytest.mark.once


@pytest.mark.parametrize(("error", "seconds"), [(RateLimited("slowly", retry_after=7), "7"), (Unavailable("away"), "2")])
def test_refusal_for_now_says_when_to_come_again(error: FrameRefused, seconds: str) -> None:
    answer = refused(RequestFactory().get("/api/me"), error)
    assert (answer.status_code, answer.headers["Retry-After"]) == (error.status, seconds)
