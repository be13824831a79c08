#!/usr/bin/env bash
# What the tests on container images use: apptainer, buildah, mmdebstrap. Root on a Debian machine gets them; elsewhere
# those tests skip and say why.
#
# Apptainer is not in Debian 12. Its package in Debian's unstable suite wants a newer C library than Debian 12 has: that
# library goes to a folder of its own and the two programs are pointed at it; the system's stays as it is, and nothing
# is added to apt's sources.
set -euo pipefail
export PATH=$PATH:/usr/sbin:/sbin
# apptainer build --fakeroot: root of a test machine often has no user ids to give away
if [ "$(id -u)" = 0 ]; then
  for file in /etc/subuid /etc/subgid; do grep -qs '^root:' $file || echo root:100000:65536 >>$file; done
fi
packages=()
for program in buildah mmdebstrap; do command -v $program >/dev/null 2>&1 || packages+=($program); done
apptainer=0
command -v apptainer >/dev/null 2>&1 || apptainer=1
if [ ${#packages[@]} = 0 ] && [ $apptainer = 0 ]; then exit 0; fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
  echo "tests/containers/install.sh: not root on a Debian machine: tests on container images will skip" >&2
  exit 0
fi
export DEBIAN_FRONTEND=noninteractive
[ $apptainer = 0 ] || packages+=(patchelf squashfs-tools squashfuse fuse-overlayfs fuse3 uidmap libseccomp2 libsqlite3-0)
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
[ $apptainer = 1 ] || exit 0

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{lists/partial,archives/partial,apptainer,libc}
mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | sed -n 1p) # the one that this machine uses
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror sid main" >"$work/sid.list"
apt=(apt-get -qq -o Dir::Etc::sourcelist="$work/sid.list" -o Dir::Etc::sourceparts=- -o Dir::State::lists="$work/lists"
  -o Dir::Cache::archives="$work/archives" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User=root)
"${apt[@]}" update
(cd "$work" && "${apt[@]}" download apptainer libc6)
dpkg-deb -x "$work"/apptainer_*.deb "$work/apptainer"
dpkg-deb -x "$work"/libc6_*.deb "$work/libc"

libraries=/usr/lib/x86_64-linux-gnu
prefix=/opt/apptainer-libc
rm -rf "$prefix"
mkdir -p "$prefix" /var/lib/apptainer/mnt/session
cp -a "$work/libc$libraries"/*.so* "$prefix"/
cp -a "$work/apptainer/etc/apptainer" /etc/
cp -a "$work/apptainer$libraries/apptainer" "$libraries/"
for program in "$work/apptainer/usr/bin/apptainer" "$libraries/apptainer/bin/starter"; do
  patchelf --set-interpreter "$prefix/ld-linux-x86-64.so.2" --force-rpath --set-rpath "$prefix:$libraries" "$program"
done
cp -a "$work/apptainer/usr/bin/apptainer" /usr/bin/
# root of a virtual machine or container may lack a capability or two: apptainer need not ask for every one
sed -i 's/^root default capabilities = .*/root default capabilities = no/' /etc/apptainer/apptainer.conf
apptainer --version
