# drover alone in an image: docker build -t drover .
#
#   docker run -p 8000:8000 drover                                                    four demo workers
#   docker run -p 8000:8000 -v ./drover.yaml:/etc/drover/drover.yaml:ro drover        yours
#
# A file of yours says `admin: 0.0.0.0:9900` where /health/worker shall be seen from outside; HEALTHCHECK needs no port.
# deploy/compose/ has drover in front of another container, and with an app's workers in its own.
FROM debian:bookworm-slim AS build
WORKDIR /src
COPY scripts/deps scripts/deps
RUN scripts/deps build
COPY . .
RUN make -j"$(nproc)" && make install DESTDIR=/out

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        libc-ares2 libevent-core-2.1-7 libjansson4 libnghttp2-14 libssl3 libyaml-0-2 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin drover
COPY --from=build /out/ /
COPY deploy/image/drover.yaml /etc/drover/drover.yaml
USER drover
EXPOSE 8000 9900
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=60s --retries=3 CMD ["drover", "status"]
ENTRYPOINT ["drover"]
