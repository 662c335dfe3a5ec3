"""Django's settings, all derived from variables.py.

Nothing else reads the environment.
"""

from __future__ import annotations

import os
import re
import secrets
import warnings
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from config.admin_addresses import parse_networks
from config.databases import database_from_url, replica_from_url
from config.environment import Environment
from config.features import FEATURES, name_of, variables
from config.origins import LOOPBACK, csp_source, is_loopback, listening_url
from config.safeguards import check_debug, check_secret_key
from core.logging import logging_config
from core.redis_urls import shards_from_urls
from db.connections import LOOP_CONNECTIONS

APP_DIR = Path(__file__).resolve().parent.parent
CHECKOUT = APP_DIR.parent

env = Environment(os.environ)
env.check()
MISSPELT = env.misspelt

DEBUG = env.flag("DEBUG")
DATA_DIR = env.path("DATA_DIR", CHECKOUT) or CHECKOUT / "var"
LISTEN_HOST, LISTEN_PORT = str(env.text("HOST")), env.integer("PORT")

# --- the public address and its consequences
PUBLIC_URL = env.origin("PUBLIC_URL") or listening_url(LISTEN_HOST, LISTEN_PORT)
_public = urlsplit(PUBLIC_URL)
# With IPv6 brackets, as Django compares it; Django itself strips a final dot.
_host = (f"[{_public.hostname}]" if "[" in _public.netloc else str(_public.hostname)).rstrip(".")
_on_this_machine = is_loopback(_host)
# The safe default: a public address is production unless DEPLOYMENT says otherwise.
DEPLOYMENT = env.text("DEPLOYMENT") or ("development" if _on_this_machine else "production")
if DEBUG:
    check_debug(public_url_is_local=_on_this_machine, listens_locally=is_loopback(LISTEN_HOST))
ALLOWED_HOSTS = sorted({_host, *LOOPBACK})
ALLOWED_ORIGINS = [PUBLIC_URL, *env.origins("ALLOWED_ORIGINS")]
if _on_this_machine:
    # Locally all names of the machine are allowed.
    _port = f":{_public.port}" if _public.port else ""
    ALLOWED_ORIGINS += [f"{_public.scheme}://{name}{_port}" for name in LOOPBACK]
CSRF_TRUSTED_ORIGINS = ALLOWED_ORIGINS
_secure = _public.scheme == "https"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _secure
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _secure else None
SECURE_HSTS_SECONDS = 31_536_000 if _secure else 0
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"


ADMIN_NETWORKS = parse_networks(env.items("ADMIN_ADDRESSES"), development=DEPLOYMENT == "development")


# --- storage
def _make_directory(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImproperlyConfigured(
            f"{directory} cannot be made ({error.strerror}): DATA_DIR or DATABASE_URL must name a place this user may write to"
        ) from None


DATABASES = {
    "default": database_from_url(
        env.text("DATABASE_URL"),
        data_dir=DATA_DIR,
        pool_size=env.integer("DATABASE_POOL_SIZE"),
        fallback=env.text("DATABASE_PASSWORD_FALLBACK"),
    )
}
# Used by `manage.py migrate` only.
MIGRATE_DATABASE = (
    database_from_url(
        env.text("MIGRATE_DATABASE_URL"),
        data_dir=DATA_DIR,
        pool_size=env.integer("DATABASE_POOL_SIZE"),
        name="MIGRATE_DATABASE_URL",
    )
    if env.text("MIGRATE_DATABASE_URL")
    else None
)
if MIGRATE_DATABASE and any(MIGRATE_DATABASE[part] != DATABASES["default"][part] for part in ("ENGINE", "NAME")):
    raise ImproperlyConfigured("MIGRATE_DATABASE_URL names another database than DATABASE_URL: use the same with another user")
REPLICA_STALENESS_S = env.integer("REPLICA_STALENESS_S")
if env.text("REPLICA_URL"):
    DATABASES["replica"] = replica_from_url(
        env.text("REPLICA_URL"),
        primary=DATABASES["default"],
        data_dir=DATA_DIR,
        pool_size=env.integer("DATABASE_POOL_SIZE"),
        # Its roles are those of the primary.
        fallback=env.text("DATABASE_PASSWORD_FALLBACK"),
    )
DATABASE_ROUTERS = ["db.replica.Router"]
EMBEDDED = DATABASES["default"]["ENGINE"].endswith("sqlite3")
DATABASE_THREADS = env.integer("DATABASE_POOL_SIZE") - LOOP_CONNECTIONS
if EMBEDDED:
    _make_directory(Path(DATABASES["default"]["NAME"]).parent)


def _secret_key() -> str:
    key = env.text("SECRET_KEY")
    if key:
        if DEPLOYMENT != "development":
            check_secret_key(key)
        return key
    if not EMBEDDED:
        raise ImproperlyConfigured("SECRET_KEY (or SECRET_KEY_FILE) is required with Postgres: set 50 random characters")
    kept = DATA_DIR / "secret_key"
    try:
        if not kept.exists():
            _make_directory(DATA_DIR)
            kept.touch(mode=0o600)
            kept.write_text(secrets.token_urlsafe(50))
        return kept.read_text()
    except OSError as error:
        raise ImproperlyConfigured(
            f"{kept} cannot be used ({error.strerror}): DATA_DIR must name a place this user may write to"
        ) from None


SECRET_KEY = _secret_key()
SECRET_KEY_FALLBACKS = env.items("SECRET_KEY_FALLBACKS")
if DEPLOYMENT != "development":
    for _fallback in SECRET_KEY_FALLBACKS:
        check_secret_key(_fallback, name="SECRET_KEY_FALLBACKS")

INSTALLATION_ID = env.text("INSTALLATION_ID")
if INSTALLATION_ID and not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", INSTALLATION_ID):
    raise ImproperlyConfigured(f"INSTALLATION_ID is {INSTALLATION_ID!r}: use 1 to 64 letters, digits, - and _")

REDIS_SHARDS = shards_from_urls(env.items("REDIS_URL"))
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "realtime.layer.redis_layer.RedisLayer",
        "CONFIG": {"hosts": REDIS_SHARDS, "prefix": None},
    }
    if REDIS_SHARDS
    else {"BACKEND": "channels.layers.InMemoryChannelLayer", "CONFIG": {"capacity": 10_000, "group_expiry": 10**9}}
}
CACHES = {
    "default": {
        "BACKEND": "core.redis_cache.ShardCache",
        "KEY_FUNCTION": "db.installation.cache_key",
    }
    if REDIS_SHARDS
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    # Counts throttles while Redis fails.
    "process": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "process"},
}

