"""The account pages: plain forms that work without a script."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.views import LoginView, PasswordChangeView, RedirectURLMixin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse_lazy
from django.views.generic import FormView

from accounts import hashers, throttle
from accounts.forms import SignInForm, SignUpForm
from core.errors import RateLimited
from core.refusals import note_refusal
from core.words import said, sentence


class Hashing:
    """Mixin for the view of a form that hashes a password.

    The view waits for a hash slot before it uses the database.
    """

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if request.method != "POST":
            return super().dispatch(request, *args, **kwargs)  # type: ignore[misc]
        try:
            with hashers.hash_slot_for(throttle.address_of(request)):
                return super().dispatch(request, *args, **kwargs)  # type: ignore[misc]
        except RateLimited as error:
            return _refused(self, said(error), status=429, retry_after=error.retry_after)  # type: ignore[arg-type]
        except hashers.Busy as error:
            return _refused(self, said(error), status=503, retry_after=5)  # type: ignore[arg-type]  # the view it is mixed into


class SignIn(Hashing, LoginView):
    template_name = "accounts/sign_in.html"
    form_class = SignInForm
    redirect_authenticated_user = True

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            throttle.sign_in_attempt(request, request.POST.get("username", ""))
        except throttle.Throttled as error:
            return _throttled(self, error)
        return super().post(request, *args, **kwargs)


class SignUp(Hashing, RedirectURLMixin, FormView[SignUpForm]):
    template_name = "accounts/sign_up.html"
    form_class = SignUpForm
    next_page = "/"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if not settings.SIGNUP_OPEN:
            note_refusal("sign-up", "closed", "SIGNUP_OPEN")
            return render(request, "accounts/sign_up_closed.html", status=403)
        return super().dispatch(request, *args, **kwargs)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            throttle.sign_up_attempt(request)
        except throttle.Throttled as error:
            return _throttled(self, error)
        return super().post(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs) | {self.redirect_field_name: self.get_redirect_url()}

    def form_valid(self, form: SignUpForm) -> HttpResponse:
        login(self.request, form.user, backend="accounts.backends.CaseInsensitiveBackend")
        return super().form_valid(form)


class PasswordChange(Hashing, PasswordChangeView):
    template_name = "accounts/password.html"
    success_url = reverse_lazy("password_done")

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            throttle.sign_in_attempt(request, request.user.get_username())  # this form checks the old password, too
        except throttle.Throttled as error:
            return _throttled(self, error)
        return super().post(request, *args, **kwargs)


class PasswordDone(PasswordChangeView):
    template_name = "accounts/password.html"
    extra_context = {"changed": True}


def _throttled(view: FormView[Any] | LoginView, error: throttle.Throttled) -> HttpResponse:
    return _refused(view, said(error), status=429, retry_after=error.retry_after)


def _refused(view: FormView[Any] | LoginView, reason: str, *, status: int, retry_after: int) -> HttpResponse:
    """Show the form again, unchecked, with the typed name."""
    arguments = view.get_form_kwargs()
    data = arguments.pop("data", {})
    arguments.pop("files", None)
    arguments["initial"] = arguments["initial"] | {"username": data.get("username", "")}
    context = view.get_context_data(form=view.get_form_class()(**arguments), throttled=sentence(reason))
    headers = {"Retry-After": str(retry_after)}
    return view.response_class(view.request, view.get_template_names(), context, status=status, headers=headers)
