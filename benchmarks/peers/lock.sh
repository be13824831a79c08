#!/bin/sh
# Resolve requirements.in anew into the hashed requirements.txt (needs the network and uv, which .venv has).
set -eu
cd "$(dirname "$0")"
../../.venv/bin/python -m uv pip compile -q --python-version 3.11 --generate-hashes --no-annotate --upgrade \
    --only-binary :all: --no-header --override requirements.without requirements.in -o requirements.txt
