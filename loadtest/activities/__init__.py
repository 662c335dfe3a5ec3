"""What users do with features beside the talk, by name."""

from loadtest.activities.base import Activity
from loadtest.activities.location import Location
from loadtest.activities.polls import Polls
from loadtest.activities.quiz import Quiz
from loadtest.activities.sensors import Sensors

ACTIVITIES: dict[str, type[Activity]] = {one.name: one for one in (Polls, Location, Sensors, Quiz)}


def of(name: str) -> type[Activity]:
    """Return an activity.

    Notes need pycrdt, which is imported for them alone.
    """
    if name == "notes":
        from loadtest.activities.notes import Notes  # noqa: PLC0415

        return Notes
    return ACTIVITIES[name]
