# syntax=docker/dockerfile:1
# The image: `docker build -t plimsoll:0.1.0 .`

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --locked --profile dist --features otlp --bin plimsoll \
    && install -D target/dist/plimsoll /out/plimsoll

# The C library and certificate authorities, and no shell.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/plimsoll /usr/local/bin/plimsoll
# Memory that is free goes back to the system at once: docs/performance.md, "Memory at rest".
ENV MIMALLOC_PURGE_DELAY=0
# As a number, so that Kubernetes sees that it is not root.
USER 65532:65532
EXPOSE 9191 9192
ENTRYPOINT ["/usr/local/bin/plimsoll"]
CMD ["serve", "--config", "/etc/plimsoll/config/plimsoll.yaml"]
