"""Pages of a simple client: one file with its script, to be read and copied."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from core.csp import allow_nonce


def demo_page(template: str) -> Callable[..., Any]:
    """Return a view of a template for those signed in.

    Its <script> and <style> carry `nonce="{{ request.csp_nonce }}"`.
    """

    async def view(request: HttpRequest) -> HttpResponse:
        user = await request.auser()
        if not user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        return allow_nonce(render(request, template), "script-src", "style-src")

    return view
