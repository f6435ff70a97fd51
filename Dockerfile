# syntax=docker/dockerfile:1
# Portico's own processes: web, worker, beat, control, usage, the commands of manage.py, and `portico`. The servers have images of their own.

FROM python:3.13-slim AS packages
WORKDIR /portico
COPY requirements.lock .
RUN python -m venv /packages && \
    /packages/bin/pip install --no-cache-dir --no-deps --require-hashes -r requirements.lock

FROM python:3.13-slim
RUN useradd --system --uid 10001 --home-dir /portico portico && \
    mkdir -p /var/lib/portico /var/lib/agent /bootstrap && chown portico /var/lib/portico /var/lib/agent /bootstrap
COPY --from=packages /packages /packages
WORKDIR /portico
COPY . .
ENV PATH=/packages/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 MALLOC_ARENA_MAX=2 \
    DJANGO_SETTINGS_MODULE=portal.settings PORTICO_VAR=/var/lib/portico
# The command line, beside the interpreter that has its packages.
RUN python -m cli.launcher
USER portico
VOLUME /var/lib/portico
