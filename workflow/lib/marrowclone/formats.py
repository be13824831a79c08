"""Which files hold a capture's counts, and in which format.

A sheet's ``path`` may be an h5, an h5ad, a loom, a zarr store, a folder with matrix,
features and barcodes, or one of the folders that STARsolo and Cell Ranger leave around such files. :func:`resolve`
finds the files; nothing here reads counts.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .errors import UserError, found, one_of, shown

#: What the sheet's column ``format`` may say.
FORMATS: tuple[str, ...] = ("auto", "10x_h5", "10x_mtx", "h5ad", "loom", "zarr", "starsolo", "cellranger_multi")

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
GZIP_SIGNATURE = b"\x1f\x8b"

_MATRIX = ("matrix.mtx.gz", "matrix.mtx")
_FEATURES = ("features.tsv.gz", "features.tsv", "genes.tsv.gz", "genes.tsv")
_BARCODES = ("barcodes.tsv.gz", "barcodes.tsv")

#: Where the counts lie below a folder that a user may name, nearest first.
#: STARsolo manual 2.7 ("Solo.out/<feature>/<filtered|raw>"); 10x Cell Ranger 3-9 "outs".
_STARSOLO = (
    "filtered",
    "Gene/filtered",
    "GeneFull/filtered",
    "GeneFull_Ex50pAS/filtered",
    "GeneFull_ExonOverIntron/filtered",
)
_MULTI = (
    "sample_filtered_feature_bc_matrix",
    "sample_filtered_feature_bc_matrix.h5",
    "count/sample_filtered_feature_bc_matrix",
    "count/sample_filtered_feature_bc_matrix.h5",
)
_COUNT = (
    "filtered_feature_bc_matrix",
    "filtered_feature_bc_matrix.h5",
    "outs/filtered_feature_bc_matrix",
    "outs/filtered_feature_bc_matrix.h5",
)
_MULTI_RAW = (
    "count/raw_feature_bc_matrix",
    "count/raw_feature_bc_matrix.h5",
    "multi/count/raw_feature_bc_matrix",
    "multi/count/raw_feature_bc_matrix.h5",
    "outs/multi/count/raw_feature_bc_matrix",
    "outs/multi/count/raw_feature_bc_matrix.h5",
)
#: Cell Ranger 2: a folder per genome, or one h5 with a group per genome.
_COUNT_V2 = ("filtered_gene_bc_matrices", "outs/filtered_gene_bc_matrices")
#: What makes a folder or a zip a zarr store (formats 2 and 3).
_ZARR = (".zgroup", "zarr.json")


@dataclass(frozen=True)
class TenXFiles:
    """The three files of a 10x matrix folder (each plain or gzipped)."""

    matrix: Path
    features: Path
    barcodes: Path


@dataclass(frozen=True)
class Source:
    """Where counts lie.

    Attributes
    ----------
    format
        what the path is: one of :data:`FORMATS` except ``auto``.
    kind
        how to read it: ``10x_h5``, ``h5ad``, ``loom``, ``zarr`` or ``10x_mtx``.
    path
        the h5, h5ad, loom or zarr, or the folder of the three files.
    files
        every file that is read: an h5(ad), or matrix, features, barcodes; of a zarr folder those that describe it.
    """

    format: str
    kind: str
    path: Path
    files: tuple[Path, ...]

    @property
    def tenx(self) -> TenXFiles:
        """The three files, when ``kind`` is ``10x_mtx``."""
        return TenXFiles(*self.files)


def find_10x_files(folder: str | Path) -> TenXFiles:
    """Matrix, features (or genes) and barcodes in ``folder``.

    A common prefix (``GSM1_matrix.mtx.gz`` with ``GSM1_features.tsv.gz``) is accepted when
    the folder holds one matrix only; ``folder`` may also be the matrix file itself.

    Raises
    ------
    UserError
        when one of them is missing, or the folder holds several matrices.
    """
    folder = Path(folder)
    if folder.is_file():
        matrix, folder = folder, folder.parent
    else:
        names = {p.name for p in folder.iterdir()} if folder.is_dir() else set()
        exact = [n for n in _MATRIX if n in names]
        ends = exact[:1] or sorted(n for n in names if n.endswith(_MATRIX))
        if not ends:
            raise UserError(
                f"{shown(folder)}: no matrix.mtx or matrix.mtx.gz in this folder.",
                hint="name the folder that holds matrix, features and barcodes.",
            )
        if len(ends) > 1:
            raise UserError(
                f"{shown(folder)}: {len(ends)} matrices in one folder ({', '.join(ends[:3])}).",
                hint="name the matrix file itself, or give each capture a folder of its own.",
            )
        matrix = folder / ends[0]
    prefix = next((matrix.name.removesuffix(m) for m in _MATRIX if matrix.name.endswith(m)), "")

    def beside(candidates: tuple[str, ...]) -> Path:
        for name in candidates:
            if (folder / f"{prefix}{name}").is_file():
                return folder / f"{prefix}{name}"
        raise UserError(
            f"{shown(folder)}: {prefix}{candidates[0]} is missing beside {matrix.name}.",
            hint=f"expected {one_of(prefix + c for c in candidates)}.",
        )

    return TenXFiles(matrix=matrix, features=beside(_FEATURES), barcodes=beside(_BARCODES))


def is_hdf5(path: str | Path) -> bool:
    """Whether the file starts as HDF5 does (at byte 0, 512, 1024 or 2048)."""
    with Path(path).open("rb") as stream:
        for offset in (0, 512, 1024, 2048):
            stream.seek(offset)
            if stream.read(len(HDF5_SIGNATURE)) == HDF5_SIGNATURE:
                return True
    return False


def _hdf5_kind(path: Path) -> str:
    """``10x_h5``, ``h5ad`` or ``loom`` for an HDF5 file, by what is in it."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            keys = set(file)
            if {"matrix", "row_attrs", "col_attrs"} <= keys:
                return "loom"
            if {"obs", "var"} <= keys or "X" in keys:
                return "h5ad"
            if "matrix" in keys or any(isinstance(file[k], h5py.Group) and "barcodes" in file[k] for k in keys):
                return "10x_h5"
    except (OSError, RuntimeError, KeyError) as error:
        raise UserError(
            f"{shown(path)}: the HDF5 file cannot be read ({str(error).splitlines()[0]}).",
            hint="the file may be cut off; compare its size and checksum with the original.",
        ) from None
    holds = ", ".join(sorted(keys)[:5]) or "nothing"
    raise UserError(
        f"{shown(path)}: HDF5, but neither 10x matrix nor h5ad nor loom (holds {holds}).",
        hint="a 10x h5 has the group 'matrix'; an h5ad has 'X', 'obs' and 'var'; a loom 'row_attrs' and 'col_attrs'.",
    )


