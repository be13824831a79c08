"""A cluster and a checkout for the tests on SLURM."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hpc.cluster import Cluster, missing_programs
from workflow_runs import simulated


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A running cluster, with accounting where its programs are; it is stopped at the end, whatever happened."""
    if os.geteuid() != 0:
        pytest.skip("a SLURM cluster on loopback needs root")
    lacking = missing_programs()
    if lacking:
        pytest.skip(f"not installed: {', '.join(lacking)} (tests/install.sh installs them on Debian)")
    if Path("/etc/slurm/slurm.conf").exists() and not Path("/etc/slurm/slurm.conf").is_symlink():
        pytest.skip("this machine has a SLURM configuration of its own, which is left alone")
    cluster = Cluster(tmp_path_factory.mktemp("slurm"), accounting=not missing_programs(accounting=True))
    cluster.up()
    try:
        yield cluster
    finally:
        cluster.down()


@pytest.fixture
def accounting(slurm: Cluster) -> Cluster:
    """The cluster, for tests that ask its accounting."""
    if not slurm.accounting:
        lacking = missing_programs(accounting=True)
        pytest.skip(f"not installed: {', '.join(lacking)} (tests/install.sh installs them on Debian)")
    return slurm


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smallest cohort that goes the whole road."""
    return simulated("hpc", tmp_path_factory.mktemp("small"))
