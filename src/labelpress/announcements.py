"""What automations may wait for: a publication, a held run, stale labels, a new champion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labelpress.events import announce

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labelpress.manifest import Manifest
    from labelpress.runs import Run
    from labelpress.stages.promote import Promotion
    from labelpress.standing import Age
    from labelpress.store import Store
    from labelpress.tables.versions import LabelVersion


def announce_published(project: str, store: Store, version: LabelVersion, link: str = "") -> None:
    """Emit `labelpress.labels.published`: a printing, a promotion or a restore."""
    payload: dict[str, Any] = {
        "label_version": version.version,
        "period": version.period,
        "printing": version.printing,
        "kind": version.kind,
        "run": version.run,
        "link": link,
    }
    announce(project, store, "labelpress.labels.published", f"v{version.version}", payload)


def announce_held(
    run: Run, manifest: Manifest, reasons: Sequence[str], held_periods: Sequence[str]
) -> None:
    """Emit `labelpress.labels.held`; a label of its resource says when it is not the first."""
    announce(
        run.project.name,
        run.store,
        "labelpress.labels.held",
        manifest.run,
        {
            "period": manifest.period,
            "printing": manifest.printing,
            "run": manifest.run,
            "reasons": list(reasons),
            "held_periods": list(held_periods),
            "label_version": run.base.version if run.base else None,
            "link": run.link,
        },
        # Automations of Prefect match the labels of a resource, not the payload.
        {"labelpress.held-again": str(len(held_periods) > 1).lower()},
    )


def announce_stale(project: str, store: Store, age: Age) -> None:
    """Emit `labelpress.labels.stale`, once for each time that the allowed age has passed."""
    if not age.overdue:
        return
    payload = {
        "label_version": age.version.version,
        "period": age.version.period,
        "published": age.version.timestamp.isoformat(),
        "age_hours": round(age.age.total_seconds() / 3600, 1),
        "allowed_hours": round(age.allowed.total_seconds() / 3600, 1),
    }
    batch = f"v{age.version.version}:{age.overdue}"
    announce(project, store, "labelpress.labels.stale", batch, payload)


def announce_model(run: Run, version: LabelVersion, promotion: Promotion) -> None:
    """Emit `labelpress.model.promoted` where the model of a label version became champion."""
    if promotion.role != "champion":
        return
    payload = {
        "model": promotion.model,
        "label_version": version.version,
        "period": version.period,
        "reason": promotion.reason,
        "link": run.link,
    }
    batch = f"v{version.version}:{promotion.model}"
    announce(run.project.name, run.store, "labelpress.model.promoted", batch, payload)
