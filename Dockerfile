# One image for each part: docker build --build-arg SERVICE=policy .
# SERVICE is a folder of services/, or `cli`: the command line, which also prepares bus and databases.
ARG BASE=python:3.13-slim

# What all parts stand on, so that their images share this layer.
FROM ${BASE} AS common
RUN python3 -m venv --without-pip /opt/varco
COPY requirements.lock docker/requirements_of.py /build/
RUN python3 /build/requirements_of.py common > /build/common.txt \
    && python3 -m pip --python /opt/varco/bin/python install --quiet --no-cache-dir --no-deps --require-hashes -r /build/common.txt

# Every part of ours, installed once into /parts/<name>; the command line describes every service, so it has them all. Byte code
# goes by content, not by time: what hasn't changed makes no new layer, and so no new container.
FROM common AS parts
RUN python3 /build/requirements_of.py build > /build/build.txt \
    && python3 -m venv /opt/build \
    && /opt/build/bin/python -m pip install --quiet --no-cache-dir --require-hashes -r /build/build.txt
COPY libs /src/libs
COPY services /src/services
COPY cli /src/cli
RUN install="python3 -m pip --python /opt/varco/bin/python install --quiet --no-deps --no-index --no-compile --target" \
    && /opt/build/bin/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /wheels \
      /src/libs/common /src/cli /src/services/* \
    && for wheel in /wheels/*.whl; do \
         part=$(basename "$wheel" | sed 's/^varco_//; s/-.*//; s/_/-/g'); \
         case "$part" in cli) wheel=$(ls /wheels/*.whl | grep -v varco_common);; esac; \
         $install "/parts/$part" $wheel || exit 1; \
       done \
    && /opt/varco/bin/python -m compileall -q --invalidation-mode unchecked-hash -s /parts /parts

# What this part needs beyond the others.
FROM common AS needs
ARG SERVICE
RUN python3 /build/requirements_of.py "${SERVICE:?build-arg SERVICE is missing}" > /build/needs.txt \
    && mkdir /opt/needs \
    && python3 -m pip --python /opt/varco/bin/python install --quiet --no-cache-dir --no-deps --require-hashes \
      --target /opt/needs -r /build/needs.txt

FROM ${BASE}
# Debian packages beyond that; the firewall's agent needs nftables. `nft` alone gets the right to change the firewall, and has
# it only in a container that is given NET_ADMIN.
ARG PACKAGES=""
RUN if [ -n "$PACKAGES" ]; then \
      apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $PACKAGES libcap2-bin > /dev/null \
      && rm -rf /var/lib/apt/lists/* \
      && if [ -x /usr/sbin/nft ]; then setcap cap_net_admin+ep /usr/sbin/nft; fi; \
    fi
RUN mkdir -p /var/lib/varco && chown 10001:10001 /var/lib/varco
COPY --from=common /opt/varco /opt/varco
COPY docker/healthy.py /opt/healthy.py
COPY --from=parts /parts/common /opt/common
ARG SERVICE
COPY --from=needs /opt/needs /opt/needs
COPY --from=parts /parts/${SERVICE} /opt/service
ENV PATH=/opt/service/bin:/opt/varco/bin:$PATH PYTHONPATH=/opt/service:/opt/needs:/opt/common \
    PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/tmp \
    VARCO_HOME=/var/lib/varco VARCO_BIND=0.0.0.0 VARCO_SERVICE=${SERVICE}
USER 10001:10001
WORKDIR /var/lib/varco
STOPSIGNAL SIGTERM
CMD ["sh", "-c", "exec varco-\"$VARCO_SERVICE\""]
