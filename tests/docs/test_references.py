"""All names in README and docs/ exist: files, links, settings, metrics."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from prometheus_client import Counter, Gauge, Histogram, Summary

from accounts import throttle
from config.api import api
from config.variables import VARIABLES
from core import metrics
from core.errors import Close, FrameRefused
from core.features import installed
from core.limits import LIMITS
from realtime import send_queue
from tests.docs.contract import document, matching, resolve
from tests.support.server import ROOT

PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
PROTOCOL = ROOT / "docs" / "protocol.md"
OBSERVABILITY = ROOT / "docs" / "observability.md"

#: Folders that come to be by running something, and files a page tells the reader to write.
MADE = {"var", ".venv", "artifacts", "node_modules"}
WRITTEN = {"compose.override.yaml"}
#: Paths that stand for any feature's, and those of the feature that docs/features.md makes.
ANY = re.compile(r"(app|frontend/src|tests)/features/(NAME|mine|dice)\b")


@pytest.fixture(params=PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def page(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def code_of(page: Path) -> list[str]:
    """Return all code of a page: spans and blocks, fenced or indented."""
    text = page.read_text()
    fenced = re.findall(r"^```\w*\n(.*?)^```", text, flags=re.S | re.M)
    rest = re.sub(r"^```\w*\n.*?^```", "", text, flags=re.S | re.M)
    return fenced + re.findall(r"^(?: {4}|\t).*", rest, flags=re.M) + re.findall(r"`([^`\n]+)`", rest)


def rows_under(page: Path, heading: str) -> list[list[str]]:
    """Return the cells of all tables below a heading, without the table heads."""
    section = re.split(rf"^## {re.escape(heading)}$", page.read_text(), flags=re.M)[1]
    section = re.split(r"^## ", section, flags=re.M)[0]
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in section.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in row] for row in rows]
    heads = {index for index, row in enumerate(cells) if set("".join(row)) <= set("- :")}
    return [row for index, row in enumerate(cells) if index not in heads and index + 1 not in heads]


def anchors_of(page: Path) -> set[str]:
    """Return GitHub's anchors of a page's headings."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.S | re.M)
    headings = re.findall(r"^#+ (.*)$", text, flags=re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_resolve(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        if anchor:
            assert anchor in anchors_of(file), target


def test_paths_exist(page: Path) -> None:
    """Paths are relative to the checkout, to app/ or to the page.

    A bare file name matches any of our files.
    """
    app, tops = ROOT / "app", {path.name for folder in (ROOT, ROOT / "app") for path in folder.iterdir() if path.is_dir()}
    folders = ("app", "docs", "frontend/src", "k8s", "scripts", "tests")
    names = {path.name for folder in folders for path in (ROOT / folder).rglob("*.*")}
    names |= {path.name for path in ROOT.iterdir()} | WRITTEN
    for code in code_of(page):
        for word in re.findall(r"(?<![\w/.$<>:@-])[\w.-]+(?:/[\w.*-]+)*/?(?![\w<])", code):
            if ANY.match(word):
                continue
            first, _, rest = word.partition("/")
            if rest and first in tops - MADE:
                assert any(list(place.glob(word.rstrip("/"))) for place in (ROOT, app, page.parent)), f"{word} in {code!r}"
            elif not rest and re.search(r"\.(py|md|yaml|toml|sh|ts)$", word):
                assert word in names, f"{word} in {code!r}"


def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.M))
    for code in code_of(page):
        for target in re.findall(r"(?<![\w-])make ([a-z]+)", code):
            assert target in targets, code


def test_names_in_capitals_are_settings_or_constants(page: Path) -> None:
    known = {variable.name for variable in VARIABLES}
    known |= {f"{variable.name}_FILE" for variable in VARIABLES if variable.kind == "secret"} | {"NAME_FILE"}
    sources = [
        *(ROOT / "scripts").rglob("*"),
        *(ROOT / "tests" / "support").iterdir(),
        *(ROOT / "app").rglob("*.py"),
        ROOT / "compose.yaml",
        ROOT / "compose.loadtest.yaml",
        ROOT / "compose.observability.yaml",
    ]
    for source in sources:
        if source.is_file():
            known |= set(re.findall(r"\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b", source.read_text(errors="replace")))
    for code in code_of(page):
        for name in re.findall(r"\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b", code):
            assert name in known, code


def test_docs_link_to_settings_instead_of_copying_them() -> None:
    """`.env.example` is the table of settings; a copy would differ from it in time."""
    for page in PAGES:
        rows = [line for line in page.read_text().splitlines() if re.match(r"\| `[A-Z_]+` \|", line)]
        assert len(rows) < len(VARIABLES) / 2, page


