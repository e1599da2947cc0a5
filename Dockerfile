# The server in a container; docs/server.md says how to run it.
#
#     docker build -t genre-tui .                                             CPU only
#     docker build -t genre-tui --build-arg TORCH=cuda .                      NVIDIA GPUs: run with --gpus all

# Python and PyTorch's build. A GPU needs no other base image, because PyTorch's wheels include CUDA.
ARG PYTHON=3.12
FROM python:${PYTHON}-slim

# cpu or cuda. On Linux, the package index's own wheels are the CUDA ones.
ARG TORCH=cpu
WORKDIR /app
COPY pyproject.toml README.md LICENSE ./
COPY core core
COPY tui tui
RUN if [ "$TORCH" = cpu ]; then \
        pip install --no-cache-dir "torch>=2.11,<2.15" --index-url https://download.pytorch.org/whl/cpu; \
    fi \
 && pip install --no-cache-dir ".[export]" \
 && useradd --create-home --uid 1000 genre

USER genre
WORKDIR /home/genre
ENV GENRE_TUI_RUNS=/runs PYTHONUNBUFFERED=1
VOLUME /runs
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["python", "-c", \
    "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/v1/health', timeout=4)"]
# A container listens on all of its addresses, so the server asks for a token: GENRE_TUI_TOKEN, or the one in the log.
# The exec form passes SIGTERM on, after which the server answers the requests that it has accepted.
ENTRYPOINT ["genre-tui"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8080"]
