"""The admin pages of people.

The database notes each revocation (app/changes), and the sockets are closed.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminPasswordChangeForm
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts import signals
from accounts.models import ApiToken, User
from core.admin_pages import LargeTable


class PasswordSet(AdminPasswordChangeForm):  # type: ignore[type-arg]  # generic in the stubs only
    """The form that sets a person's password and ends the person's tokens.

    An administrator sets a password to shut someone out.
    """

    def save(self, commit: bool = True) -> Any:
        user = super().save(commit)
        ApiToken.objects.filter(user=user).delete()
        return user


@admin.register(User)
class PersonAdmin(LargeTable, UserAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    change_password_form = PasswordSet
    deletion_note = _("shut out at once; their messages stay, under the name deleted-<number>")

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if change and "is_active" in form.changed_data and not obj.is_active:
            transaction.on_commit(lambda: signals.shut_out.send(User, user=obj.pk))

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        self.delete_queryset(request, User.objects.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        people = list(queryset.values_list("pk", flat=True))
        User.objects.filter(pk__in=people).update(is_active=False)
        for person in people:
            transaction.on_commit(lambda person=person: signals.deleted.send(User, user=person))  # type: ignore[misc]
