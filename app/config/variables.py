"""All variables that an operator can set, in one table.

settings.py reads it, and a test compares it with .env.example.

`scope` names the reader: `app` (settings.py), `script` (the scripts that start or measure the product; the app knows the name
only to avoid a warning), `compose` (compose.yaml and the images beside the app).
"""

from __future__ import annotations

from config import features
from core.variables import Variable, refuse_doubled

VARIABLES: tuple[Variable, ...] = (
    Variable(
        "PUBLIC_URL",
        "origin",
        None,
        "The address people use; hosts, origins, cookies and links follow from it. Unset: http://HOST:PORT",
    ),
    Variable(
        "DEPLOYMENT",
        "choice",
        None,
        "What this installation is. Unset: development where PUBLIC_URL is this machine, production everywhere else",
        choices=("production", "staging", "development"),
    ),
    Variable(
        "ALLOWED_ORIGINS",
        "origins",
        "",
        "Further origins whose pages may open sockets with the session cookie, separated by commas",
    ),
    Variable(
        "ADMIN_ADDRESSES",
        "list",
        "",
        "Addresses and networks that may reach /admin/, separated by commas; all, or none. Unset: all in development, none elsewhere",
    ),
    Variable(
        "SECRET_KEY",
        "secret",
        None,
        "Signs sessions; 50 random characters or more. The embedded run makes one and keeps it in DATA_DIR; with Postgres it is required",
    ),
    Variable(
        "SECRET_KEY_FALLBACKS",
        "secret",
        None,
        "Earlier or coming values of SECRET_KEY, separated by commas: sessions that they signed stay good (`scripts/rotate-secret`)",
    ),
    Variable(
        "DATABASE_URL",
        "secret",
        None,
        "postgres://user:password@host:5432/name or sqlite:////path; docs/deploy.md has every form. Unset: SQLite in DATA_DIR",
    ),
    Variable(
        "DATABASE_PASSWORD_FALLBACK",
        "secret",
        None,
        "Another password of the user of DATABASE_URL and REPLICA_URL, tried where the first is refused: the coming one, while it is"
        " changed (`scripts/rotate-secret`)",
    ),
    Variable(
        "MIGRATE_DATABASE_URL",
        "secret",
        None,
        "The same database by the role that owns its tables; `manage.py migrate` alone uses it. Unset: DATABASE_URL",
    ),
    Variable(
        "REPLICA_URL",
        "secret",
        None,
        "A standby of the same Postgres, for pages of history and for search; several hosts are tried in turn (docs/high-availability.md)."
        " Unset: DATABASE_URL",
    ),
    Variable(
        "REPLICA_STALENESS_S",
        "int",
        "5",
        "Seconds that an answer of the replica may lack at most; a replica that is further behind is not asked",
        minimum=1,
    ),
    Variable(
        "DATABASE_POOL_SIZE",
        "int",
        "8",
        "Postgres connections a process may hold, two of them for writing the log and one for look-ups; workers × this must stay below the server's max_connections",
        minimum=5,
    ),
    Variable(
        "REDIS_URL",
        "secret",
        None,
        "redis://[user:password@]host[:port][/database], rediss://, unix:// or sentinel:// (docs/deploy.md); several separated by commas are shards. Unset: an in-process layer, which allows one worker only",
    ),
    Variable(
        "INSTALLATION_ID",
        "text",
        None,
        "Sets this installation apart from others on the same Redis; letters, digits, - and _. Unset: the id that the first migration"
        " made and the database keeps (`manage.py installation`)",
    ),
    Variable("SIGNUP_OPEN", "bool", "true", "Whether strangers may sign up"),
    Variable("ROOMS_ON_FIRST_USE", "bool", "true", "Whether the room dialect creates a room that does not exist yet"),
    Variable("LIMIT_MESSAGES_PER_S", "int", "20", "Messages a second and person; 0 lifts it"),
    Variable("LIMIT_SOCKETS_PER_USER", "int", "20", "Open sockets a person and process; 0 lifts it"),
    Variable(
        "LIMIT_HANDSHAKES_PER_S", "int", "50", "WebSocket handshakes a second and address, in the app and in nginx; 0 lifts it"
    ),
    Variable(
        "LIMIT_CALLS_PER_S",
        "int",
        "50",
        "Frames that read the database, a second, person and process, or half as many API calls, pages of a session, refusals of an address; "
        "more of them wait, calls are then refused; 0 lifts it",
    ),
    Variable("LIMIT_ROOMS_PER_H", "int", "60", "Rooms made an hour and person, direct ones too; 0 lifts it"),
    Variable("LIMIT_ROOMS_PER_USER", "int", "1000", "Rooms a person may own; 0 lifts it"),
    Variable("LIMIT_INVITES_PER_H", "int", "200", "People added to rooms an hour and person; 0 lifts it"),
    Variable("LIMIT_INVITES_PER_PERSON", "int", "20", "Rooms a day to which a person may add the same other person; 0 lifts it"),
    Variable(
        "LIMIT_UNSENT_MB",
        "int",
        "64",
        "MiB that all sockets of a process together may have unsent; above it the slowest are evicted, and resume; 0 lifts it",
    ),
    Variable("LIMIT_SIGNUPS_PER_H", "int", "100", "Accounts made an hour and address; 0 lifts it"),
    Variable(
        "ALLOW_SEED",
        "bool",
        "0",
        "1 lets `manage.py seed` make accounts and tokens in bulk for load runs; in production it refuses all the same",
    ),
    Variable(
        "WS_COMPRESSION",
        "bool",
        "0",
        "permessage-deflate, both ways, with clients that offer it; takes about 50 KiB a connection, and each frame is compressed and"
        " written for each socket alone instead of once for all",
    ),
    Variable(
        "DRAIN_SHARE_PER_S",
        "int",
        "5",
        "Sockets a second that each worker hands over for `manage.py drain --share`",
        minimum=1,
    ),
    Variable(
        "DRAIN_SECONDS",
        "int",
        "25",
        "Seconds a stopping process takes to hand its sockets over, at most 3600; every grace period follows from it",
        minimum=1,
        maximum=3600,
    ),
    Variable(
        "WORKER_MEMORY_MAX_MB",
        "int",
        None,
        "A worker that holds more MiB hands over to a fresh one (Linux); 0: never. Unset: what there is less WORKER_MEMORY_MB, shared by the workers, at most 2048",
    ),
    Variable(
        "RUNTIME_DIR",
        "path",
        None,
        "Where a running server notes its processes for `manage.py drain`. Unset: a private directory in shared memory, or the temporary one",
    ),
    Variable("LOG_LEVEL", "choice", "info", "What is logged", choices=("debug", "info", "warning", "error")),
    Variable("LOG_FORMAT", "choice", "console", "json for machines, console for people", choices=("json", "console")),
    Variable("DATA_DIR", "path", None, "Where the embedded run keeps its database and secret. Unset: var/ in the checkout"),
    Variable(
        "FILES_DIR",
        "path",
        None,
        "Where uploaded files are kept; all web processes and the background worker must see the same. Unset: DATA_DIR/files",
    ),
    Variable("STATIC_ROOT", "path", None, "Where collectstatic puts the built front end. Unset: DATA_DIR/static"),
    Variable(
        "PROMETHEUS_MULTIPROC_DIR", "path", None, "Where workers share their metrics; scripts/run_gunicorn.sh makes a fresh one"
    ),
    Variable(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "text",
        None,
        "A collector of OpenTelemetry that takes traces over HTTP, such as http://collector:4318. Unset: nothing is traced",
    ),
    Variable("OTEL_EXPORTER_OTLP_HEADERS", "secret", None, "What the collector asks for, such as Authorization=Bearer%20secret"),
    Variable("OTEL_TRACES_SAMPLER_ARG", "text", "0.01", "Share of the frames that are traced, from 0 to 1"),
    Variable("DEBUG", "bool", "0", "Django's debug pages; never in production"),
    Variable(
        "FEATURES_OFF",
        "list",
        "",
        "Names of features to switch off, separated by commas; their events stay in the log, unseen",
    ),
    *features.variables(),
    Variable("HOST", "host", "127.0.0.1", "Address Gunicorn listens on"),
    Variable("PORT", "int", "8000", "Port Gunicorn listens on", minimum=1, maximum=65_535),
    Variable(
        "TRUSTED_PROXIES",
        "networks",
        "127.0.0.1",
        "Addresses and networks whose X-Forwarded-* headers are believed, separated by commas",
        scope="script",
    ),
    Variable(
        "WEB_CONCURRENCY",
        "int",
        None,
        "Number of workers. Unset: one for each CPU core the process may really use",
        scope="script",
        minimum=1,
    ),
    Variable("WEB_CONCURRENCY_MAX", "int", "16", "Upper bound of the derived number of workers", scope="script", minimum=1),
    Variable(
        "WORKER_MEMORY_MB",
        "int",
        "256",
        "Memory set aside for a worker when workers are counted under a memory limit, in MiB",
        scope="script",
        minimum=1,
    ),
    Variable("HTTP_PORT", "int", "8080", "The one port compose publishes", scope="compose", minimum=1, maximum=65_535),
    Variable("HTTP_BIND", "text", "127.0.0.1", "Address it is published on; 0.0.0.0 opens it to the network", scope="compose"),
    Variable(
        "TLS_CERTIFICATE",
        "path",
        None,
        "A certificate chain (PEM) uid 101 may read; with TLS_KEY it turns TLS on at nginx",
        scope="compose",
    ),
    Variable("TLS_KEY", "path", None, "The key (PEM) of TLS_CERTIFICATE", scope="compose"),
    Variable(
        "ACME_EMAIL",
        "text",
        None,
        "An address at which an authority of certificates reaches you. Turns TLS on at nginx, with a certificate for PUBLIC_URL by ACME"
        " (docs/deploy.md), and says that you agree to the authority's terms. HTTP_PORT must be reached as port 80",
        scope="compose",
    ),
    Variable(
        "ACME_DIRECTORY_URL",
        "url",
        "https://acme-v02.api.letsencrypt.org/directory",
        "Where the authority is; https://acme-staging-v02.api.letsencrypt.org/directory to try, without its strict limits",
        scope="compose",
    ),
    Variable("ACME_NAMES", "list", None, "Further names for the certificate, separated by commas", scope="compose"),
    Variable(
        "HTTPS_PORT",
        "int",
        "8443",
        "The port published for TLS; plain HTTP is sent on to it",
        scope="compose",
        minimum=1,
        maximum=65_535,
    ),
    Variable(
        "POSTGRES_PASSWORD",
        "secret",
        None,
        "Password of the stack's own database; `make up` makes one. Letters, digits and . _ ~ - only",
        scope="compose",
    ),
    Variable(
        "POSTGRES_OWNER_PASSWORD",
        "secret",
        None,
        "Password of the role that owns the stack's own database and migrates it; likewise. An older stack gets it by"
        " `scripts/postgres-role`. Unset: the app's role owns it",
        scope="compose",
    ),
    Variable("REDIS_PASSWORD", "secret", None, "Password of the stack's own Redis; likewise", scope="compose"),
    Variable("WEB_REPLICAS", "int", "1", "Web containers; --scale web=N overrides it once", scope="compose", minimum=1),
    Variable("WEB_CPUS", "text", "1.0", "CPUs of a web container; it runs one worker for each whole one", scope="compose"),
    Variable("WEB_MEMORY", "text", "1G", "Memory of a web container", scope="compose"),
    Variable("POSTGRES_CPUS", "text", "1.0", "CPUs of the database", scope="compose"),
    Variable("POSTGRES_MEMORY", "text", "1G", "Memory of the database", scope="compose"),
    Variable(
        "LIMIT_REQUESTS_PER_S",
        "int",
        "100",
        "HTTP requests a second and address in nginx, files not counted; 0 lifts it",
        scope="compose",
    ),
    Variable(
        "LIMIT_CONNECTIONS", "int", "1000", "Open connections an address in nginx, sockets too; 0 lifts it", scope="compose"
    ),
    Variable(
        "NGINX_HANDOVER_SECONDS",
        "int",
        "1",
        "Seconds over which web closes the sockets of an nginx that ends or reloads. With one nginx its port is closed meanwhile",
        scope="compose",
    ),
    Variable("NGINX_WORKER_PROCESSES", "int", "1", "nginx workers: one for each CPU it may use", scope="compose", minimum=1),
    Variable(
        "NGINX_WORKER_CONNECTIONS",
        "int",
        "32768",
        "Connections a worker of nginx may hold; a socket takes two",
        scope="compose",
        minimum=64,
    ),
    Variable(
        "COMPOSE_PROFILES",
        "text",
        None,
        "`observability` starts Prometheus, Grafana and Alertmanager beside the stack",
        scope="compose",
    ),
    Variable(
        "ALERTS_URL",
        "secret",
        None,
        "The address of a room's webhook that Alertmanager posts to. Unset: alerts stay on its own page",
        scope="compose",
    ),
    Variable(
        "RUNBOOKS_URL",
        "text",
        None,
        "Where the runbooks are published, for the links of alerts. Unset: docs/runbooks",
        scope="compose",
    ),
    Variable("PROMETHEUS_DAYS", "int", "15", "Days for which Prometheus keeps figures", scope="compose", minimum=1),
    Variable(
        "PROMETHEUS_PORT", "int", "9090", "The port of Prometheus on this machine", scope="compose", minimum=1, maximum=65_535
    ),
    Variable(
        "ALERTMANAGER_PORT", "int", "9093", "The port of Alertmanager on this machine", scope="compose", minimum=1, maximum=65_535
    ),
    Variable("GRAFANA_PORT", "int", "3000", "The port of Grafana on this machine", scope="compose", minimum=1, maximum=65_535),
    Variable(
        "COMPOSE_PROJECT_NAME",
        "text",
        "hubbub",
        "Begins the names of the stack's containers, volumes, networks and images; a second checkout on one machine needs another",
        scope="compose",
    ),
    Variable(
        "BACKUP_DIR",
        "path",
        None,
        "Where `make backup` puts its files; a relative path lies in the checkout. Unset: var/backups",
        scope="script",
    ),
    Variable("BACKUP_KEEP", "int", "14", "Backups to keep there; older ones are removed", scope="script", minimum=1),
    Variable(
        "BACKUP_ENCRYPT_TO",
        "text",
        None,
        "Whose key backups are encrypted with: a recipient of age (age1…), or a key of gpg. Unset: not encrypted",
        scope="script",
    ),
    Variable(
        "BACKUP_IDENTITY",
        "path",
        None,
        "File with age's key, for `make restore`; a relative path lies in the checkout. Better given on the command line: a key"
        " that stays on the server does not protect its backups",
        scope="script",
    ),
    Variable(
        "ARCHIVE_DAYS",
        "int",
        None,
        "Days for which the stack's own database can be brought back to any second (`make archive`). Unset: no archive",
        scope="compose",
        minimum=1,
        maximum=9_999,
    ),
    Variable(
        "ARCHIVE_CIPHER_PASS",
        "secret",
        None,
        "Encrypts the archive, from its first backup on. Without it nothing can be brought back",
        scope="compose",
    ),
    Variable("IMAGE_TAG", "text", "local", "Tag of the images compose builds and runs", scope="compose"),
    Variable(
        "IMAGE_PREFIX",
        "text",
        None,
        "Where released images are, such as ghcr.io/OWNER/hubbub for ghcr.io/OWNER/hubbub-web; set IMAGE_TAG to the release."
        " Unset: `make up` builds them",
        scope="compose",
    ),
    Variable("IMAGE_SOURCE", "url", None, "Address of the sources, for the images' labels", scope="compose"),
    Variable(
        "IMAGE_REVISION",
        "text",
        "unknown",
        "Revision of the sources, for the images' labels; `make up` asks git",
        scope="compose",
    ),
)

refuse_doubled(VARIABLES)

# Names of an earlier release. Setting one is refused, because ignoring it would silently change behaviour.
RENAMED: dict[str, str] = {
    "ALLOWED_HOSTS": "PUBLIC_URL",
    "DJANGO_SECRET_KEY": "SECRET_KEY",
    "STOP_GRACE_PERIOD": "DRAIN_SECONDS",
    "WORKERS": "WEB_CONCURRENCY",
}

_ONE_WAY_TO_SEND = "frames that come together always leave in one write, the best of the three ways as measured"
# Names of removed settings with the reason. Setting one is refused as well.
REMOVED: dict[str, str] = {"COALESCE": _ONE_WAY_TO_SEND, "TICK_ABOVE": _ONE_WAY_TO_SEND}
