"""Secrets are referenced, never contained."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from k8s.checks.manifests import Manifests, ref

# Secrets that an operator creates before the first apply (k8s/create_secrets, or a certificate), with their keys.
DOCUMENTED: dict[str, frozenset[str]] = {
    "hubbub-secrets": frozenset(
        {
            "SECRET_KEY",
            "DATABASE_URL",
            "MIGRATE_DATABASE_URL",
            "REDIS_URL",
            "POSTGRES_PASSWORD",
            "POSTGRES_OWNER_PASSWORD",
            "REDIS_PASSWORD",
        }
    ),
    "hubbub-tls": frozenset({"tls.crt", "tls.key"}),
    "loadtest-tokens": frozenset({"tokens"}),
}
# Keys of hubbub-secrets that may be missing: a rotation under way, a standby for reads.
OPTIONAL = frozenset({"SECRET_KEY_FALLBACKS", "DATABASE_PASSWORD_FALLBACK", "REPLICA_URL"})
# Names whose literal value would be a secret; NAME_FILE holds a path.
SECRET_NAME = re.compile(
    r"(PASSWORD|PASSWD|SECRET|TOKEN|CREDENTIAL|PRIVATE|API_?KEY|_KEY$|_AUTH$|^((MIGRATE_)?DATABASE|REPLICA)_URL$|^REDIS_URL$)",
    re.IGNORECASE,
)
HARMLESS_NAME = re.compile(r"(_FILE$|^TLS_KEY$|^TOKENS$)")  # TOKENS: path of a load run's file
CREDENTIALS_IN_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s:@]*:[^/\s@]+@")
# The role in create_secrets' DATABASE_URL, and the image's directory of scripts for a new data directory.
APP_ROLE, INIT_SCRIPTS = "hubbub", "/docker-entrypoint-initdb.d"
KEY_BLOCK = re.compile(r"-----BEGIN [A-Z ]+-----")
RANDOM_WORD = re.compile(r"[A-Za-z0-9+_=-]{24,}")
# Bits per character: English and our host names stay below 3.8, 32 random characters of base64 reach 4.2.
RANDOM_BITS = 4.0


def no_secret_objects(manifests: Manifests) -> Iterator[str]:
    """Refuse Secrets in the repository."""
    for item in manifests.of("Secret"):
        yield f"Secret/{item['metadata']['name']}: Secrets are created by k8s/create_secrets, not rendered"


def no_secret_values(manifests: Manifests) -> Iterator[str]:
    """Refuse secret values in variables, arguments and lines of a ConfigMap."""
    for where, name, value in [*_config_values(manifests), *_container_values(manifests), *_annotations(manifests)]:
        if reason := _looks_secret(name, value):
            yield f"{where}: {name or repr(value[:20]) + '…'} {reason}"


def app_role_is_no_superuser(manifests: Manifests) -> Iterator[str]:
    """Require a Postgres role of the app's own.

    The image's POSTGRES_USER is the superuser.
    """
    database = manifests.find("StatefulSet", "postgres")
    if database is None:
        return
    container = database["spec"]["template"]["spec"]["containers"][0]
    if {"name": "POSTGRES_USER", "value": APP_ROLE} in container.get("env", []):
        yield f"{ref(database)}: POSTGRES_USER is the app's role {APP_ROLE}, which makes it a superuser: use postgres"
    if not any(mount["mountPath"] == INIT_SCRIPTS for mount in container.get("volumeMounts", [])):
        yield f"{ref(database)}: nothing is mounted at {INIT_SCRIPTS}, so no script makes the role {APP_ROLE} (postgres-role.sh)"


def _config_values(manifests: Manifests) -> Iterator[tuple[str, str, str]]:
    for item in manifests.of("ConfigMap"):
        for name, value in {**item.get("data", {}), **item.get("binaryData", {})}.items():
            yield ref(item), name, value


def _container_values(manifests: Manifests) -> Iterator[tuple[str, str, str]]:
    for workload in manifests.workloads():
        for container in workload.containers:
            where = f"{workload.ref}: container {container['name']}"
            for entry in container.get("env", []):
                if "value" in entry:
                    yield where, entry["name"], entry["value"]
            for field in ("command", "args", "lifecycle", "startupProbe", "readinessProbe", "livenessProbe"):
                yield from ((where, "", text) for text in _texts(container.get(field)))


def _annotations(manifests: Manifests) -> Iterator[tuple[str, str, str]]:
    metadata = [(ref(item), item["metadata"]) for item in manifests.objects]
    metadata += [(workload.ref, workload.template["metadata"]) for workload in manifests.workloads()]
    for where, one in metadata:
        for name, value in one.get("annotations", {}).items():
            yield where, name, value


def _looks_secret(name: str, value: str) -> str | None:
    """Return why a value looks like a secret; None if it does not."""
    if SECRET_NAME.search(name) and not HARMLESS_NAME.search(name) and value:
        return "is a secret by its name: refer to a Secret"
    if CREDENTIALS_IN_URL.search(value):
        return "holds a URL with a password: refer to a Secret"
    if KEY_BLOCK.search(value):
        return "holds a key or certificate: refer to a Secret"
    if any(_bits(word) >= RANDOM_BITS for word in RANDOM_WORD.findall(value)):
        return "looks like a random secret: refer to a Secret"
    return None


def _bits(word: str) -> float:
    """Return the entropy per character.

    Only words with letters and digits can be keys.
    """
    if word.isalpha() or not any(character.isalpha() for character in word):
        return 0.0
    return -sum(count / len(word) * math.log2(count / len(word)) for count in Counter(word).values())


def _texts(value: Any) -> Iterator[str]:
    """Yield every string inside nested lists and mappings."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _texts(list(value.values()))
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
