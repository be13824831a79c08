#!/bin/sh
# Runs inside the image that is being built:   install.sh FOLDER TORCH DIGEST
# FOLDER holds locks/ and wheels/. Python's environment goes to /opt/marrowclone, what it was built from to
# /etc/marrowclone/image. Nothing is downloaded but Python itself, and that only where the base image has none.
set -eu
folder=$1 torch=$2 expected=$3
home=/opt/marrowclone
case $torch in
  cpu) lock=torch-cpu.txt ;;
  cuda) lock=torch-cu.txt ;;
  *) echo "install.sh: TORCH is '$torch', expected cpu or cuda" >&2; exit 1 ;;
esac

digest=$(cat "$folder/locks/base.txt" "$folder/locks/$lock" | sha256sum | cut -c1-16)
if [ "$digest" != "$expected" ]; then
  echo "install.sh: the locks in the build folder have the digest $digest, the label says $expected" >&2
  exit 1
fi

if ! python3.11 -c 'import ensurepip' 2>/dev/null; then
  echo "the base image has no Python 3.11 with venv: installing Debian's"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3 python3-venv ca-certificates
  rm -rf /var/lib/apt/lists/*
  python3.11 -c 'import ensurepip'
fi

python3.11 -m venv "$home"
pip="$home/bin/python -m pip --isolated --disable-pip-version-check"
install="$pip install -qq --no-index --find-links $folder/wheels --no-deps --require-hashes --no-cache-dir --no-compile"
# A few packages of the lock come as source. They are built with the lock's own setuptools, not with what an index
# would give today.
sed -n '/^setuptools==/,/[^\\]$/p' "$folder/locks/base.txt" >/tmp/setuptools.txt
$install -r /tmp/setuptools.txt
rm /tmp/setuptools.txt
$install --no-build-isolation -r "$folder/locks/$lock" -r "$folder/locks/base.txt"
$pip check
# an image is read-only at run time: what is not compiled now would be compiled at the start of every job
"$home/bin/python" -m compileall -q -j 0 "$home/lib" >/dev/null || true # templates among the packages do not compile

mkdir -p /etc/marrowclone
printf 'torch=%s\nlocks=%s\n' "$torch" "$digest" >/etc/marrowclone/image
