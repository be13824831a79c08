#!/usr/bin/env bash
# Debian packages that some tests use: a browser for the report's pages, SLURM for the tests on a cluster.
# Root on a Debian-like machine gets them; elsewhere those tests skip and say why.
set -euo pipefail
export PATH=$PATH:/usr/sbin:/sbin
packages=()
command -v chromium >/dev/null 2>&1 || packages+=(chromium fonts-dejavu-core)
for program in slurmctld slurmd munged; do command -v "$program" >/dev/null 2>&1 || packages+=("${program/munged/munge}"); done
# accounting (sacct, limits); of the database the programs alone, no service
command -v slurmdbd >/dev/null 2>&1 || packages+=(slurmdbd)
command -v mariadb-install-db >/dev/null 2>&1 || packages+=(mariadb-server-core)
command -v my_print_defaults >/dev/null 2>&1 || packages+=(mariadb-client-core)
command -v sbatch >/dev/null 2>&1 || packages+=(slurm-client)
if [ ${#packages[@]} = 0 ]; then exit 0; fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
  echo "tests/install.sh: not installed: ${packages[*]}; not root on a Debian machine: tests that use them will skip" >&2
  exit 0
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
