"""One name per step everywhere: rule = script = log = benchmark, chapters in story order."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from marrowclone.keys import CHAPTERS

RULE = re.compile(r"^rule (\w+):\n(.*?)(?=^\S|\Z)", re.MULTILINE | re.DOTALL)


def rules_of(root: Path) -> dict[str, tuple[str, str]]:
    """Rule -> (file that holds it, body)."""
    found = {}
    for path in sorted((root / "workflow/rules").glob("*.smk")):
        for name, body in RULE.findall(path.read_text()):
            found[name] = (path.stem, body)
    return found


def test_rules_stand_in_their_chapter(root: Path) -> None:
    """A reader who knows a chapter's name knows the file that holds its rules."""
    expected = {rule: chapter for chapter, rules in CHAPTERS.items() for rule in rules}
    assert {rule: file for rule, (file, _) in rules_of(root).items()} == expected


@pytest.mark.parametrize("rule", [r for rules in CHAPTERS.values() for r in rules])
def test_one_name_per_step(root: Path, rule: str) -> None:
    """Script, log and benchmark are found from the rule's name alone; params carry the code hash."""
    _, body = rules_of(root)[rule]
    assert re.search(rf'script:\s+"\.\./\.\./scripts/{rule}\.py"', body)
    assert re.search(rf'log:\s+"logs/{rule}(/\{{(sample|patient)\}})?\.log"', body)
    assert re.search(rf'benchmark:\s+"benchmarks/{rule}/(\{{(sample|patient)\}}|all)\.tsv"', body)
    assert f'code=code("{rule}")' in body, "without it an edit of a module would not rerun the rule"
    assert re.match(r'\s+"""\S', body), "each rule opens with one line that says what it does"


def test_scripts_have_rules(root: Path) -> None:
    """No orphan scripts."""
    assert {p.stem for p in (root / "scripts").glob("*.py")} == {r for rules in CHAPTERS.values() for r in rules}


def test_chapters_have_docs_schema_and_tests(root: Path) -> None:
    """The same names for subpackage, schema section, docs page and test folder."""
    for chapter in CHAPTERS:
        assert (root / "workflow/lib/marrowclone" / chapter / "__init__.py").is_file()
        assert (root / f"workflow/schemas/{chapter}.schema.yaml").is_file()
        assert (root / f"docs/{chapter}.md").is_file()
        assert list((root / "tests/unit" / chapter).glob("test_*.py"))


def test_includes_follow_the_story(root: Path) -> None:
    """The Snakefile is the table of contents."""
    included = re.findall(r'^include: "workflow/rules/(\w+)\.smk"', (root / "Snakefile").read_text(), re.MULTILINE)
    assert included == ["common", *CHAPTERS]


def test_common_stays_small(root: Path) -> None:
    """Logic belongs in the library, where it can be tested without Snakemake."""
    assert len((root / "workflow/rules/common.smk").read_text().splitlines()) < 150
