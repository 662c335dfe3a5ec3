"""A page of docs/runbooks as commands: its `sh` blocks, section by section."""

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = {page.stem: page for page in sorted((ROOT / "docs" / "runbooks").glob("*.md")) if page.stem != "README"}
SECTIONS = ("Symptom", "Look", "Decide", "Do", "Verify", "Undo")
EXECUTED, FOR_A_CLUSTER, WRITTEN = "sh", "shell", "yaml"


@dataclass(frozen=True)
class Block:
    section: str
    language: str
    text: str


def blocks_of(page: Path) -> list[Block]:
    """Return the fenced blocks of a page, in order."""
    section, found = "", []
    for heading, language, text in re.findall(
        r"^## ([^\n]+)$|^```(\w*)\n(.*?)^```$", page.read_text(), flags=re.MULTILINE | re.DOTALL
    ):
        section = heading or section
        if not heading:
            found.append(Block(section, language, text))
    return found


@dataclass
class Book:
    """Runs a page's commands as an operator would.

    It uses bash, in the checkout, with .env.
    """

    page: Path
    checkout: Path
    env: Mapping[str, str]
    # Text that is another here than on the page, such as a port.
    here: dict[str, str] = field(default_factory=dict)
    ran: list[Block] = field(default_factory=list)

    def run(self, section: str, *, number: int | None = None, checkout: Path | None = None, **options: object) -> str:
        """Run all blocks of a section, or the one with this number; return their output.

        Each must end with 0.
        """
        chosen = [block for block in blocks_of(self.page) if block.section == section and block.language == EXECUTED]
        if number is not None:
            chosen = [chosen[number]]
        assert chosen, f"{self.page.name} has no commands under {section}"
        return "".join(self._run(block, checkout or self.checkout) for block in chosen)

    def written(self, number: int = 0) -> str:
        """Return the text that the operator writes by this page: a file, or lines of it."""
        found = [block for block in blocks_of(self.page) if block.language == WRITTEN]
        return self.translated(found[number].text)

    def translated(self, text: str) -> str:
        for there, here in self.here.items():
            text = text.replace(there, here)
        return text

    def not_run(self) -> list[Block]:
        return [block for block in blocks_of(self.page) if block.language == EXECUTED and block not in self.ran]

    def _run(self, block: Block, checkout: Path) -> str:
        command = ["bash", "-euo", "pipefail", "-c", self.translated(block.text)]
        options = {"env": dict(self.env), "cwd": checkout, "capture_output": True, "text": True, "timeout": 300, "input": ""}
        done = subprocess.run(command, check=False, **options)  # type: ignore[call-overload]
        said = f"{done.stdout}{done.stderr}"
        assert done.returncode == 0, (
            f"{self.page.name}, {block.section}: exit code {done.returncode}\n{block.text}\n{said[-4000:]}"
        )
        self.ran.append(block)
        return said
