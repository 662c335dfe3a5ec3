"""Certificates for localhost that end on any day, also a past one."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

_CA = """
[ca]
default_ca = here
[here]
database = {directory}/index
serial = {directory}/serial
new_certs_dir = {directory}
default_md = sha256
policy = any
x509_extensions = names
[any]
commonName = supplied
[names]
subjectAltName = DNS:{name}
basicConstraints = critical, CA:TRUE
"""


def make_certificate(directory: Path, *, days: int, life: int = 100, name: str = "localhost") -> tuple[Path, Path]:
    """Make a self-signed certificate.pem and key.pem that end in `days` days.

    The certificate lives for `life` days in all. With negative `days` it has expired.
    """
    directory.mkdir(exist_ok=True)
    request, key, certificate = (directory / name for name in ("request.pem", "key.pem", "certificate.pem"))
    (directory / "ca.cnf").write_text(_CA.format(directory=directory, name=name))
    (directory / "index").write_text("")
    (directory / "serial").write_text("01\n")
    _openssl(
        "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}",
        "-keyout", key, "-out", request,
    )  # fmt: skip
    ends = datetime.now(UTC) + timedelta(days=days)
    _openssl(
        "ca", "-batch", "-selfsign", "-notext", "-config", directory / "ca.cnf", "-in", request, "-keyfile", key,
        "-out", certificate,
        "-startdate", f"{ends - timedelta(days=life):%y%m%d%H%M%SZ}", "-enddate", f"{ends:%y%m%d%H%M%SZ}",
    )  # fmt: skip
    key.chmod(0o644)  # uid 101 of the nginx container has to read it
    return certificate, key


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=30)
