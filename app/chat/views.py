from __future__ import annotations

from asgiref.sync import sync_to_async
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.translation import get_language
from django.views.decorators.csrf import ensure_csrf_cookie

from accounts.views import SignIn
from core.csp import allow_nonce


@ensure_csrf_cookie
async def chat_app(request: HttpRequest, room: str = "", seq: str = "") -> HttpResponse:
    """Serve the shell of the web app.

    Its script opens the room and the message in the address.
    """
    user = await request.auser()
    if not user.is_authenticated:
        return redirect_to_login(request.get_full_path())
    # Asked for at once: the script begins with it.
    words = f"src/locales/{(get_language() or 'en').partition('-')[0]}.ts"
    return allow_nonce(render(request, "chat/app.html", {"person": user, "words": words}), "script-src")


async def service_worker(request: HttpRequest) -> HttpResponse:
    """The page's service worker.

    It works for the paths below its own, so it is not below /static/.
    """
    response = render(request, "chat/sw.js", content_type="text/javascript")
    # A browser asks at each visit whether there is a new one.
    response.headers["Cache-Control"] = "no-cache"
    return response


async def home(request: HttpRequest) -> HttpResponseBase:
    """Serve the app to those signed in, and the sign-in page to all others.

    The sign-in page comes at this address, without a redirect.
    """
    user = await request.auser()
    if user.is_authenticated:
        return await chat_app(request)
    return await sync_to_async(SIGN_IN)(request)


SIGN_IN = SignIn.as_view()
