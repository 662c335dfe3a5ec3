"""`make up` makes a checkout of umask 077 readable for the containers."""

import pytest

from tests.scripts.conftest import Checkout

pytestmark = pytest.mark.once


def test_sources_of_a_strict_umask_become_readable(faked: Checkout) -> None:
    app, program = faked.directory / "app" / "ä folder", faked.directory / "scripts" / "run_gunicorn.sh"
    app.mkdir(parents=True)
    (app / "module.py").write_text("")
    for path, mode in ((app / "module.py", 0o600), (app, 0o700), (app.parent, 0o700), (program, 0o700), (faked.env_file, 0o600)):
        path.chmod(mode)
    secret = faked.directory / "var" / "secrets"
    secret.mkdir(parents=True, mode=0o700)
    done = faked.script("up")
    assert "Made the sources readable" in done.stderr
    modes = [path.stat().st_mode & 0o777 for path in (app / "module.py", app, app.parent, program, faked.env_file, secret)]
    assert modes == [0o644, 0o755, 0o755, 0o755, 0o600, 0o700]
    assert "Made the sources readable" not in faked.script("up").stderr
