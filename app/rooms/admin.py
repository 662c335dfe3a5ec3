from django.contrib import admin

from rooms.models import Room


@admin.register(Room)
class RoomAdmin(admin.ModelAdmin[Room]):
    list_display = ("slug", "title", "kind", "head", "last_at")
    search_fields = ("slug", "title")
    readonly_fields = ("slug", "head", "last_at")
