"""Network faults between two parts: packets are dropped, no connection is reset."""

from tests.chaos.chaos_stack import Container
from tests.chaos.faults.fault import Fault


class Cut(Fault):
    """Cut the `near` containers from the `far` ones in their common network."""

    near, far, network = "web", "", "data"
    lasts = 10.0
    cut: list[tuple[Container, list[str]]]
    dropped = 0

    def sides(self) -> tuple[list[Container], list[Container]]:
        return self.stack.running(self.near), self.stack.running(self.far)

    async def begin(self) -> None:
        near, far = await self.ask(self.sides)
        addresses = [self.stack.address(container, self.network) for container in far]
        self.cut = [(container, addresses) for container in near]
        for container, addresses in self.cut:
            await self.ask(self.stack.cut, container, addresses)

    async def end(self) -> None:
        for container, addresses in self.cut:
            self.dropped += await self.ask(self.stack.dropped, container, addresses)
            await self.ask(self.stack.mend, container, addresses)

    def without_effect(self) -> str:
        return "" if self.dropped else f"not one packet between {self.near} and {self.far} was dropped"


class WebFromRedis(Cut):
    name, title, far = "cut-web-redis", "web cut off from Redis for 10 s", "redis"


class OneWebFromRedis(WebFromRedis):
    name, title = "cut-one-web-redis", "one web container cut off from Redis for 10 s"

    def sides(self) -> tuple[list[Container], list[Container]]:
        near, far = super().sides()
        return near[:1], far


class WebFromPostgres(Cut):
    name, title, far = "cut-web-postgres", "web cut off from Postgres for 10 s", "postgres"
    excuses = True


class OneWebFromPostgres(WebFromPostgres):
    name, title = "cut-one-web-postgres", "one web container cut off from Postgres for 10 s"
    # The other installation stores and publishes: its messages reach the clients of both.
    excuses = False

    def sides(self) -> tuple[list[Container], list[Container]]:
        near, far = super().sides()
        return near[:1], far


class NginxFromWeb(Cut):
    name, title = "cut-nginx-web", "nginx cut off from web for 10 s"
    near, far, network = "nginx", "web", "edge"
    excuses = ends_sockets = True


class NginxFromOneWeb(NginxFromWeb):
    name, title = "cut-nginx-one-web", "nginx cut off from one web container for 10 s"

    def sides(self) -> tuple[list[Container], list[Container]]:
        near, far = super().sides()
        return near, far[:1]


FAULTS: tuple[type[Fault], ...] = (
    WebFromRedis, OneWebFromRedis, WebFromPostgres, OneWebFromPostgres, NginxFromWeb, NginxFromOneWeb,
)  # fmt: skip
