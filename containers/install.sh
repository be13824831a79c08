#!/bin/sh
# Runs inside the image that is being built:   install.sh FOLDER TORCH DIGEST
# FOLDER holds venv.sh, locks/ and wheels/. Python's environment goes to /opt/marrowclone, what it was built from to
# /etc/marrowclone/image. Nothing is downloaded but Python itself, and that only where the base image has none.
set -eu
folder=$1 torch=$2 digest=$3
if ! python3.11 -c 'import ensurepip' 2>/dev/null; then
  echo "the base image has no Python 3.11 with venv: installing Debian's"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3 python3-venv ca-certificates
  rm -rf /var/lib/apt/lists/*
  python3.11 -c 'import ensurepip'
fi
# venv.sh refuses packages of other locks than those here; the label has to be of the same
made=$(cat "$folder/wheels/marrowclone-$torch.digest")
if [ "$made" != "$digest" ]; then
  echo "install.sh: the packages are those of the locks $made, the label says $digest" >&2
  exit 1
fi
PYTHON=python3.11 sh "$folder/venv.sh" "$folder/locks" "$folder/wheels" "$torch" /opt/marrowclone
mkdir -p /etc/marrowclone
printf 'torch=%s\nlocks=%s\n' "$torch" "$digest" >/etc/marrowclone/image