def is_zarr(path: Path) -> bool:
    """Whether ``path`` is a zarr store: a folder, or a zip of one."""
    if path.is_dir():
        return any((path / name).is_file() for name in _ZARR)
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as packed:
        return not set(_ZARR).isdisjoint(packed.namelist())


def _has_matrix(folder: Path) -> bool:
    """Whether a matrix lies right in ``folder``."""
    return folder.is_dir() and any(p.name.endswith(_MATRIX) for p in folder.iterdir())


def _places(unfiltered: bool) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Formats, and where below a folder their counts lie."""
    known: dict[str, tuple[str, ...]] = {"starsolo": _STARSOLO, "cellranger_multi": _MULTI, "10x_mtx": _COUNT}
    for form, places in known.items():
        if unfiltered:
            places = tuple(place.replace("filtered", "raw") for place in places)
            places += _MULTI_RAW if form == "cellranger_multi" else ()
        yield form, places


def _inner(folder: Path, unfiltered: bool = False) -> tuple[str, Path] | None:
    """The format and place of the counts at or below ``folder``, or None."""
    if is_zarr(folder):
        return "zarr", folder
    if _has_matrix(folder):
        star = any(p.name.endswith("Solo.out") for p in (folder, *folder.parents))
        return ("starsolo" if star else "10x_mtx"), folder
    for form, places in _places(unfiltered):
        for place in places:
            inner = folder / place
            if inner.is_file() or _has_matrix(inner):
                return ("10x_h5" if form == "10x_mtx" and inner.is_file() else form), inner
    one = _one_of(folder.glob("*Solo.out"), folder, "STARsolo folders")
    if one is not None:
        return _inner(one, unfiltered)
    v2 = tuple(place.replace("filtered", "raw") if unfiltered else place for place in _COUNT_V2)
    for place in v2:
        one = _one_of((folder / place).glob("*"), folder / place, "genomes")
        if one is not None and _has_matrix(one):
            return "10x_mtx", one
    if folder.name in ("filtered_gene_bc_matrices", "raw_gene_bc_matrices"):
        one = _one_of(folder.glob("*"), folder, "genomes")
        return None if one is None or not _has_matrix(one) else ("10x_mtx", one)
    for per_sample in ("per_sample_outs", "outs/per_sample_outs"):
        one = _one_of((folder / per_sample).glob("*"), folder / per_sample, "samples")
        if one is not None:
            below = _inner(one, unfiltered)
            return ("cellranger_multi", below[1]) if below else None
    return None


def _one_of(paths: Iterator[Path], folder: Path, what: str) -> Path | None:
    """The only folder among ``paths``, None when there is none. UserError for several."""
    folders = sorted(p for p in paths if p.is_dir())
    if len(folders) > 1:
        raise UserError(
            f"{shown(folder)}: {len(folders)} {what} ({', '.join(p.name for p in folders[:3])}).",
            hint=f"name one of them, such as {shown(folders[0])}.",
        )
    return folders[0] if folders else None


def resolve(path: str | Path, format: str = "auto", *, unfiltered: bool = False) -> Source:
    """Find the files of a sheet's ``path``.

    Parameters
    ----------
    path
        a file or folder as the sheet names it.
    format
        one of :data:`FORMATS`; ``auto`` looks.
    unfiltered
        whether, of a folder with both, the unfiltered droplets are meant.

    Raises
    ------
    UserError
        when the path does not exist, is not what ``format`` says, or holds no counts.
    """
    path = Path(path)
    if format not in FORMATS:
        raise UserError(f"{shown(path)}: format {found(format, one_of(FORMATS))}.")
    if not path.exists():
        raise UserError(f"{shown(path)}: no such file or folder.")
    if path.is_dir():
        place = _inner(path, unfiltered)
        if place is None:
            other = _inner(path, not unfiltered)
            if other is not None:
                what, which = ("filtered", "path") if unfiltered else ("unfiltered", "raw_path")
                raise UserError(
                    f"{shown(path)}: only {what} counts ({shown(other[1])}) in this folder.",
                    hint=f"they belong in the column {which}; to use them here, name that folder itself.",
                )
            raise UserError(
                f"{shown(path)}: no counts in this folder.",
                hint="name the folder with matrix.mtx, features.tsv, barcodes.tsv (each may be .gz), or an h5, h5ad, "
                "loom or zarr store.",
            )
        actual, inner = place
    elif path.name.endswith((".mtx", ".mtx.gz")):
        actual, inner = "10x_mtx", path
    elif is_hdf5(path):
        actual, inner = _hdf5_kind(path), path
    elif is_zarr(path):
        actual, inner = "zarr", path
    else:
        raise UserError(
            f"{shown(path)}: neither HDF5 (h5, h5ad, loom) nor zarr nor a matrix folder.",
            hint="give a 10x h5, an h5ad, a loom, a zarr store, or the folder that holds matrix.mtx, features.tsv and "
            "barcodes.tsv.",
        )
    # the three folder formats hold the same three files: a name for where they came from, no other layout
    alike = {"starsolo", "10x_mtx", "cellranger_multi"}
    if format not in ("auto", actual) and not {format, actual} <= alike:
        raise UserError(
            f"{shown(path)}: format says {format}, but this is {actual}.", hint="write 'auto', or mend the path."
        )
    stated = actual if format == "auto" else format
    if actual == "zarr":
        described = tuple(inner / name for name in _ZARR if (inner / name).is_file())
        return Source(stated, "zarr", inner, described or (inner,))
    if inner.is_file() and not inner.name.endswith((".mtx", ".mtx.gz")):
        kind = _hdf5_kind(inner)
        return Source(stated, kind, inner, (inner,))
    files = find_10x_files(inner)
    return Source(stated, "10x_mtx", files.matrix.parent, (files.matrix, files.features, files.barcodes))


def detect(path: str | Path) -> str:
    """The format of a path: one of :data:`FORMATS` except ``auto``. Raises as :func:`resolve` does."""
    return resolve(path).format
