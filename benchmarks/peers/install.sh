#!/bin/sh
# Make .venv-peers from requirements.txt (hashed, wheels only). Does nothing when that was done already.
# Afterwards each peer is imported once; one that cannot be is named in one line, and the rest stay usable.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
env="$root/.venv-peers"
stamp="$env/.from-lock"
lock="$here/requirements.txt"
python=${PYTHON:-python3.11}

if [ ! -f "$stamp" ] || ! cmp -s "$stamp" "$lock"; then
    command -v "$python" >/dev/null || { echo "peers: $python is not on the path" >&2; exit 1; }
    [ -x "$env/bin/python" ] || "$python" -m venv "$env"
    # --no-deps: the lock is complete but for what requirements.without names
    "$env/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: \
        --require-hashes -r "$lock"
    cd "$here"
    for module in cnvturbo_hmm copykat_port infercnasc_zscore inferploidy_infercnvpy kopya_cnv swiftcnv_classifier; do
        if ! why=$("$env/bin/python" -c "
import $module as peer
if hasattr(peer, 'without_drawing'):
    peer.without_drawing()
    import copykat" 2>&1); then
            echo "peers: $module cannot be used: $(printf '%s\n' "$why" | tail -n 1)" >&2
        fi
    done
    cp "$lock" "$stamp"
fi
echo "peers: ready in .venv-peers"
