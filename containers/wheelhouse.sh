#!/usr/bin/env bash
# Everything that the image installs, in one folder:   TORCH=cpu|cuda containers/wheelhouse.sh FOLDER
# Needs Linux, Python 3.11 with pip, and the internet (or the indexes that pip is set up for). The folder can then be
# carried to a site without internet: `make image WHEELHOUSE=folder`.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
folder=${1:?folder to fill}
torch=${TORCH:-cpu}
locks=${LOCKS:-$root/envs/locks}
pip=(${PIP:-python3.11 -m pip} --disable-pip-version-check)
case $torch in
  cpu) lock=torch-cpu.txt ;;
  cuda) lock=torch-cu.txt ;;
  *) echo "TORCH is '$torch', expected cpu or cuda" >&2; exit 1 ;;
esac
get=("${pip[@]}" download -qq --require-hashes --no-deps -d "$folder")
mkdir -p "$folder"
rm -f "$folder"/marrowclone-*.digest
"${get[@]}" -r "$locks/base.txt"
# torch's CPU wheel is not on PyPI: local wheels where a site has them, else PyTorch's own index
log=$(mktemp)
trap 'rm -f "$log"' EXIT
"${get[@]}" -r "$locks/$lock" 2>"$log" \
  || "${get[@]}" --extra-index-url https://download.pytorch.org/whl/cpu -r "$locks/$lock" \
  || { cat "$log" >&2; exit 1; }
# from which locks: build.sh refuses a wheelhouse of others
cat "$locks/base.txt" "$locks/$lock" | sha256sum | cut -c1-16 >"$folder/marrowclone-$torch.digest"
