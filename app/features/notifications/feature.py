from __future__ import annotations

from django.urls import path

from core.features import Feature, FrameHandler, Periodic, Routine
from features.notifications import api, digest, doctor, endpoints, frames, mail, outcomes, sweep, views
from features.notifications.teller import teller

endpoints.check()
mail.check()

FEATURE = Feature(
    name="notifications",
    frames=(FrameHandler(frames.NotifyClaim, frames.notify_claim, reply="notify.claimed"),),
    sends=(frames.Notify, frames.NotifyClaimed, frames.Notifications),
    routers=(("/notifications", api.router),),
    periodic=(Periodic(outcomes.export, every_s=outcomes.EXPORT_EVERY_S),),
    routines=(
        Routine("push", sweep.run, every_s=sweep.EVERY_S),
        Routine("digest", digest.run, every_s=digest.EVERY_S),
    ),
    checks=(("push", doctor.check_push), ("mail", doctor.check_mail)),
    urlpatterns=(
        path("notifications/confirm/<str:token>", views.confirm, name="notifications_confirm"),
        path("notifications/unsubscribe/<str:token>", views.unsubscribe, name="notifications_unsubscribe"),
    ),
    delivered=(lambda room, events, watchers: teller().hear(room, events, watchers),),
    signalled=(lambda user, frame: teller().forget(user, frame),),
)
