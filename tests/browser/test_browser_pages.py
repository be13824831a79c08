"""Pages in a real browser: nothing overlaps or overflows, on a desktop and on a phone."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import results_factory as factory
from marrowclone.report import gather
from marrowclone.report.patient_page import patient_page
from marrowclone.report.sample import read_sample
from marrowclone.report.sample_page import sample_page

BROWSER = next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(BROWSER is None, reason="chromium is not on this machine (Debian: apt-get install chromium)"),
]

#: Measures in the browser's own typeface: texts of a figure that cover each other, content wider than the page.
PROBE = """
<script>
const touching = [];
for (const svg of document.querySelectorAll('svg')) {
  const texts = [...svg.querySelectorAll('text')].map(t => [t.textContent.trim(), t.getBoundingClientRect()]);
  for (let i = 0; i < texts.length; i++) for (let j = i + 1; j < texts.length; j++) {
    const [a, p] = texts[i], [b, q] = texts[j];
    const wide = Math.min(p.right, q.right) - Math.max(p.left, q.left);
    const tall = Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top);
    // boxes of text hold the typeface's full line: what counts is more than their empty rims
    if (a && b && wide > 1.5 && tall > 0.45 * Math.min(p.height, q.height)) touching.push(a + ' / ' + b);
  }
}
const loaded = performance.getEntriesByType('resource').map(r => r.name).filter(n => !n.startsWith('data:'));
const wide = [...document.querySelectorAll('main > *, main section > *')].filter(
  e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.tagName + '.' + e.className);
const out = document.createElement('pre');
out.id = 'probe';
out.textContent = JSON.stringify({touching, loaded, wide, page: document.documentElement.scrollWidth, window: innerWidth,
  sections: document.querySelectorAll('section').length});
document.body.append(out);
</script>
"""


def measure(html: str, folder: Path, width: int) -> dict:
    """Open the page with the probe in it (and without the policy that forbids scripts)."""
    html = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", html).replace("</body>", PROBE + "</body>")
    page = folder / "page.html"
    page.write_text(html, encoding="utf-8")
    done = subprocess.run(
        [
            str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
            f"--user-data-dir={folder / 'profile'}", f"--window-size={width},2000", "--dump-dom", page.as_uri(),
        ],
        capture_output=True, text=True, timeout=110, check=True,
    )  # fmt: skip
    found = re.search(r'<pre id="probe">(.*?)</pre>', done.stdout, flags=re.DOTALL)
    assert found, done.stderr[-2000:]
    return json.loads(found[1].replace("&gt;", ">").replace("&lt;", "<").replace("&amp;", "&"))


def samples(results: factory.Results) -> dict[str, str]:
    """The page of a usual sample, and of one with a long name."""
    found = {}
    for row in (results.samples.iloc[0], results.samples.iloc[3]):
        name, cells, embedding = row["sample"], results.root / "cells", results.root / "embedding"
        sample = read_sample(
            name, sheet=row.to_dict(), qc=str(cells / f"{name}.qc.tsv.gz"), qc_facts=str(cells / f"{name}.qc.json"),
            cells=str(embedding / "cells.tsv.gz"), identity=str(embedding / f"{row['patient']}.identity.tsv"),
            groups=str(embedding / f"{row['patient']}.groups.tsv"),
        )  # fmt: skip
        found[f"sample {name}"] = sample_page(
            sample, tumour_types=["plasma"], settings={"max_types": 16, "min_values_violin": 10}, facts={}
        )
    return found


def pages(folder: Path) -> dict[str, str]:
    results = factory.make_results(folder / "results")
    people = {
        name: gather.read_patient(
            name,
            samples=results.records(name),
            qc=results.qc(name),
            paths=results.paths(name),
            clinical=results.clinical,
        )
        for name in ("P1", "P2")
    } | {"stress": factory.stress_patient()}
    return {n: patient_page(p, tumour_types=["plasma"], facts={"seed": 1}) for n, p in people.items()} | samples(
        results
    )


@pytest.mark.parametrize("width", [1300, 420])
def test_pages_in_a_browser(tmp_path: Path, width: int) -> None:
    for name, html in pages(tmp_path).items():
        seen = measure(html, tmp_path, width)
        assert seen["sections"] == (8 if name.startswith("sample ") else 14), name
        assert seen["touching"] == [], f"{name}: text over text in a figure"
        assert seen["loaded"] == [], f"{name}: the page asked the network for something"
        assert seen["page"] <= seen["window"] and seen["wide"] == [], f"{name}: the page scrolls sideways at {width} px"


def test_the_probe_can_fail(tmp_path: Path) -> None:
    """A check that cannot fail is none."""
    bad = "<svg width='90' height='40'><text x='5' y='20'>one</text><text x='9' y='20'>two</text></svg>"
    seen = measure(f"<body><main><div style='width:3000px'>x</div></main>{bad}</body>", tmp_path, 420)
    assert seen["touching"] == ["one / two"] and seen["wide"]
