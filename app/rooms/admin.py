"""The admin pages of rooms."""

from __future__ import annotations

from typing import Any

from asgiref.sync import async_to_sync
from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from core.admin_pages import LargeTable
from realtime.publish import Head, member_added
from rooms import access, services, signals
from rooms.models import Kind, Membership, Room


@admin.register(Room)
class RoomAdmin(LargeTable, admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    list_display = ("slug", "title", "kind", "head", "last_at", "closed")
    search_fields = ("slug", "title")
    readonly_fields = ("slug", "head", "last_at", "closed")
    ordering = ("-id",)
    actions = ("make_me_an_owner",)
    deletion_note = _("closed to everybody at once; its members and messages are deleted in the background")

    def get_readonly_fields(self, request: HttpRequest, obj: Room | None = None) -> Any:
        """Fix the kind of direct rooms: their slug names their two people."""
        direct = ("kind",) if obj is not None and obj.kind == Kind.DIRECT else ()
        return (*self.readonly_fields, *direct)

    def formfield_for_choice_field(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "kind":
            kwargs["choices"] = [choice for choice in Kind.choices if choice[0] != Kind.DIRECT]
        return super().formfield_for_choice_field(db_field, request, **kwargs)

    def delete_model(self, request: HttpRequest, obj: Room) -> None:
        self.delete_queryset(request, Room.objects.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Room]) -> None:
        services.rooms_close(rooms=list(queryset.values_list("pk", flat=True)))
        transaction.on_commit(lambda: signals.rooms_closed.send(Room))

    @admin.action(description=_("Make me an owner of the selected rooms"), permissions=["change"])
    def make_me_an_owner(self, request: HttpRequest, queryset: QuerySet[Room]) -> None:
        """Give an administrator access to a private room, even one without members."""
        for room in queryset.exclude(kind="direct").filter(closed=False):
            found, new = services.owner_put(room=room, user=int(str(request.user.pk)))
            if new:
                transaction.on_commit(lambda found=found: async_to_sync(_publish_member)(found))  # type: ignore[misc]


async def _publish_member(found: Membership) -> None:
    room = found.room
    mark = Head(found.last_read_seq, found.uncounted)
    member_added(access.to_ref(room), [found.user_id], access.details(room), head=room.head, last_read=mark)
