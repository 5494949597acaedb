# bitmapd in a container, as Redis's own images are laid out: port 6379, data in /data, `redis-cli` and `redis-server`
# on the path, an unprivileged user.
#
#   docker build -t bitmapd .
#   docker run -p 6379:6379 -v bitmapd:/data bitmapd --appendonly yes

FROM rust:1-bookworm AS build
WORKDIR /build
COPY Cargo.toml Cargo.lock ./
COPY src src
COPY benches benches
# `container` turns protected-mode off: inside, every client comes from another machine.
RUN cargo build --release --locked --bin bitmapd --features container \
 && strip --strip-debug target/release/bitmapd

FROM debian:bookworm-slim
# The number Redis's images use, so that their volumes can be taken over.
RUN groupadd --system --gid 999 redis \
 && useradd --system --uid 999 --gid redis --home-dir /data --no-create-home redis \
 && apt-get update \
 && apt-get install --yes --no-install-recommends redis-tools tzdata \
 && rm -rf /var/lib/apt/lists/* \
 && mkdir /data \
 && chown redis:redis /data
COPY --from=build /build/target/release/bitmapd /usr/local/bin/
COPY src/docker-entrypoint.sh /usr/local/bin/
RUN ln -s bitmapd /usr/local/bin/redis-server

VOLUME /data
WORKDIR /data
EXPOSE 6379
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["redis-server"]
