"""What maintenance removes, as values that a person can read before anything is done."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from labelpress.tables.files import Found

Why = Literal[
    "labels of removed versions",
    "candidates that nothing can publish",
    "votes that nothing names",
    "predictions that nothing names",
    "slices of partitions that nothing names",
    "what removed runs left",
    "events before compaction",
    "what killed writers left",
]

SHOWN = 200
"""Files named in an artifact; all of them are printed."""


@dataclass(frozen=True, slots=True)
class Removal:
    """One file that goes."""

    path: str
    """Relative to the store."""
    size: int
    why: Why


@dataclass(frozen=True, slots=True)
class Survey:
    """What maintenance found, and what it is about to do."""

    delta_version: int
    """Of the labels table, as it was looked at; -1 where there is none."""
    versions: tuple[int, ...]
    """Label versions to give up."""
    runs: tuple[str, ...]
    """Runs to give up: neither published, nor kept, nor to be promoted any more."""
    kept: tuple[int, ...]
    """Label versions that stay."""
    removals: tuple[Removal, ...]
    marked: Mapping[str, float]
    """Votes and predictions that nothing names, and since when: they go in a later run."""
    compacted: Mapping[str, int]
    """Event tables to compact, and how many files each has."""
    remarks: tuple[str, ...]
    """What a person should know, in sentences."""
    newly_marked: int = 0
    """Files that were marked only now."""

    @property
    def bytes(self) -> int:
        """All that is freed."""
        return sum(removal.size for removal in self.removals)

    @property
    def changes(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.removals or self.versions or self.runs or self.compacted)


def in_words(survey: Survey, *, done: bool) -> str:
    """Say in markdown what goes, or has gone, and why."""
    did = "Removed" if done else "Would remove"
    reasons = Counter[str]()
    sizes = Counter[str]()
    for removal in survey.removals:
        reasons[removal.why] += 1
        sizes[removal.why] += removal.size
    lines = [
        f"{did} {len(survey.removals)} files, {survey.bytes:,} bytes.",
        "",
        f"- label versions kept: {_numbers(survey.kept)}",
        f"- label versions given up: {_numbers(survey.versions)}",
        f"- runs given up: {', '.join(survey.runs) or 'none'}",
    ]
    lines += [f"- {why}: {reasons[why]} files, {sizes[why]:,} bytes" for why in sorted(reasons)]
    lines += [
        f"- {table}: {files} files made one" if done else f"- {table}: {files} files to make one"
        for table, files in sorted(survey.compacted.items())
    ]
    if survey.newly_marked:
        lines.append(
            f"- {survey.newly_marked} files of votes or predictions that nothing names were "
            "marked; they go in a later run, if still nothing names them."
        )
    lines += [f"- {remark}" for remark in survey.remarks]
    if survey.removals:
        lines += ["", "| file | bytes | why |", "|---|---:|---|"]
        lines += [
            f"| `{removal.path.replace('|', '%7C')}` | {removal.size:,} | {removal.why} |"
            for removal in survey.removals[:SHOWN]
        ]
        if len(survey.removals) > SHOWN:
            lines.append(f"\n{len(survey.removals) - SHOWN} more files are in the log.")
    return "\n".join(lines)


def as_removals(files: Iterable[Found], why: Why) -> tuple[Removal, ...]:
    """Return files with the reason why they go."""
    return tuple(Removal(file.path, file.size, why) for file in files)


def _numbers(versions: tuple[int, ...]) -> str:
    return ", ".join(map(str, versions)) or "none"
