from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.views import LogoutView
from django.urls import path, re_path
from django.views.decorators.csrf import csrf_exempt
from django.views.i18n import set_language

from accounts.views import PasswordChange, PasswordDone, SignIn, SignUp
from chat.views import chat_app, home, service_worker
from config import api_errors
from config.api import api
from core.features import installed

urlpatterns = [
    *installed().every("urlpatterns"),
    path("", home, name="home"),
    re_path(r"^chat/?$", chat_app, name="chat"),
    re_path(r"^features/?$", chat_app, name="features"),
    re_path(r"^chat/(?P<room>[^/]+)/?$", chat_app, name="room"),
    re_path(r"^chat/(?P<room>[^/]+)/(?P<seq>[0-9]+)/?$", chat_app, name="message"),
    path("sw.js", service_worker, name="service_worker"),
    path("accounts/sign-in/", SignIn.as_view(), name="sign_in"),
    path("accounts/sign-up/", SignUp.as_view(), name="sign_up"),
    path("accounts/sign-out/", LogoutView.as_view(), name="sign_out"),
    path("accounts/language/", set_language, name="set_language"),
    path("accounts/password/", PasswordChange.as_view(), name="password_change"),
    path("accounts/password/done/", PasswordDone.as_view(), name="password_done"),
    path("api/", api.urls),
    # For programs: no HTML page, also where a form would lack its CSRF token.
    re_path(r"^api/", csrf_exempt(api_errors.nothing_here)),
    # Our page has a throttle. A person without admin rights may sign in as another person here.
    path("admin/login/", SignIn.as_view(redirect_authenticated_user=False)),
    path("admin/password_change/", PasswordChange.as_view()),
    path("admin/", admin.site.urls),
]
