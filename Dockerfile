# A node as an image: the binary, certificates, and nothing else; no shell, not root.
#
#     docker build -t counterfoil .
#     docker run -p 127.0.0.1:8080:8080 -v counterfoil:/data counterfoil
FROM rust:1.95.0-slim-bookworm AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ make \
    && rm -rf /var/lib/apt/lists/*
# The toolchain of the image is the one that rust-toolchain.toml names; its other components are not needed here.
ENV RUSTUP_TOOLCHAIN=1.95.0
WORKDIR /source
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target \
    cargo build --locked --release --package api --bin counterfoil \
    && install --directory --mode 700 /out/data \
    && cp target/release/counterfoil /out/

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/counterfoil /usr/local/bin/counterfoil
# A new volume takes its owner from here.
COPY --from=build --chown=nonroot:nonroot /out/data /data
ENV COUNTERFOIL_LISTEN=0.0.0.0:8080 \
    COUNTERFOIL_DATA_DIR=/data
VOLUME /data
EXPOSE 8080
# A node answers the requests under way and ends by itself after SIGTERM, within 15 s.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=3 CMD ["counterfoil", "health"]
ENTRYPOINT ["counterfoil"]
CMD ["serve"]
