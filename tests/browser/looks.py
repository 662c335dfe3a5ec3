"""What a page looks like to axe, and to those who cannot see it."""

from typing import Any

from playwright.sync_api import Page

from tests.support.server import ROOT

AXE = ROOT / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
GRAVE = {"serious", "critical"}
# Each page has one main landmark and one first heading, and nothing is outside the landmarks.
STRUCTURE = {"landmark-one-main", "page-has-heading-one", "region", "heading-order", "landmark-unique"}


# Colours in the middle of a transition are unintended. Endless animations (a spinner) are looked at as they are.
SETTLED = """() => Promise.race([
    Promise.allSettled(document.getAnimations()
        .filter((one) => one.playState === 'running' && one.effect.getComputedTiming().endTime !== Infinity)
        .map((one) => one.finished)),
    new Promise((settled) => setTimeout(settled, 2000))])"""


def findings(page: Page) -> list[str]:
    """Return axe's serious or critical findings, and faults of a page's structure.

    Each finding says where it is.
    """
    page.evaluate(SETTLED)
    if not page.evaluate("'axe' in window"):
        page.add_script_tag(content=AXE.read_text())
    # All that passed is many times as long as what did not: it stays in the page.
    violations: list[dict[str, Any]] = page.evaluate("axe.run({resultTypes: ['violations']}).then(({violations}) => violations)")
    return [
        f"{violation['id']}: {node['html']} {node['failureSummary']}"
        for violation in violations
        if violation["impact"] in GRAVE or violation["id"] in STRUCTURE
        for node in violation["nodes"]
    ]