# --- the application
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "config.static_files.StaticFiles",
    "django.contrib.admin",
    "channels",
    "csp",
    "django_vite",
    "django_tasks_db",
    "ninja",
    "ops",
    "jobs",
    "accounts",
    "rooms",
    "changes",
    "switches",
    "chat",
    "realtime",
    *FEATURES,
    "config.apps.Features",
]
MIDDLEWARE = [
    "config.refused_requests.slow",
    "config.requests.measured",
    "config.response_headers.uncached",
    "changes.middleware.nudge",
    "config.inline.Security",
    "config.inline.Csp",
    "config.inline.XFrameOptions",
    "config.admin_addresses.guard",
    "config.inline.StaticFiles",  # below the middleware that sets headers of files
    "config.inline.Language",
    "db.page_gate.in_turn",
    "config.inline.Sessions",
    "config.inline.Common",
    "config.inline.Csrf",
    "config.inline.Authentication",
    "config.inline.Messages",
    "config.api_errors.methods",
    "config.switched_pages.hide",
]
ROOT_URLCONF = "config.urls"
REALTIME_PORTS = "config.ports"
FEATURES_OFF = frozenset(env.items("FEATURES_OFF"))
if unknown := FEATURES_OFF - {name_of(package) for package in FEATURES}:
    raise ImproperlyConfigured(f"FEATURES_OFF names {', '.join(sorted(unknown))}: there is no such feature")
# A feature's variables are settings of the same name.
globals().update({variable.name: env.value(variable) for variable in variables()})
ASGI_APPLICATION = "config.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [APP_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "accounts.context.sign_up",
            ]
        },
    }
]
_WS_HOST = _public.netloc


def _sources(directive: str) -> list[str]:
    """Return the origins of the features' addresses that pages may load from."""
    found = ((variable.name, env.text(variable.name)) for variable in variables() if variable.csp == directive)
    return [csp_source(name, address) for name, address in found if address]


CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "connect-src": [SELF, f"{'wss' if _secure else 'ws'}://{_WS_HOST}"],
        "img-src": [SELF, "data:", *_sources("img-src")],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

# --- accounts
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["accounts.backends.CaseInsensitiveBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "accounts.passwords.LongEnough", "OPTIONS": {"min_length": 8}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("username",)},
    },
]
# OWASP's parameters: as hard to crack as PBKDF2's default, in a tenth of its time on our cores.
PASSWORD_HASHERS = ["accounts.hashers.Argon2Hasher", "django.contrib.auth.hashers.PBKDF2PasswordHasher"]
LOGIN_URL, LOGIN_REDIRECT_URL, LOGOUT_REDIRECT_URL = "sign_in", "/", "/"
SIGNUP_OPEN = env.flag("SIGNUP_OPEN")
TICKET_SECONDS = 30

