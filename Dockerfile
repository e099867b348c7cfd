# Tollgate in a distroless image: one Node, no shell, no package manager, uid 65532, read-only except /data.
#   docker build -t tollgate --build-arg VERSION=0.1.0 .
#   docker run --init --read-only -v "$PWD/gateway:/data" -p 8080:8080 tollgate
# /data holds tollgate.json, servers/, catalogs/ and the state folder. Inside a container the data listener needs "host": "0.0.0.0".
#
# Base images are pinned by the digest of their multi-platform index. Both were read on 2026-11-23 from public Dockerfiles that name
# tag and digest together (several independent repositories each). Refresh them with
#   docker buildx imagetools inspect node:24.21.0-trixie-slim
#   docker buildx imagetools inspect gcr.io/distroless/cc-debian13:nonroot
# and keep the version of the first equal to the Node of package.json, so that the image runs what the tests ran.

FROM node:24.21.0-trixie-slim@sha256:8ec5d7557396cfe32d21c3f9c13072355ceab22b584578ca4bb28af31120cffe AS base
WORKDIR /app
COPY package.json package-lock.json .npmrc ./

# What runs: without development packages, and without the platform packages of Node, because the base brings it.
FROM base AS packages
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund

FROM base AS build
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY scripts/build.ts scripts/
COPY src src
COPY servers servers
COPY catalogs catalogs
COPY tollgate.json ./
RUN node --disable-warning=ExperimentalWarning scripts/build.ts

# Node keeps its compile cache per version and per user, so it is warmed by the very binary, user and paths that run later. Importing
# gateway.js loads every room and starts nothing.
FROM base AS warm
COPY --from=packages /app/node_modules node_modules
COPY --from=build /app/dist dist
RUN install -d -o 65532 -g 65532 /app/cache /data
USER 65532:65532
ENV NODE_COMPILE_CACHE=/app/cache
RUN ["node", "--input-type=module", "--eval", "await import('/app/dist/gateway.js')"]
RUN ["node", "dist/main.js", "--help"]

FROM gcr.io/distroless/cc-debian13:nonroot@sha256:54df941ed0d06a1bd95ef5e0ce391fd8d9f94b64782dc9a60062727849ee3f97
ARG VERSION=0.0.0
ARG REVISION=unknown
ARG CREATED=unknown
LABEL org.opencontainers.image.title="Tollgate" \
      org.opencontainers.image.description="One gate for the tools an agent calls and the tokens it burns" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.base.name="gcr.io/distroless/cc-debian13:nonroot"
COPY --from=warm /usr/local/bin/node /nodejs/bin/node
COPY --from=warm /app /app
COPY --from=warm --chown=65532:65532 /data /data
COPY LICENSE /app/
ENV NODE_ENV=production \
    NODE_COMPILE_CACHE=/app/cache \
    PATH=/nodejs/bin
USER 65532:65532
WORKDIR /data
VOLUME ["/data"]
EXPOSE 8080 8081 8082
HEALTHCHECK --interval=15s --timeout=5s --start-period=10s --retries=3 CMD ["/nodejs/bin/node", "/app/dist/main.js", "health"]
ENTRYPOINT ["/nodejs/bin/node", "--max-semi-space-size=8", "/app/dist/main.js"]
CMD ["start"]
