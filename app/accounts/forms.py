from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from accounts import names, services
from accounts.models import User

PASSWORD_RULES = _("At least 8 characters, not one of the common passwords, and not like your name.")


class SignInForm(AuthenticationForm):
    error_messages = AuthenticationForm.error_messages | {
        "invalid_login": _(
            "This name and password do not belong together. Capital letters count in the password, not in the name."
        )
    }


class SignUpForm(forms.Form):
    username = forms.CharField(
        label=_("Name"),
        max_length=names.MAX_LENGTH,
        help_text=names.RULES,
        widget=forms.TextInput(attrs={"autocomplete": "username", "autofocus": True}),
    )
    password = forms.CharField(
        label=_("Password"),
        help_text=PASSWORD_RULES,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        strip=False,
    )

    user: User

    def clean(self) -> dict[str, Any]:
        fields = super().clean() or {}
        if not self.errors:
            try:
                self.user = services.user_create(username=fields["username"], password=fields["password"])
            except ValidationError as error:
                self.add_error(None, error)
        return fields
