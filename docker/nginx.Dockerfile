# nginx with its templates and the collected static files.

# --- shared by web.Dockerfile and nginx.Dockerfile, line for line, so that both images build it once ----------------
FROM node:24-slim AS frontend
WORKDIR /srv/hubbub/frontend
COPY frontend/package.json frontend/package-lock.json frontend/.npmrc ./
RUN --mount=type=cache,target=/root/.npm npm ci --no-audit --no-fund
COPY frontend/ ./
RUN npm run build

FROM python:3.13-slim AS packages
WORKDIR /srv/hubbub
COPY requirements/base.txt requirements/traces.txt requirements/
# Wheels only: nothing is compiled, so no compiler is needed. The environment gets no pip of its own.
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv --without-pip .venv \
    && python -m pip --python .venv/bin/python install --require-hashes --only-binary :all: \
        --no-input --disable-pip-version-check --root-user-action ignore -r requirements/base.txt -r requirements/traces.txt

FROM packages AS application
COPY app/ app/
COPY --from=frontend /srv/hubbub/frontend/dist/ frontend/dist/
# The key signs nothing here: settings only insist on having one. Each file gets its .gz beside it.
# A clone made with umask 077 has files that only their owner reads; the images have other users.
RUN SECRET_KEY=collectstatic-only DATA_DIR=/tmp/build STATIC_ROOT=/srv/hubbub/static \
        .venv/bin/python app/manage.py collectstatic --no-input --verbosity 0 \
    && rm -rf /tmp/build \
    && .venv/bin/python -m compileall -q -f --invalidation-mode unchecked-hash app \
    && chmod -R a+rX app static
# --- end of the shared part ----------------------------------------------------------------------------------------

FROM nginxinc/nginx-unprivileged:1.30
COPY --from=application /srv/hubbub/static/ /usr/share/nginx/hubbub/static/
# Readable from a clone made with umask 077, too: of a folder, the same mode lets one enter it.
COPY --chmod=0755 nginx/errors/ /usr/share/nginx/hubbub/errors/
COPY --chmod=0755 nginx/render nginx/start nginx/healthy /opt/hubbub/nginx/
COPY --chmod=0755 nginx/templates/ /opt/hubbub/nginx/templates/

# Writable is /tmp alone: the configuration is rendered there at each start.
USER 101:101
EXPOSE 8080 8443
# Lets open requests end; open sockets for at most DRAIN_SECONDS.
STOPSIGNAL SIGQUIT
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=3 \
    CMD ["/opt/hubbub/nginx/healthy"]
# Ours in place of the image's: what it renders must not depend on which directories are writable.
ENTRYPOINT ["/opt/hubbub/nginx/start"]
CMD []

ARG SOURCE="" VERSION=0.0.0 REVISION=unknown
LABEL org.opencontainers.image.title="hubbub-nginx" \
      org.opencontainers.image.description="Real-time chat: nginx with its configuration and files" \
      org.opencontainers.image.source="$SOURCE" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
