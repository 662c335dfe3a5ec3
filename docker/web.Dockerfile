# The application: web, worker and migrate are this image with another command.

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

FROM python:3.13-slim
RUN groupadd --system --gid 10001 hubbub \
    && useradd --system --uid 10001 --gid 10001 --no-log-init --no-create-home --home-dir /tmp --shell /usr/sbin/nologin hubbub \
    && install --directory --mode 0700 --owner 10001 --group 10001 /srv/files
# The official image comes without the standard library's bytecode, and what runs here may write none: each start would compile.
RUN python -m compileall -q -j 0 -x '/(test|tests|idlelib|idle_test|turtledemo|tkinter|ensurepip|lib2to3|site-packages|dist-packages)/' \
        "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"
WORKDIR /srv/hubbub
COPY --from=packages /srv/hubbub/.venv/ .venv/
COPY --chmod=0755 scripts/run_gunicorn.sh scripts/
COPY --from=application /srv/hubbub/static/ static/
COPY --from=application /srv/hubbub/app/ app/

# Writable are /tmp, /dev/shm, and /srv/files where a volume lies there; everything else may be mounted read-only.
ENV PATH=/srv/hubbub/.venv/bin:$PATH \
    PYTHONPATH=/srv/hubbub/app \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DJANGO_SETTINGS_MODULE=config.settings \
    HOST=0.0.0.0 \
    PORT=8000 \
    LOG_FORMAT=json \
    DATA_DIR=/tmp/hubbub \
    FILES_DIR=/srv/files \
    STATIC_ROOT=/srv/hubbub/static \
    HOME=/tmp
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
# The first success ends the start period; a busy host took 50 s to it.
# In the shell: of the 40 ms of a core that it takes every few seconds, nearly all is Docker's; with Python it took 90.
HEALTHCHECK --interval=5s --timeout=5s --start-period=90s --retries=3 \
    CMD ["timeout", "4", "bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/$PORT && printf 'GET /healthz HTTP/1.0\\r\\n\\r\\n' >&3 && read -r line <&3 && [[ $line == *' 200 '* ]]"]
# As process 1 a program misses each signal it has no handler for yet: a SIGTERM while Python was loading was lost, and what should
# have ended went on until it was killed, perhaps in the middle of a task.
ENTRYPOINT ["dumb-init", "--single-child", "--"]
CMD ["scripts/run_gunicorn.sh"]

ARG SOURCE="" VERSION=0.0.0 REVISION=unknown
LABEL org.opencontainers.image.title="hubbub-web" \
      org.opencontainers.image.description="Real-time chat: the application" \
      org.opencontainers.image.source="$SOURCE" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
