"""Sensors: devices push readings, people see charts, alarms post into the room."""

from __future__ import annotations

import re

from django.urls import re_path

from core.demo_pages import demo_page
from core.features import Feature, FrameHandler, LiveTopic, Periodic, TokenKind
from features.sensors import alarms, api, devices, frames, lists
from features.sensors.device_sockets import look_after_devices
from features.sensors.dialect import DeviceDialect, DeviceLines, SensorDialect
from features.sensors.ingest import TOPIC, Readings

FEATURE = Feature(
    name="sensors",
    frames=(FrameHandler(frames.SensorPush, frames.sensor_push, paced=False),),
    live=(LiveTopic(TOPIC, per_s=10, keep_s=3_600, keys=1_000),),
    tokens=(
        TokenKind(
            devices.KIND,
            devices.PREFIX,
            devices.owners,
            dialects={"native": DeviceDialect, SensorDialect.name: DeviceLines},
        ),
    ),
    lists=(lists.SENSORS,),
    routers=(("/rooms", api.router),),
    periodic=(Periodic(alarms.check_all, every_s=alarms.EVERY_S), Periodic(look_after_devices, every_s=3.0)),
    services=(Readings,),
    tasks=("features.sensors.tasks.readings_prune",),
    dialects=((re.compile(r"/ws/sensor_data/?"), SensorDialect),),
    urlpatterns=(re_path(r"^demo/sensor_data/?$", demo_page("sensors/demo.html"), name="sensors_demo"),),
)
