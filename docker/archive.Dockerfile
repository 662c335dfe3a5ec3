# Postgres with pgBackRest, for an archive that brings the database back to any second (compose.archive.yaml).
# Another major version: docs/runbooks/postgres-upgrade.md.
ARG POSTGRES=17
FROM postgres:${POSTGRES}
# Nobody is root here, so the base's way out of root goes. Any version that the distribution has will do.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --no-install-recommends --yes pgbackrest \
    && rm -rf /var/lib/apt/lists/* /usr/local/bin/gosu \
    && install -d -o postgres -g postgres -m 0700 /var/lib/pgbackrest
# Readable from a clone made with umask 077, too.
COPY --chmod=0755 docker/archive/with-archive /usr/local/bin/
USER 999:999
ENTRYPOINT ["with-archive"]
CMD ["postgres"]

ARG SOURCE="" VERSION=0.0.0 REVISION=unknown
LABEL org.opencontainers.image.title="hubbub-archive" \
      org.opencontainers.image.description="Real-time chat: Postgres with an archive of its log" \
      org.opencontainers.image.source="$SOURCE" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
