"""A file of secrets that cannot be written stays as it was."""

import pytest

from tests.scripts.conftest import Checkout

pytestmark = pytest.mark.once


def test_secret_that_cannot_be_written_leaves_nothing(faked: Checkout) -> None:
    directory = faked.directory / "var" / "secrets"
    assert faked.script("up", "--secrets").returncode == 0
    before = {path.name: path.read_text() for path in directory.iterdir()}
    assert before["SECRET_KEY"] == "a"
    faked.env_file.write_text(faked.env_file.read_text().replace("SECRET_KEY=a", "SECRET_KEY=b"))
    # As on a full disk.
    (faked.directory / "bin" / "mv").write_text("#!/bin/sh\nexit 1\n")
    (faked.directory / "bin" / "mv").chmod(0o755)
    done = faked.script("up", "--secrets")
    assert done.returncode == 1
    assert "cannot write to" in done.stderr
    assert {path.name: path.read_text() for path in directory.iterdir()} == before


GOOD = b"SECRET_KEY=a\nPOSTGRES_PASSWORD=old\nREDIS_PASSWORD=c\n"


@pytest.mark.parametrize(
    ("added", "named"),
    [
        (b"EMAIL_URL=smtp://a:p\xe4ss@mail\n", "EMAIL_URL"),
        (b"  export EMAIL_URL = 'p\xff'\n", "EMAIL_URL"),
        (b'A="two\n\xc0\x80 lines"\nB=\xed\xa0\x80\nC=\xf4\x90\x80\x80\n', "A, B, C"),
        (b'A="a # b\xfc"\n', "A"),
        ("EMAIL_URL=smtp://ä:ß€😀\U0010ffff@mail\n".encode(), ""),
        (b"# f\xfcr B\xfcros\nA=b # f\xfcr\n", ""),
    ],
    ids=["latin-1", "export", "lines", "quoted", "utf-8", "comments"],
)
@pytest.mark.parametrize("script", ["up", "rotate-secret"])
def test_value_that_is_not_utf8_is_refused_by_name(faked: Checkout, script: str, added: bytes, named: str) -> None:
    """Compose would read it as another value, silently."""
    faked.env_file.write_bytes(GOOD + added)
    faked.role("old")
    done = faked.script(script, "--secrets" if script == "up" else "SECRET_KEY")
    assert (f"the value of {named} is not UTF-8" in done.stderr) == bool(named), done.stderr
    assert (done.returncode == 1) == bool(named)
    assert "\ufffd" not in done.stderr
    if named:
        assert faked.env_file.read_bytes() == GOOD + added
        assert not (faked.directory / "var" / "secrets" / "EMAIL_URL").exists()


def test_value_of_the_environment_that_is_not_utf8_is_refused(faked: Checkout) -> None:
    done = faked.script("up", "--secrets", EMAIL_URL="smtp://p\udce4ss@mail")
    assert (done.returncode, "the value of EMAIL_URL is not UTF-8" in done.stderr) == (1, True), done.stderr


def test_setting_that_is_not_utf8_is_not_written(faked: Checkout) -> None:
    before = faked.env_file.read_bytes()
    refused = faked.script("set", "PUBLIC_URL=http://B\udcfcro")
    assert (refused.returncode, "PUBLIC_URL is not UTF-8" in refused.stderr) == (1, True), refused.stderr
    assert faked.env_file.read_bytes() == before
