from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from accounts import services
from accounts.models import User


class SignUpForm(forms.Form):
    username = forms.CharField(
        label="Name", max_length=64, widget=forms.TextInput(attrs={"autocomplete": "username", "autofocus": True})
    )
    password = forms.CharField(widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}), strip=False)

    user: User

    def clean(self) -> dict[str, Any]:
        fields = super().clean() or {}
        if not self.errors:
            try:
                self.user = services.user_create(username=fields["username"], password=fields["password"])
            except ValidationError as error:
                self.add_error(None, error)
        return fields
