"""Versions and settings as the report and the run's record state them. No time, no host."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib import metadata
from typing import Any

from .. import __version__

#: Third-party packages whose versions bear on results.
PACKAGES = (
    "snakemake", "numpy", "scipy", "pandas", "anndata", "scanpy", "scvi-tools", "torch", "infercnvpy", "igraph",
    "leidenalg", "scikit-learn", "scikit-image", "scikit-bio", "statsmodels", "matplotlib", "jinja2", "jsonschema",
    "pyarrow", "h5py", "umap-learn", "rocrate",
)  # fmt: skip


def versions() -> dict[str, str]:
    """Version by package, from installed metadata (nothing is imported); absent ones are left out."""
    found = {"python": platform.python_version(), "marrowclone": __version__}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def run_facts(integration: Mapping[str, Any]) -> dict[str, str]:
    """What the embedding's ``integration.json`` says of the run, by the name that the page prints."""
    named = {
        "device": "device_name", "embedding": "method", "latent dimensions": "n_latent",
        "genes in the embedding": "n_genes", "epochs": "n_epochs", "batches": "n_batches", "no model because": "reason",
    }  # fmt: skip
    found = {said: integration.get(key) for said, key in named.items()}
    return {
        said: f"{value:,}" if isinstance(value, int) else str(value)
        for said, value in found.items()
        if value not in (None, "")
    }


def flat(settings: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested settings as ``(a.b.c, value)``, in the order in which they stand."""
    rows: list[tuple[str, str]] = []
    for key, value in settings.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            rows.extend(flat(value, f"{name}."))
        else:
            rows.append((name, ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)))
    return rows
