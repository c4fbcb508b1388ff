# The tap, Meltano and a loader, run by a non-root user. Linted, but not built yet.
#
#     docker build --tag tap-gong-activity .
#     docker run --rm --init --env-file .env --volume gong-activity:/data tap-gong-activity
#     docker run --rm --init --env-file .env tap-gong-activity tap-gong-activity --config=ENV --test
#
# Pass credentials in the environment of each run. State and loaded files are in /data.

# Pin a digest (python:3.13-slim@sha256:…) for reproducible builds.
ARG BASE=python:3.13-slim

FROM ${BASE} AS build
WORKDIR /build
COPY requirements.lock ./
# Downloads all locked requirements, so that hashes are checked; development requirements stay in this stage.
RUN pip download --no-cache-dir --no-deps --require-hashes --requirement requirements.lock --dest packages
COPY LICENSE README.md pyproject.toml ./
COPY schemas schemas
COPY tap_gong_activity tap_gong_activity
RUN pip wheel --no-index --find-links packages --no-deps --wheel-dir packages .
# Compiles bytecode; otherwise, each run would compile everything it imports.
RUN python -m venv /opt/tap \
    && /opt/tap/bin/pip install --no-index --find-links packages --compile tap-gong-activity meltano

FROM ${BASE}
COPY --from=build /opt/tap /opt/tap
ENV PATH=/opt/tap/bin:$PATH
RUN useradd --uid 10001 --create-home gong \
    && install --directory --owner=gong --group=gong /project /data
# Numeric, so that Kubernetes can verify that it isn't root.
USER 10001:10001

WORKDIR /project
COPY --chown=10001:10001 meltano.yml ./
ARG LOADERS=target-jsonl
# Meltano installs loaders with uv, which compiles bytecode only with this variable.
ENV UV_COMPILE_BYTECODE=1
# Without a pip_url, Meltano uses the tap installed above.
RUN sed --in-place '/pip_url: -e \.$/d' meltano.yml \
    && meltano install loader ${LOADERS}

ENV MELTANO_PROJECT_ROOT=/project \
    MELTANO_DATABASE_URI=sqlite:////data/meltano.db \
    MELTANO_CLI_DISABLE_VERSION_CHECK=true \
    NO_COLOR=1 \
    TARGET_CSV_OUTPUT_PATH=/data/csv \
    TARGET_DUCKDB_FILEPATH=/data/gong_activity.duckdb \
    TARGET_JSONL_DESTINATION_PATH=/data/jsonl
VOLUME /data
CMD ["meltano", "run", "tap-gong-activity", "target-jsonl"]
