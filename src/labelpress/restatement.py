"""Restatement: what was used before and has changed since, and who used it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from labelpress.manifest import read_answers, read_manifest
from labelpress.row_index import read_index
from labelpress.trained_models import models_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from labelpress.diff.versions import OverParts
    from labelpress.manifest import Manifest
    from labelpress.store import Store
    from labelpress.tables.files import Files

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Correction:
    """An answer that was corrected, or that no longer counts."""

    row_id: str
    before: str
    after: str | None
    """None where no answer counts any more: the row has changed, or is gone."""
    versions: tuple[int, ...]
    """Label versions that used the earlier answer."""


@dataclass(frozen=True, slots=True)
class RestatedPart:
    """A partition some of whose rows were changed or taken away."""

    part: str
    what: Literal["changed", "gone"]
    """`gone`: the whole partition."""
    rows: int
    versions: tuple[int, ...]
    """Label versions that labelled the rows as they were."""


@dataclass(frozen=True, slots=True)
class Restatement:
    """What a run found changed under earlier versions."""

    corrections: tuple[Correction, ...]
    parts: tuple[RestatedPart, ...]
    models: Mapping[str, int]
    """The end models that were trained on those versions: label version by model."""

    @property
    def versions(self) -> tuple[int, ...]:
        """All label versions concerned."""
        used = [one.versions for one in self.corrections] + [one.versions for one in self.parts]
        return tuple(sorted({version for versions in used for version in versions}))

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON; empty where nothing was restated."""
        if not self.corrections and not self.parts:
            return {}
        return asdict(self) | {"versions": self.versions, "sentences": self.sentences()}

    def sentences(self) -> tuple[str, ...]:
        """Say what was restated and who used it."""
        said = []
        if self.corrections:
            rows = [one.row_id for one in self.corrections]
            what = "answer was" if len(rows) == 1 else "answers were"
            said.append(f"{len(rows)} {what} corrected or taken out of use ({_few(rows)}).")
        said += [
            f"{one.rows:,} rows of {one.part!r} that were labelled before have {_did(one)}."
            for one in self.parts[:_SHOWN]
        ]
        if len(self.parts) > _SHOWN:
            said.append(f"So have rows of {len(self.parts) - _SHOWN} more partitions.")
        if said:
            models = _few(list(self.models)) or "none"
            said.append(f"Used by label versions {_few(self.versions)}; end models: {models}.")
        return tuple(said)


def find_restatement(
    store: Store, manifest: Manifest, base: Manifest | None, answers: pl.DataFrame, over: OverParts
) -> Restatement:
    """
    Compare what a run uses with what its base used, and look up who else used that.

    Later versions, and what was decided after `manifest.decisions_version`, are not looked at.
    """
    if base is None or manifest.base_version is None:
        return Restatement((), (), {})
    changed = _changed_answers(store, base, answers)
    parts = _restated_parts(store.files, manifest, base, over)
    if changed.height == 0 and not parts:
        return Restatement((), (), {})
    earlier = [v for v in store.labels.versions() if v.version <= manifest.base_version]
    history = [(v.version, read_manifest(store.files, v.run)) for v in earlier]
    known = [(number, found) for number, found in history if found is not None]
    used = {number: read_answers(store.files, found.run) for number, found in known}
    corrections = tuple(
        Correction(
            row["row_id"],
            manifest.classes[row["code"]],
            None if row["code_now"] is None else manifest.classes[row["code_now"]],
            tuple(
                number
                for number, frame in used.items()
                if frame.filter(row_id=row["row_id"], code=row["code"]).height
            ),
        )
        for row in changed.iter_rows(named=True)
    )
    restated = tuple(
        RestatedPart(
            part,
            "changed" if any(p.part == part for p in manifest.partitions) else "gone",
            rows,
            tuple(n for n, found in known if any(p.digest == digest for p in found.partitions)),
        )
        for part, (digest, rows) in parts.items()
    )
    found = Restatement(corrections, restated, {})
    decisions = store.decisions.read_frozen(manifest.decisions_version)
    models = {m.model: v for v in found.versions for m in models_of(decisions, v)}
    return Restatement(corrections, restated, models)


def _changed_answers(store: Store, base: Manifest, answers: pl.DataFrame) -> pl.DataFrame:
    """Return row_id, code and code_now of answers that the base used and that are others now."""
    before = read_answers(store.files, base.run).select("row_id", "code")
    now = answers.select("row_id", pl.col("code").alias("code_now"))
    both = before.join(now, on="row_id", how="left")
    return both.filter(pl.col("code").ne_missing(pl.col("code_now"))).sort("row_id")


def _restated_parts(
    files: Files, manifest: Manifest, base: Manifest, over: OverParts
) -> dict[str, tuple[str, int]]:
    """Return digest and number of restated rows of the base's partitions that are no longer so."""
    now = {partition.part: partition.digest for partition in manifest.partitions}
    then = {partition.digest for partition in base.partitions}
    olds = {
        p.part: (p.digest, now.get(p.part)) for p in base.partitions if p.digest not in now.values()
    }
    news = [digest for digest in now.values() if digest not in then]
    changed = over(count_changed, olds, files)
    apart = {part: olds[part] for part, (_, missing) in changed.items() if missing}
    gone = (
        over(count_gone, {"missing rows": apart}, files, news)["missing rows"]
        if apart and news
        else {part: missing for part, (_, missing) in changed.items()}
    )
    rows = {part: count + gone.get(part, 0) for part, (count, _) in changed.items()}
    return {part: (olds[part][0], count) for part, count in rows.items() if count}


def count_changed(digests: tuple[str, str | None], files: Files) -> tuple[int, int]:
    """Count the rows of a partition whose content is another in its new state, and those not there.

    A row is two 64-bit hashes, of its id and of its content.
    """
    before, after = digests
    rows = _hashes(files, before)
    if after is None:
        return 0, rows.height
    both = rows.join(_hashes(files, after), on="key", suffix="_now")
    return both.filter(
        pl.col("row_hash") != pl.col("row_hash_now")
    ).height, rows.height - both.height


def count_gone(
    apart: Mapping[str, tuple[str, str | None]], files: Files, news: Sequence[str]
) -> dict[str, int]:
    """Count the rows missing from partitions that stand in no new partition as they were."""
    missing = []
    for part, (before, after) in apart.items():
        rows = _hashes(files, before)
        left = rows if after is None else rows.join(_hashes(files, after), on="key", how="anti")
        missing.append(left.with_columns(pl.lit(part).alias("part")))
    there = pl.concat([_hashes(files, digest) for digest in news])
    left = pl.concat(missing).join(there, on=["key", "row_hash"], how="anti")
    return dict(left.group_by("part").len().iter_rows())


def _hashes(files: Files, digest: str) -> pl.DataFrame:
    return read_index(files, digest).select(pl.col("row_id").hash(0).alias("key"), "row_hash")


def _did(one: RestatedPart) -> str:
    return "gone with it" if one.what == "gone" else "changed or gone"


def _few(words: Sequence[object]) -> str:
    more = len(words) - _SHOWN
    return ", ".join(map(str, words[:_SHOWN])) + (f" and {more} more" if more > 0 else "")
