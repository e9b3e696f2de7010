# The image of `trackscribe`: `docker build -t trackscribe .`. README.md, "Run it with Docker", says how it is used.

# The Rust of the build; Cargo.toml's rust-version or later.
ARG RUST=1.95.0

FROM rust:${RUST}-slim-trixie AS build
# whisper.cpp and libopus are built with cmake, LAME with make.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends cmake g++ make \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# `dist` is made for being passed on; `--build-arg PROFILE=release` is built sooner and runs a little slower.
ARG PROFILE=dist
# Crates and what was made of them are kept between builds, so that a change of ours builds only what is ours. whisper.cpp is
# built as .cargo/config.toml says: for any x86-64 machine with AVX2, never for the one that builds.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --profile "$PROFILE" --bin trackscribe \
    && install -D "target/$PROFILE/trackscribe" /out/usr/local/bin/trackscribe \
    && install -D docker/is-ready /out/usr/local/bin/is-ready \
    && install -D --mode 644 --target-directory /out/usr/share/doc/trackscribe README.md CHANGELOG.md LICENSE-*

# The same release as the build's: the program is linked with its libc, libgcc and libstdc++. All are there but the certificate
# authorities, by which S3, Daily and Hatchet are known.
FROM debian:trixie-20260824-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 trackscribe \
    && useradd --uid 10001 --gid 10001 --no-log-init --shell /usr/sbin/nologin \
        --no-create-home --home-dir /var/lib/trackscribe trackscribe \
    && install --directory --owner=10001 --group=10001 --mode=700 /var/lib/trackscribe
COPY --from=build /out /
# Numbers, so that Kubernetes sees that it is not root.
USER 10001:10001
WORKDIR /var/lib/trackscribe
LABEL org.opencontainers.image.title="trackscribe" \
    org.opencontainers.image.description="Turns a Daily.co multitrack recording into a finished meeting transcript" \
    org.opencontainers.image.licenses="(MIT OR Apache-2.0) AND LGPL-3.0" \
    org.opencontainers.image.documentation="file:///usr/share/doc/trackscribe/README.md" \
    org.opencontainers.image.base.name="docker.io/library/debian:trixie-20260824-slim"
# There is no HEALTHCHECK: `serve` and `worker` answer on different ports, `replay` and `keys` on none. Whoever starts the
# container knows: `is-ready 8080` for serve, `is-ready 8081` for worker.
ENTRYPOINT ["trackscribe"]
CMD ["--help"]
