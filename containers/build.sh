#!/usr/bin/env bash
# Builds the image of the locked environment; `make image` calls it.   containers/build.sh [OUT]
#
# OUT         images/marrowclone.sif, made by apptainer from marrowclone.def; a name that ends in .tar is an OCI archive
#             made from the Containerfile by buildah, podman or docker, whichever is there (apptainer reads it, too)
# TORCH       cpu (default) or cuda
# BASE        what to build on: an image of a registry (default debian:12-slim); or a file: an archive of an image (docker
#             save, skopeo), the archive of a root file system (mmdebstrap), a .sif. On a site without internet it has to
#             hold Python 3.11 with venv.
# WHEELHOUSE  folder that wheelhouse.sh filled; without one the packages are downloaded now
# TOOL        buildah, podman or docker, where more than one is there
# APPTAINER_BUILD   further options of apptainer build, such as --fakeroot
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
out=${1:-$root/images/marrowclone.sif}
torch=${TORCH:-cpu}
locks=${LOCKS:-$root/envs/locks}
base=${BASE:-}

fail() { echo "containers/build.sh: $1 Hint: $2" >&2; exit 1; }

case $torch in
  cpu) lock=torch-cpu.txt ;;
  cuda) lock=torch-cu.txt ;;
  *) fail "TORCH is '$torch', expected cpu or cuda." "make image TORCH=cuda" ;;
esac
digest=$(cat "$locks/base.txt" "$locks/$lock" | sha256sum | cut -c1-16)

case $out in
  *.sif)
    tool=apptainer
    command -v apptainer >/dev/null || fail "a .sif needs apptainer, which is not on the PATH." \
      "make image OUT=images/marrowclone.tar builds an OCI archive with podman, buildah or docker; where apptainer is: apptainer build images/marrowclone.sif oci-archive:images/marrowclone.tar (docker's: docker-archive:)" ;;
  *.tar)
    tool=${TOOL:-}
    for candidate in buildah podman docker; do [ -n "$tool" ] || ! command -v $candidate >/dev/null || tool=$candidate; done
    [ -n "$tool" ] || fail "an OCI archive needs buildah, podman or docker, and none is on the PATH." "install one of them" ;;
  *) fail "OUT is '$out', expected a name that ends in .sif or .tar." "make image OUT=images/marrowclone.sif" ;;
esac

kind=registry
if [ -n "$base" ] && { [ -e "$base" ] || [[ $base == *.tar ]] || [[ $base == *.sif ]]; }; then
  [ -f "$base" ] || fail "BASE: no such file: $base." "it is an archive, a .sif or the name of an image in a registry"
  case $base in
    *.sif) kind=sif ;;
    *)
      names=$(tar -tf "$base")
      if grep -qx 'manifest.json' <<<"$names"; then kind=docker-archive
      elif grep -qx 'oci-layout' <<<"$names"; then kind=oci-archive
      elif grep -qxE '(\./)?etc/' <<<"$names"; then kind=rootfs
      else fail "BASE: $base holds neither an image nor a root file system." "docker save, skopeo copy or mmdebstrap write one"; fi ;;
  esac
  base=$(realpath "$base")
fi

# all that the build reads lies in one folder: install.sh, venv.sh, locks/, wheels/
work=$(mktemp -d "${TMPDIR:-/tmp}/marrowclone-image.XXXXXX")
trap 'chmod -R u+w "$work" 2>/dev/null; rm -rf "$work"' EXIT
mkdir "$work/build"
cp "$here/install.sh" "$here/venv.sh" "$here/Containerfile" "$work/build/"
cp -r "$locks" "$work/build/locks"
if [ -n "${WHEELHOUSE:-}" ]; then
  made=$(cat "$WHEELHOUSE/marrowclone-$torch.digest" 2>/dev/null || true)
  [ "$made" = "$digest" ] || fail \
    "the wheelhouse $WHEELHOUSE was made from other locks: found ${made:-none for $torch}, expected $digest." \
    "make wheelhouse TORCH=$torch WHEELHOUSE=folder, on a machine with internet, from this commit"
  cp -rl "$WHEELHOUSE" "$work/build/wheels" 2>/dev/null || cp -r "$WHEELHOUSE" "$work/build/wheels"
else
  echo "gathering the packages of the locks ($torch)"
  TORCH=$torch LOCKS=$locks "$here/wheelhouse.sh" "$work/build/wheels"
fi
mkdir -p "$(dirname "$out")"
out=$(realpath "$out")
echo "building $out (torch $torch, locks $digest) with $tool: some minutes"

if [ $tool = apptainer ]; then
  case $kind in
    registry) from=(docker "${base:-debian:12-slim}") ;;
    sif) from=(localimage "$base") ;;
    rootfs)
      mkdir "$work/base"
      tar -C "$work/base" --no-same-owner --exclude './dev/*' --exclude 'dev/*' -xf "$base"
      from=(localimage "$work/base") ;;
    *) from=("$kind" "$base") ;;
  esac
  # zstd: a fast build and a fast start of each job
  # shellcheck disable=SC2086
  apptainer build ${APPTAINER_BUILD:-} --force --mksquashfs-args "-comp zstd -Xcompression-level 1" \
    --bind "$work/build:/build" --build-arg BOOTSTRAP="${from[0]}" --build-arg BASE="${from[1]}" \
    --build-arg TORCH="$torch" --build-arg DIGEST="$digest" "$out" "$here/marrowclone.def"
else
  image=localhost/marrowclone:$torch-$digest
  export DOCKER_BUILDKIT=1
  options=()
  case $tool in buildah) options+=(--isolation "${BUILDAH_ISOLATION:-oci}" --layers=false) ;; esac
  case $kind in
    registry) base=${base:-docker.io/library/debian:12-slim} ;;
    rootfs)
      if [ $tool = buildah ]; then
        container=$(buildah from scratch)
        buildah add -q "$container" "$base" / >/dev/null
        buildah commit -q "$container" localhost/marrowclone-base >/dev/null
        buildah rm "$container" >/dev/null
      else
        $tool import "$base" localhost/marrowclone-base >/dev/null
      fi
      base=localhost/marrowclone-base ;;
    sif) fail "BASE: $tool does not read a .sif." "give an archive, or build with apptainer (OUT=....sif)" ;;
    *)
      case $tool in
        docker) base=$(docker load -q -i "$base" | sed 's/^Loaded image[^:]*: //') ;;
        *) base=$($tool pull -q "$kind:$base") ;;
      esac ;;
  esac
  $tool build "${options[@]}" --build-arg BASE="$base" --build-arg TORCH="$torch" --build-arg DIGEST="$digest" \
    -t "$image" -f "$work/build/Containerfile" "$work/build"
  rm -f "$out"
  case $tool in
    buildah) buildah push -q "$image" "oci-archive:$out" ;;
    podman) podman save -q --format oci-archive -o "$out" "$image" ;;
    docker) docker save -o "$out" "$image" ;;
  esac
fi
echo "$out"