def test_documented_close_codes_exist() -> None:
    rows = rows_under(PROTOCOL, "Close codes")
    codes = [int(row[0]) for row in rows]
    assert len(codes) == len(set(codes))
    assert set(codes) - {1002, 1006, 1007, 1009, 1011} == {int(code) for code in Close}


def test_documented_error_codes_exist() -> None:
    """A feature's own codes are on its page."""
    codes = [row[0].strip("`") for row in rows_under(PROTOCOL, "Errors")]
    ours = [refusal for refusal in FrameRefused.__subclasses__() if not refusal.__module__.startswith("features.")]
    assert sorted(codes) == sorted(refusal.code for refusal in ours)
    for feature in installed().features:
        for refusal in feature.errors:
            assert f"`{refusal.code}`" in page_of(feature.name).read_text()


def page_of(feature: str) -> Path:
    return ROOT / "docs" / "features" / f"{feature}.md"


def test_documented_limits_match_the_code() -> None:
    """Each number in the table of limits equals the one in the code."""
    rows = {row[0]: row[1] for row in rows_under(PROTOCOL, "Limits")}
    for variable in VARIABLES:
        if variable.name in {
            f"LIMIT_{what}" for what in ("MESSAGES_PER_S", "SOCKETS_PER_USER", "HANDSHAKES_PER_S", "SIGNUPS_PER_H")
        }:
            (default,) = [value for what, value in rows.items() if what.endswith(f"(`{variable.name}`)")]
            assert default.split(",")[0] == variable.default
    numbers = {
        "text of a message": [settings.MAX_TEXT],
        "frame": [settings.MAX_FRAME],
        "tries of a password a minute": [throttle.ATTEMPTS_PER_ACCOUNT, throttle.ATTEMPTS_PER_ADDRESS],
        "unsent data of all sockets of a process (`LIMIT_UNSENT_MB`)": [settings.LIMIT_UNSENT_BYTES // 2**20],
        "unsent data of a socket": [LIMITS.send_queue_bytes // 2**20, int(send_queue.MAX_AGE_S)],
        "body of an HTTP request": [settings.DATA_UPLOAD_MAX_MEMORY_SIZE // 2**20],
    }
    for what, expected in numbers.items():
        assert [int(number) for number in re.findall(r"\d+", rows[what].replace(",", ""))] == expected


def test_documented_frames_of_the_native_dialect_exist() -> None:
    """Each frame is in its page: protocol.md for the core, or its feature's page.

    An example there counts, too.
    """
    text = "\n".join(page.read_text() for page in (PROTOCOL, *(ROOT / "docs" / "features").glob("*.md")))
    for name, found in document()["channels"]["native"]["messages"].items():
        kind = resolve(found["$ref"])["title"]
        if not name.startswith(("bare", "live.")):
            assert f"`{kind}`" in text or f'"type": "{kind}"' in text or f"`{kind} " in text, name


def test_documented_api_calls_exist() -> None:
    """Those of a feature may stand on its page alone."""
    places = [row[0] for row in rows_under(PROTOCOL, "HTTP")]
    places += [page.read_text() for page in (ROOT / "docs" / "features").glob("*.md")]
    documented = set()
    for place in places:
        for call in re.findall(r"`((?:GET|POST|PUT|PATCH|DELETE) /api/[^`\s]*)", place):
            documented.add(re.sub(r"<[\w-]+>", "<>", call.split("?")[0]))
    served = {
        f"{method.upper()} {re.sub(r'{.*?}', '<>', path)}"
        for path, methods in api.get_openapi_schema()["paths"].items()
        for method in methods
    }
    assert documented == served | {"GET /api/openapi.json", "GET /api/docs"}


def _examples() -> Iterator[str]:
    for block in re.findall(r"^```json\n(.*?)^```", PROTOCOL.read_text(), flags=re.S | re.M):
        yield from block.splitlines()


@pytest.mark.parametrize("frame", list(_examples()), ids=lambda frame: frame[:40])
def test_examples_of_frames_are_valid(frame: str) -> None:
    assert matching("native", "receive", frame) + matching("native", "send", frame)


def test_documented_metrics_exist() -> None:
    kinds = Counter | Gauge | Histogram | Summary | metrics.OptionalGauge
    ours = {name: value for name, value in vars(metrics).items() if isinstance(value, kinds)}
    # A counter's name lacks `_total` here; the exposition adds it.
    shown = {value._name + ("_total" if isinstance(value, Counter) else "") for value in ours.values()}
    named = [row[0].strip("`") for row in rows_under(OBSERVABILITY, "Metrics")]
    assert [name for name in named if name.startswith("hubbub_")] == sorted(shown)
