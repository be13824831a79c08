"""The run as a research object: RO-Crate 1.1 metadata, written by hand as plain JSON-LD.

Hand-written because a crate made by the library carries the time at which it was made,
and result files hold no time stamps (the same input gives the same bytes).
"""

from __future__ import annotations

import os.path
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..keys import RESEARCH_USE_ONLY

CONTEXT = "https://w3id.org/ro/crate/1.1/context"
FORMATS = {
    ".tsv": "text/tab-separated-values", ".gz": "application/gzip", ".html": "text/html", ".json": "application/json",
    ".h5ad": "application/x-hdf5", ".parquet": "application/vnd.apache.parquet", ".nwk": "text/x-nh",
    ".seg": "text/tab-separated-values",
}  # fmt: skip


def file_entity(path: str, digest: str, *, folder: Path) -> dict[str, Any]:
    """A data entity for one file of the crate; ``@id`` is relative to ``folder``."""
    name = os.path.relpath(path, folder)
    return {
        "@id": name.replace(os.sep, "/"),
        "@type": "File",
        "name": Path(path).name,
        "encodingFormat": FORMATS.get(Path(path).suffix, "application/octet-stream"),
        "sha256": digest,
    }


def crate(record: Mapping[str, Any], *, folder: Path, date_published: str) -> dict[str, Any]:
    """RO-Crate metadata of a run.

    Parameters
    ----------
    record
        see :func:`marrowclone.report.record.run_record`.
    folder
        the crate's root, where ``ro-crate-metadata.json`` lies.
    date_published
        an ISO date of the user's choice; without one the property is left out (a fully
        conforming crate needs it).
    """
    files = [file_entity(path, digest, folder=folder) for path, digest in record["results"].items()]
    files.append({"@id": "run.json", "@type": "File", "name": "run.json", "encodingFormat": "application/json"})
    tool = {
        "@id": "#marrowclone",
        "@type": "SoftwareApplication",
        "name": "marrowclone",
        "version": record["versions"]["marrowclone"],
        "softwareVersion": record["git_commit"] or record["versions"]["marrowclone"],
    }
    image = record["where"]["image"]
    images = []
    if image:
        tool["softwareRequirements"] = {"@id": "#image"}
        images = [
            {
                "@id": "#image",
                "@type": "SoftwareApplication",
                "name": image["name"] or "container image",
                "description": "Container image of the jobs, with third-party software only.",
                "softwareVersion": f"locks {image['locks']}, torch {image['torch']}",
            }
        ]
    hosts = {
        "@id": "#hosts",
        "@type": "CreativeWork",
        "name": record["where"]["hosts"],
        "description": "The host and image of each job; beside this folder, since hosts differ from run to run.",
    }
    inputs = [
        {"@id": f"#input-{i}", "@type": "CreativeWork", "name": Path(path).name, "sha256": digest}
        for i, (path, digest) in enumerate(record["inputs"].items(), start=1)
    ]
    action = {
        "@id": "#run",
        "@type": "CreateAction",
        "name": "Run of the marrowclone workflow",
        "instrument": {"@id": "#marrowclone"},
        "object": [{"@id": i["@id"]} for i in inputs],
        "result": [{"@id": f["@id"]} for f in files],
        "subjectOf": {"@id": "#hosts"},
    }
    root: dict[str, Any] = {
        "@id": "./",
        "@type": "Dataset",
        "name": "marrowclone results",
        "description": "Myeloma clones through treatment, from single-cell counts to a cure spectrum. "
        + RESEARCH_USE_ONLY,
        "license": "See the licences of the input data; the pipeline's own licence does not extend to results.",
        "hasPart": [{"@id": f["@id"]} for f in files],
        "mentions": {"@id": "#run"},
    }
    if date_published:
        root["datePublished"] = date_published
    descriptor = {
        "@id": "ro-crate-metadata.json",
        "@type": "CreativeWork",
        "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
        "about": {"@id": "./"},
    }
    return {"@context": CONTEXT, "@graph": [descriptor, root, action, tool, *images, hosts, *inputs, *files]}
