# The ACME companion: keeps a certificate for nginx (compose.acme.yaml).
FROM python:3.13-slim AS packages
WORKDIR /srv/acme
COPY requirements/acme.txt requirements/
# Wheels only: nothing is compiled, so no compiler is needed. The environment gets no pip of its own.
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv --without-pip .venv \
    && python -m pip --python .venv/bin/python install --require-hashes --only-binary :all: \
        --no-input --disable-pip-version-check --root-user-action ignore -r requirements/acme.txt

FROM python:3.13-slim
# nginx's own id: it has to read the key, and nobody else may. A new volume takes the owner of the image's folder.
RUN groupadd --system --gid 101 acme \
    && useradd --system --uid 101 --gid 101 --no-log-init --no-create-home --home-dir /tmp --shell /usr/sbin/nologin acme \
    && install --directory --mode 0700 --owner 101 --group 101 /srv/account /srv/certificates /srv/challenges
WORKDIR /srv/acme
COPY --from=packages /srv/acme/.venv/ .venv/
# Readable from a clone made with umask 077, too.
COPY --chmod=0644 docker/acme/companion.py ./

# Writable are /tmp and the three volumes alone.
ENV PATH=/srv/acme/.venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp
USER 101:101
# Unhealthy while there is no certificate, or a renewal is late.
HEALTHCHECK --interval=60s --timeout=20s --start-period=10m --retries=3 \
    CMD ["python", "companion.py", "--check"]
CMD ["python", "companion.py"]

ARG SOURCE="" VERSION=0.0.0 REVISION=unknown
LABEL org.opencontainers.image.title="hubbub-acme" \
      org.opencontainers.image.description="Real-time chat: keeps the certificate" \
      org.opencontainers.image.source="$SOURCE" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
