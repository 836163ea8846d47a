#!/bin/sh
# Stands in for HAProxy's binary (RAY_SERVE_HAPROXY_BINARY_PATH). Ray Serve's configuration opens
# HAProxy's statistics and metrics, which ask for no password, on every address; here they are bound
# to SYNQ_HAPROXY_ADMIN_HOST, loopback unless asked otherwise, before the real binary reads it.
set -eu
for argument in "$@"; do
  case "$argument" in
    *.cfg)
      sed -i -E "s/^( *bind )(\*)?:([0-9]+)/\1${SYNQ_HAPROXY_ADMIN_HOST:-127.0.0.1}:\3/" "$argument"
      ;;
  esac
done
exec "$SYNQ_HAPROXY" "$@"
