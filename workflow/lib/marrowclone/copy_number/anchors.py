"""What must be said of the diploid level: anchors that deviate themselves, and what relative states cannot tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .clusters import CLONAL, TUMOUR, GroupEvidence

#: Said wherever states are relative (science 2.2: relative methods are blind to it).
DOUBLING = (
    "whole-genome doubling cannot be told from diploid, nor losses of most chromosomes (hyperhaploid) from gains "
    "of the others: two copies are the median of the anchor arms"
)

#: Chromosomes with a loss from which the level is doubted [J]: few tumours lose so many, and none of the frequent ones.
MANY_LOST = 10


def anchor_notes(groups: Mapping[str, GroupEvidence], anchors: Sequence[str]) -> str:
    """Anchor arms with an event of their own in a tumour group, in words; empty when there is none.

    The centre is the median over the anchors, so that one of eight does not move it much; half of them would.
    """
    seen: dict[str, set[str]] = {}
    for group in groups.values():
        if group.verdict in (TUMOUR, CLONAL):
            for event in group.events:
                if event[1:] in anchors:
                    seen.setdefault(event[1:], set()).add(event[0])
    if not seen:
        return ""
    arms = [a for a in anchors if a in seen]
    words = ", ".join("/".join(f"{sign}{arm}" for sign in sorted(seen[arm])) for arm in arms)
    text = f"{len(arms)} of {len(anchors)} anchor arms deviate{'s' if len(arms) == 1 else ''} in the tumour: {words}"
    if len(arms) * 3 > len(anchors):
        return f"{text}; the diploid level itself is doubtful"
    return f"{text}; the median over the others is the diploid level"


def loss_note(groups: Mapping[str, GroupEvidence]) -> str:
    """Losses on so many chromosomes that the anchors may be what was gained, in words; empty when there are fewer."""
    events = {e for g in groups.values() if g.verdict in (TUMOUR, CLONAL) for e in g.events}
    lost = {e[1:-1] for e in events if e[0] == "-"}
    if len(lost) < MANY_LOST:
        return ""
    return (
        f"losses on {len(lost)} chromosomes: where most anchor arms are gained, all others look lost; "
        "the diploid level itself is doubtful"
    )


def notes_of(groups: Mapping[str, GroupEvidence], anchors: Sequence[str]) -> str:
    """All notes on the diploid level."""
    return "; ".join(filter(None, [anchor_notes(groups, anchors), loss_note(groups), DOUBLING]))