# --- languages: chosen by the browser, or by the person with a cookie that the page sets as well
USE_I18N, LANGUAGE_CODE = True, "en"
LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]
LOCALE_PATHS = [APP_DIR / "locale"]
LANGUAGE_COOKIE_AGE, LANGUAGE_COOKIE_SAMESITE, LANGUAGE_COOKIE_SECURE = 365 * 86_400, "Lax", _secure

# --- limits of the contract
MAX_TEXT = 10_000  # code points per message
MAX_FRAME = 262_144  # bytes per frame

# --- an operator's limits; 0 lifts one
ROOMS_ON_FIRST_USE = env.flag("ROOMS_ON_FIRST_USE")
LIMIT_MESSAGES_PER_S = env.integer("LIMIT_MESSAGES_PER_S")
LIMIT_SOCKETS_PER_USER = env.integer("LIMIT_SOCKETS_PER_USER")
LIMIT_HANDSHAKES_PER_S = env.integer("LIMIT_HANDSHAKES_PER_S")
LIMIT_SIGNUPS_PER_H = env.integer("LIMIT_SIGNUPS_PER_H")
LIMIT_CALLS_PER_S = env.integer("LIMIT_CALLS_PER_S")
LIMIT_ROOMS_PER_H = env.integer("LIMIT_ROOMS_PER_H")
LIMIT_ROOMS_PER_USER = env.integer("LIMIT_ROOMS_PER_USER")
LIMIT_INVITES_PER_H = env.integer("LIMIT_INVITES_PER_H")
LIMIT_INVITES_PER_PERSON = env.integer("LIMIT_INVITES_PER_PERSON")
LIMIT_UNSENT_BYTES = env.integer("LIMIT_UNSENT_MB") * 2**20
ALLOW_SEED = env.flag("ALLOW_SEED")
WS_COMPRESSION = env.flag("WS_COMPRESSION")
DRAIN_SECONDS = env.integer("DRAIN_SECONDS")
DRAIN_SHARE_PER_S = env.integer("DRAIN_SHARE_PER_S")
RUNTIME_DIR = env.text("RUNTIME_DIR")
# 0 lets the script derive it.
WORKER_MEMORY_MAX_MB = env.integer("WORKER_MEMORY_MAX_MB") if env.text("WORKER_MEMORY_MAX_MB") else 0
WORKER_MEMORY_MB = env.integer("WORKER_MEMORY_MB")
WORKER_MEMORY_CHECK_S, WORKER_MIN_AGE_S = 30.0, 300.0
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_048_576

# WhiteNoise returns synchronous iterators. Its files are small, hashed and cached, and in the containers nginx serves them.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators")

# --- static files: Vite's hashed build, found through its manifest
STATIC_URL = "/static/"
STATIC_ROOT = env.path("STATIC_ROOT", CHECKOUT) or DATA_DIR / "static"
FRONTEND_DIST = CHECKOUT / "frontend" / "dist"
STATICFILES_DIRS = [FRONTEND_DIST] if FRONTEND_DIST.is_dir() else []
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "config.static_storage.GzipStorage"},
}
DJANGO_VITE = {"default": {"dev_mode": False, "manifest_path": STATIC_ROOT / "manifest.json"}}
# Vite puts a content hash into every name below assets/.
WHITENOISE_IMMUTABLE_FILE_TEST = r"^/static/assets/"
WHITENOISE_MAX_AGE = 3600

# What people upload; a backup takes all of it along.
MEDIA_ROOT = env.path("FILES_DIR", CHECKOUT) or DATA_DIR / "files"

# Directories that an operator has named: an error of one of their files names the setting.
PLACES = {"DATA_DIR": DATA_DIR} | {
    name: path for name in ("STATIC_ROOT", "FILES_DIR", "RUNTIME_DIR") if (path := env.path(name, CHECKOUT)) is not None
}

# --- background tasks live in the database: no second broker
TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}

# --- the rest
USE_TZ, TIME_ZONE = True, "UTC"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LOGGING_CONFIG = None
LOG_LEVEL, LOG_FORMAT = str(env.text("LOG_LEVEL")), str(env.text("LOG_FORMAT"))
logging_config(LOG_LEVEL, LOG_FORMAT)
# The manifest is made by collectstatic, after migrate.
SILENCED_SYSTEM_CHECKS = ["django_vite.W001"]
METRICS_DIR = env.text("PROMETHEUS_MULTIPROC_DIR")
TRACES_ENDPOINT = (env.text("OTEL_EXPORTER_OTLP_ENDPOINT") or "").rstrip("/")
TRACES_HEADERS = env.text("OTEL_EXPORTER_OTLP_HEADERS") or ""
TRACES_SHARE = env.share("OTEL_TRACES_SAMPLER_ARG")
if TRACES_ENDPOINT and find_spec("opentelemetry") is None:
    raise ImproperlyConfigured(
        "OTEL_EXPORTER_OTLP_ENDPOINT is set without the packages of requirements/traces.txt: install them, or remove it"
    )
