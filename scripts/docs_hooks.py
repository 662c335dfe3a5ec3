"""Hooks of MkDocs: menus from folders, and links out of docs/ to the sources."""

from __future__ import annotations

import html
import logging
import os
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
LINK = re.compile(r"\[([^\]]*)\]\(([^)\s]+)\)")
CODE = re.compile(r"^```.*?^```|`[^`\n]+`", re.MULTILINE | re.DOTALL)
logger = logging.getLogger("mkdocs.hooks.docs")


def on_config(config: Any) -> Any:
    """Put a folder's pages in the place of its name, its README first.

    Make anchors as a forge does.
    """
    docs = Path(config["docs_dir"])
    config["nav"] = [{title: _pages(pages, docs)} for section in config["nav"] for title, pages in section.items()]
    config["mdx_configs"].setdefault("toc", {})["slugify"] = slugify
    return config


def slugify(heading: str, separator: str) -> str:
    """Return a heading's anchor as a forge makes it.

    The links in the pages work in both places.
    """
    return re.sub(r"[^\w\- ]", "", html.unescape(heading).lower()).replace(" ", separator)


def _pages(pages: str | list[str], docs: Path) -> str | list[Any]:
    if isinstance(pages, str):
        return pages
    found: list[Any] = []
    for page in pages:
        if not page.endswith("/"):
            found.append(page)
            continue
        inside = sorted((docs / page).glob("*.md"), key=lambda path: (path.name != "README.md", path.name))
        names = [str(path.relative_to(docs)) for path in inside]
        found += names if len(pages) == 1 else [{page.rstrip("/").capitalize(): names}]
    return found


def on_page_markdown(markdown: str, *, page: Any, config: Any, **_: Any) -> str:
    """Send links to files outside docs/ to the sources.

    Without the sources' address (IMAGE_SOURCE) the text alone remains.
    """
    folder = (DOCS / page.file.src_uri).parent
    parts, end = [], 0
    for code in CODE.finditer(markdown):
        parts += [LINK.sub(lambda link: _link(link, folder, page, config), markdown[end : code.start()]), code[0]]
        end = code.end()
    return "".join([*parts, LINK.sub(lambda link: _link(link, folder, page, config), markdown[end:])])


def _link(link: re.Match[str], folder: Path, page: Any, config: Any) -> str:
    text, target = link[1], link[2]
    if "://" in target or target.startswith(("#", "mailto:")):
        return link[0]
    path, _, anchor = target.partition("#")
    file = Path(os.path.normpath(folder / path))
    if file.is_relative_to(DOCS):
        return link[0]
    if not file.exists() or not file.is_relative_to(ROOT):
        logger.warning("%s links %s, which does not exist", page.file.src_uri, target)
    if not config["repo_url"]:
        return text
    return f"[{text}]({config['repo_url'].rstrip('/')}/blob/main/{file.relative_to(ROOT)}{anchor and '#' + anchor})"
