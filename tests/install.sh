#!/usr/bin/env bash
# Debian packages that some tests use: a browser for the report's pages.
# Root on a Debian-like machine gets them; elsewhere those tests skip and say why.
set -euo pipefail
if command -v chromium >/dev/null 2>&1; then exit 0; fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
  echo "tests/install.sh: no chromium, and not root on a Debian machine: browser tests will skip" >&2
  exit 0
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null
