#!/bin/sh
# Python's environment from a folder of packages alone, without any index:   venv.sh LOCKS WHEELS TORCH VENV
# The image is made by it, and `make env WHEELHOUSE=folder` on a site without internet.
set -eu
locks=$1 wheels=$2 torch=$3 venv=$4
case $torch in
  cpu) lock=torch-cpu.txt ;;
  cuda) lock=torch-cu.txt ;;
  *) echo "TORCH is '$torch', expected cpu or cuda" >&2; exit 1 ;;
esac
expected=$(cat "$locks/base.txt" "$locks/$lock" | sha256sum | cut -c1-16)
made=$(cat "$wheels/marrowclone-$torch.digest" 2>/dev/null || true)
if [ "$made" != "$expected" ]; then
  echo "the wheelhouse $wheels was made from other locks: found ${made:-none for $torch}, expected $expected." \
    "Hint: make wheelhouse TORCH=$torch WHEELHOUSE=folder, on a machine with internet, from this commit" >&2
  exit 1
fi
${PYTHON:-python3.11} -m venv --clear "$venv"
pip="$venv/bin/python -m pip --isolated --disable-pip-version-check"
install="$pip install -qq --no-index --find-links $wheels --no-deps --require-hashes --no-cache-dir --no-compile"
# A few packages of the lock come as source. They are built with the lock's own setuptools, not with what an index
# would give today.
first=$(mktemp)
sed -n '/^setuptools==/,/[^\\]$/p' "$locks/base.txt" >"$first"
$install -r "$first"
rm "$first"
$install --no-build-isolation -r "$locks/$lock" -r "$locks/base.txt"
$pip check
# an image is read-only at run time: what is not compiled now would be compiled at the start of every job
"$venv/bin/python" -m compileall -q -j 0 "$venv/lib" >/dev/null || true # templates among the packages do not compile
