# The image of the Docker-based actions: sign, verify, deploy, rollback. Each runs as root, as GitHub demands of action
# containers, and hands what it writes to the owner of the workspace.
FROM debian:bookworm-slim@sha256:88200866dfff7ea7f5cbcb6ec7c8a701889efe6fe859fe64d6990e4b07ea4171
RUN apt-get -qq update \
 && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends \
      ca-certificates git gpgv openssh-client python3 python3-pip-whl \
 && rm -rf /var/lib/apt/lists/*
ENV GOFERRY_IN_CONTAINER=1 \
    GOFERRY_PACKAGES=/goferry/packages \
    GOFERRY_PYTHON=/usr/bin/python3
# requirements/wheels/ may hold the locked packages as wheels; then the build needs no package index.
COPY requirements /goferry/requirements
COPY src/start.py /goferry/src/start.py
RUN python3 -I -S /goferry/src/start.py --install core release github \
 && rm -rf /goferry/requirements/wheels
COPY src /goferry/src
RUN python3 -I -m compileall -q /goferry/src /goferry/packages
ENTRYPOINT ["/goferry/src/container.sh"]
