"""Where in an open file counts may lie."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any


def open_zarr(path: Path) -> Any:
    """The root group of a zarr store, for reading."""
    import zarr

    return zarr.open_group(zarr.storage.ZipStore(path, mode="r") if path.is_file() else path, mode="r")


def count_places(file: Any) -> Iterator[str]:
    """Where counts may lie in AnnData (an open h5ad or zarr group), likeliest first."""
    layers = sorted(file["layers"]) if "layers" in file else []
    named = [k for k in layers if k == "counts"] + [k for k in layers if k != "counts" and "count" in k.lower()]
    yield from (f"layers/{k}" for k in named)
    yield from (place for place in ("X", "raw/X") if place in file)
    yield from (f"layers/{k}" for k in layers if k not in named)


def loom_places(file: Any) -> Iterator[str]:
    """Where counts may lie in an open loom, likeliest first; velocyto's layers are parts of them and are not read."""
    layers = sorted(file["layers"]) if "layers" in file else []
    yield from (f"layers/{k}" for k in layers if "count" in k.lower())
    yield "matrix"


def called(place: str) -> str:
    """A place as users write it: ``layers['counts']``, ``X``, ``raw.X``."""
    head, _, rest = place.partition("/")
    return f"layers['{rest}']" if head == "layers" else place.replace("/", ".")
