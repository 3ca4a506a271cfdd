#!/bin/sh
# Makes sure that the proxies are there whose examples docs/reverse-proxy.md
# shows, as scripts/need.sh does. Debian's are services too and run once
# installed: those that were not there before are stopped, and stay so.
set -eu
cd "$(dirname "$0")/.."

new=''
for name in nginx haproxy caddy; do
    command -v "$name" >/dev/null 2>&1 || new="$new $name"
done
scripts/need.sh ip:iproute2 nginx:nginx-light haproxy:haproxy caddy:caddy
for name in $new; do
    systemctl disable --now "$name" >/dev/null 2>&1 || service "$name" stop >/dev/null 2>&1 || true
done

# No program, but a file.
module=/usr/lib/nginx/modules/ngx_stream_module.so
if [ ! -e "$module" ]; then
    scripts/need.sh 'the module of nginx for streams:libnginx-mod-stream' 2>/dev/null || true
fi
if [ ! -e "$module" ]; then
    echo "missing: $module (package: libnginx-mod-stream)" >&2
    exit 1
fi
