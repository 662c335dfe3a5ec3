"""What an operator sets of sensors."""

from __future__ import annotations

from core.variables import Variable

VARIABLES = (
    Variable("SENSOR_DAYS", "int", "7", "Days for which each reading of a sensor is kept", minimum=1, maximum=3_650),
    Variable(
        "SENSOR_MINUTE_DAYS",
        "int",
        "90",
        "Days for which a sensor's minutes are kept: mean, least, greatest",
        minimum=1,
        maximum=3_650,
    ),
    Variable("SENSOR_HOUR_DAYS", "int", "730", "Days for which a sensor's hours are kept", minimum=1, maximum=36_500),
    Variable("LIMIT_READINGS_PER_S", "int", "2000", "Readings of sensors a second, person and process; 0 lifts it"),
    Variable("LIMIT_DEVICES_PER_ROOM", "int", "50", "Devices of sensors a room may have", minimum=1, maximum=1_000),
    Variable("LIMIT_SENSORS_PER_ROOM", "int", "200", "Sensors a room may have", minimum=1, maximum=1_000),
)
