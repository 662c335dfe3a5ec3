"""All faults by name, in the order of the table."""

from tests.chaos.faults import network, people, postgres, proxy, redis, web
from tests.chaos.faults.fault import Fault

FAULTS: dict[str, type[Fault]] = {
    fault.name: fault for module in (web, redis, postgres, proxy, network, people) for fault in module.FAULTS
}
