"""The admin pages of people: what shuts somebody out ends their sockets too."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from accounts.models import User
from accounts.revoking import publish
from accounts.services import access_revoke, session_credential
from chat.tasks import ownership_pass_on, person_delete
from ops.admin_pages import LargeTable


@admin.register(User)
class PersonAdmin(LargeTable, UserAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    deletion_note = "shut out at once; what they wrote stays, under the name deleted-<number>"

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if change and "is_active" in form.changed_data and not obj.is_active:
            _shut_out(obj.pk)
            transaction.on_commit(lambda: ownership_pass_on.enqueue(obj.pk))

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:  # noqa: A002
        before = self._password(request, id)
        response: HttpResponse = super().user_change_password(request, id, form_url)
        if before is not None and self._password(request, id) != before:
            # Whoever sets their own stays signed in here, as on the page for it.
            own = str(request.user.pk) == id
            _shut_out(int(id), keep=session_credential(request.session) if own else "")
        return response

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        self.delete_queryset(request, User.objects.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        people = list(queryset.values_list("pk", flat=True))
        User.objects.filter(pk__in=people).update(is_active=False)
        for person in people:
            _shut_out(person)
            transaction.on_commit(lambda person=person: person_delete.enqueue(person))  # type: ignore[misc]

    def _password(self, request: HttpRequest, id: str) -> str | None:  # noqa: A002
        user = self.get_object(request, id) if request.method == "POST" else None
        return user.password if user else None


def _shut_out(person: int, keep: str = "") -> None:
    ended = access_revoke(user=person, keep=keep)
    transaction.on_commit(lambda: publish(ended))
