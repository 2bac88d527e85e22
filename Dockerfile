# syntax=docker/dockerfile:1
# The demo's pages, the server that carries them as one static binary, and an image that holds nothing else.

FROM node:22-alpine AS pages
WORKDIR /build/static
COPY static/package.json static/package-lock.json static/.npmrc ./
RUN npm ci --no-audit --no-fund
COPY static/ ./
# The pages show code that is cut from the examples.
COPY examples/ ../examples/
RUN npm run build

FROM rust:1.95-alpine AS server
# Which version does not matter: it only compiles.
# hadolint ignore=DL3018
RUN apk add --no-cache build-base
WORKDIR /build
COPY Cargo.toml Cargo.lock ./
COPY .cargo/ .cargo/
COPY benches/ benches/
COPY migrations/ migrations/
COPY src/ src/
COPY static/client/ static/client/
COPY --from=pages /build/static/dist/ static/dist/
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --release --features jemalloc --locked && cp target/release/tutti /tutti && mkdir /data

FROM scratch
COPY --from=server /tutti /usr/local/bin/tutti
COPY --from=server --chown=65532:65532 /data /data
USER 65532:65532
WORKDIR /data
VOLUME /data
# Beyond loopback the server starts only with a key: set TUTTI_JWT_SECRET, or TUTTI_JWT_PUBLIC_KEY_FILE.
ENV TUTTI_BIND=0.0.0.0:8080
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=15s --start-period=30s --retries=3 CMD ["/usr/local/bin/tutti", "health"]
ENTRYPOINT ["/usr/local/bin/tutti"]
CMD ["serve"]
