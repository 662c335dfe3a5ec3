"""The drop-ins of the backup's unit that docs/deploy.md describes."""

import re

from tests.support.server import ROOT

_BLOCK = re.compile(r"^ {4}\[(?:Unit|Service)\]\n(?: {4}\S.*\n)+", re.MULTILINE)


def documented_drop_ins() -> dict[str, str]:
    """Return the text of each drop-in, by its purpose."""
    blocks = _BLOCK.findall((ROOT / "docs" / "deploy.md").read_text())
    disk, user, elsewhere = (re.sub(r"^ {4}", "", block, flags=re.MULTILINE) for block in blocks)
    return {"disk": disk, "user": user, "elsewhere": elsewhere}


def environment_of(*drop_ins: str) -> dict[str, str]:
    """Return the variables of all Environment= lines.

    A later line replaces an earlier one.
    """
    lines = re.findall(r"^Environment=(.*)$", "\n".join(drop_ins), re.MULTILINE)
    return dict(one.split("=", 1) for line in lines for one in line.split())
