"""Which files hold a capture's counts, and in which format.

A sheet's ``path`` may be an h5, an h5ad, a folder with matrix, features and barcodes, or
one of the folders that STARsolo and Cell Ranger leave around such files. :func:`resolve`
finds the files; nothing here reads counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .errors import UserError, found, one_of, shown

#: What the sheet's column ``format`` may say.
FORMATS: tuple[str, ...] = ("auto", "10x_h5", "10x_mtx", "h5ad", "starsolo", "cellranger_multi")

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
GZIP_SIGNATURE = b"\x1f\x8b"

_MATRIX = ("matrix.mtx.gz", "matrix.mtx")
_FEATURES = ("features.tsv.gz", "features.tsv", "genes.tsv.gz", "genes.tsv")
_BARCODES = ("barcodes.tsv.gz", "barcodes.tsv")

#: Where the counts lie below a folder that a user may name, nearest first.
#: STARsolo manual 2.7 ("Solo.out/<feature>/<filtered|raw>"); 10x Cell Ranger 3-9 "outs".
_STARSOLO = ("filtered", "Gene/filtered", "GeneFull/filtered", "Solo.out/Gene/filtered", "Solo.out/GeneFull/filtered")
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
        how to read it: ``10x_h5``, ``h5ad`` or ``10x_mtx``.
    path
        the h5 or h5ad file, or the folder of the three files.
    files
        every file that is read: an h5(ad), or matrix, features, barcodes.
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
    """``10x_h5`` or ``h5ad`` for an HDF5 file, by what is in it."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            keys = set(file)
            if {"obs", "var"} <= keys or "X" in keys:
                return "h5ad"
            if "matrix" in keys or any(isinstance(file[k], h5py.Group) and "barcodes" in file[k] for k in keys):
                return "10x_h5"
    except (OSError, RuntimeError, KeyError) as error:
        raise UserError(
            f"{shown(path)}: the HDF5 file cannot be read ({str(error).splitlines()[0]}).",
            hint="the file may be cut off; compare its size and checksum with the original.",
        ) from None
    raise UserError(
        f"{shown(path)}: HDF5, but neither 10x matrix nor h5ad (holds {', '.join(sorted(keys)[:5]) or 'nothing'}).",
        hint="a 10x h5 has the group 'matrix'; an h5ad has 'X', 'obs' and 'var'.",
    )


def _inner(folder: Path) -> tuple[str, Path] | None:
    """The format and place of the counts at or below ``folder``, or None."""
    if any(p.name.endswith(_MATRIX) for p in folder.iterdir()):
        star = "Solo.out" in folder.name or any(p.name.endswith("Solo.out") for p in folder.parents)
        return ("starsolo" if star else "10x_mtx"), folder
    for form, places in (("starsolo", _STARSOLO), ("cellranger_multi", _MULTI), ("10x_mtx", _COUNT)):
        for place in places:
            inner = folder / place
            if inner.is_file() or (inner.is_dir() and any(p.name.endswith(_MATRIX) for p in inner.iterdir())):
                return ("10x_h5" if form == "10x_mtx" and inner.is_file() else form), inner
    for per_sample in ("per_sample_outs", "outs/per_sample_outs"):
        samples = sorted(p for p in (folder / per_sample).glob("*") if p.is_dir())
        if len(samples) > 1:
            raise UserError(
                f"{shown(folder)}: {len(samples)} samples in {per_sample}.",
                hint=f"name one of them, such as {shown(samples[0])}.",
            )
        if samples:
            below = _inner(samples[0])
            return ("cellranger_multi", below[1]) if below else None
    return None


def resolve(path: str | Path, format: str = "auto") -> Source:
    """Find the files of a sheet's ``path``.

    Parameters
    ----------
    path
        a file or folder as the sheet names it.
    format
        one of :data:`FORMATS`; ``auto`` looks.

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
        place = _inner(path)
        if place is None:
            raise UserError(
                f"{shown(path)}: no counts in this folder.",
                hint="name the folder with matrix.mtx, features.tsv, barcodes.tsv (each may be .gz), or an h5 or h5ad.",
            )
        actual, inner = place
    elif path.name.endswith((".mtx", ".mtx.gz")):
        actual, inner = "10x_mtx", path
    elif is_hdf5(path):
        actual, inner = _hdf5_kind(path), path
    else:
        raise UserError(
            f"{shown(path)}: neither HDF5 (h5, h5ad) nor a matrix folder.",
            hint="give a 10x h5, an h5ad, or the folder that holds matrix.mtx, features.tsv and barcodes.tsv.",
        )
    # the three folder formats hold the same three files: a name for where they came from, no other layout
    alike = {"starsolo", "10x_mtx", "cellranger_multi"}
    if format not in ("auto", actual) and not {format, actual} <= alike:
        raise UserError(
            f"{shown(path)}: format says {format}, but this is {actual}.", hint="write 'auto', or mend the path."
        )
    stated = actual if format == "auto" else format
    if inner.is_file() and not inner.name.endswith((".mtx", ".mtx.gz")):
        kind = _hdf5_kind(inner)
        return Source(stated, kind, inner, (inner,))
    files = find_10x_files(inner)
    return Source(stated, "10x_mtx", files.matrix.parent, (files.matrix, files.features, files.barcodes))


def detect(path: str | Path) -> str:
    """The format of a path: one of :data:`FORMATS` except ``auto``. Raises as :func:`resolve` does."""
    return resolve(path).format
