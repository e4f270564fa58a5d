# trackflow on a CPU:
#     docker build --build-arg TRACKFLOW_COMMIT="$(git describe --always --dirty --abbrev=12)" --tag trackflow .
#     docker run --rm --volume "$PWD:/work" --publish 127.0.0.1:9187:9187 trackflow \
#         train --script hiptrack --config demo --metrics 0.0.0.0:9187
FROM rust:1.95-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends cmake nasm python3-pip \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# The compiler of this image, whatever rust-toolchain.toml says.
ARG TRACKFLOW_COMMIT
ENV TRACKFLOW_COMMIT=$TRACKFLOW_COMMIT RUSTUP_TOOLCHAIN=$RUST_VERSION
RUN make install PREFIX=/opt/trackflow

FROM debian:bookworm-slim
# For `track --video` and its drawings.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ffmpeg libstdc++6 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/trackflow /usr/local
WORKDIR /work
EXPOSE 9187
ENTRYPOINT ["trackflow"]
CMD ["--help"]
