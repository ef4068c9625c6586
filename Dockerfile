# HandsOff in a container, for CPU and GPU; docs/install.md says how to build and run it.
FROM python:3.13-slim-bookworm

# For pip: where PyTorch comes from, for a smaller image without CUDA.
ARG PIP_ARGS=""

WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src src
# hadolint ignore=SC2086
RUN pip install --no-cache-dir $PIP_ARGS -c constraints.txt ".[exr,hub,onnx,parquet,review]" \
    && rm -rf /source/*

# A user without a home may run it, too.
ENV HOME=/tmp
WORKDIR /data
ENTRYPOINT ["handsoff"]
CMD ["--help"]
