"""The users of a run in this process: their schedule and their messages.

Locust patches the interpreter on import, which would break the other tests of this process; with
LOCUST_SKIP_MONKEY_PATCH it does not.
"""

import os
from typing import Any
from unittest.mock import patch

from loadtest import shapes
from tests.loadtest.options import settings


def chat_user(**options: str) -> Any:
    """A ChatUser: number 0 of a run with these options.

    `sent` collects its frames; nothing answers.
    """
    with patch.dict(os.environ, LOCUST_SKIP_MONKEY_PATCH="1"):
        from locust.env import Environment  # noqa: PLC0415

        from loadtest.chat_user import ChatUser  # noqa: PLC0415
        from loadtest.trial import Trial  # noqa: PLC0415

    class Alone(ChatUser):
        trial = Trial(shapes.of(settings(**options)), lambda: 0)

        def __init__(self, environment: Any) -> None:
            super().__init__(environment)
            self.sent: list[Any] = []

        def send_json(self, frame: Any) -> None:
            self.sent.append(frame)

    user = Alone(Environment(host="http://127.0.0.1:1", user_classes=[Alone]))
    user.become(0)
    return user
