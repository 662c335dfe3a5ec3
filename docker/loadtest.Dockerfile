# The load generator alone: Locust, our users, and nothing of the application.
FROM python:3.13-slim AS packages
WORKDIR /srv/loadtest
COPY requirements/load.txt requirements/
# Wheels only: nothing is compiled, so no compiler is needed. The environment gets no pip of its own.
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv --without-pip .venv \
    && python -m pip --python .venv/bin/python install --require-hashes --only-binary :all: \
        --no-input --disable-pip-version-check --root-user-action ignore -r requirements/load.txt

FROM packages AS sources
COPY loadtest/ loadtest/
# A clone made with umask 077 has files that only their owner reads; the image has another user.
RUN chmod -R a+rX loadtest

FROM python:3.13-slim
RUN groupadd --system --gid 10001 hubbub \
    && useradd --system --uid 10001 --gid 10001 --no-log-init --no-create-home --home-dir /tmp --shell /usr/sbin/nologin hubbub \
    && install --directory --owner 10001 --group 10001 /results /tokens
# The official image comes without the standard library's bytecode, and what runs here may write none: each start would compile.
RUN python -m compileall -q -j 0 -x '/(test|tests|idlelib|idle_test|turtledemo|tkinter|ensurepip|lib2to3|site-packages|dist-packages)/' \
        "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"
WORKDIR /srv/loadtest
COPY --from=packages /srv/loadtest/.venv/ .venv/
COPY --from=sources /srv/loadtest/loadtest/ loadtest/

# Writable are /tmp and /results alone. Files of results are for everybody who may read the volume.
ENV PATH=/srv/loadtest/.venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MPLCONFIGDIR=/tmp/matplotlib \
    HOME=/tmp \
    REPORT=/results
USER 10001:10001
EXPOSE 8089 5557
STOPSIGNAL SIGINT
CMD ["python", "-m", "loadtest"]

ARG SOURCE="" VERSION=0.0.0 REVISION=unknown
LABEL org.opencontainers.image.title="hubbub-loadtest" \
      org.opencontainers.image.description="Real-time chat: the load generator" \
      org.opencontainers.image.source="$SOURCE" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
