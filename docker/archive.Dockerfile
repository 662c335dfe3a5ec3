# Postgres with pgBackRest, for an archive that brings the database back to any second (compose.archive.yaml).
FROM postgres:17
# Any version that the distribution has will do.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --no-install-recommends --yes pgbackrest \
    && rm -rf /var/lib/apt/lists/* \
    && install -d -o postgres -g postgres -m 0700 /var/lib/pgbackrest
COPY docker/archive/with-archive /usr/local/bin/
USER 999:999
ENTRYPOINT ["with-archive"]
CMD ["postgres"]
