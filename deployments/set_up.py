"""
Set up a Prefect server for the projects of prefect.yaml; again it changes only what differs.

    python deployments/set_up.py [--notify slack-webhook/oncall] [--pool-type process]

In this order: the work pool, one global concurrency limit per project, the block types of
labelpress, all deployments, and the automations that Prefect's open-source server has only when a
script makes them. Run it after every change of prefect.yaml.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from prefect.automations import Automation, AutomationCore
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate, WorkPoolCreate
from prefect.events.actions import ChangeFlowRunState, SendNotification
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.settings import get_current_settings
from prefect.states import StateType

from labelpress.project import read_project

if TYPE_CHECKING:
    from uuid import UUID

    from prefect.client.orchestration import SyncPrefectClient

    from labelpress.project import Project

ROOT = Path(__file__).parents[1]
POOL = "labelpress"
WITHOUT_HEARTBEAT = timedelta(seconds=400)
"""A run whose process has not said so long that it lives is dead; it says so every 180 s."""

# An event bears the name of a state and not its type, so each name that our flows end with counts.
STATES_WITHOUT_HEARTBEAT = (
    *("Completed", "Failed", "TimedOut", "Cancelled", "Crashed", "Suspended", "AwaitingRetry"),
    *("Held", "Unchanged", "Untrained", "NothingOpen", "NothingPublished", "Fresh", "Stale"),
)


def main(arguments: list[str] | None = None) -> None:
    """Make everything, and say what."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0].strip())
    parser.add_argument("--notify", default="", metavar="TYPE/NAME", help="block to send through")
    parser.add_argument("--pool-type", default="process", help="of the work pool, if it is new")
    chosen = parser.parse_args(arguments)
    # Prefect would start servers of its own, deploy to them, and take all away with them.
    if not get_current_settings().api.url:
        parser.error(
            "PREFECT_API_URL names no server to set up. For that of `make ui` run "
            "`set -a; . deployments/local.env; set +a` first; for another one export its address."
        )
    projects = project_names()
    if lost := lost_stores():
        parser.error(
            "prefect.yaml clones this repository, so each worker would keep a store of its own in "
            f"its clone, or lose it there. Set [store] uri of {', '.join(lost)} to a bucket, or to "
            "a folder outside of the repository that every worker sees."
        )
    with get_client(sync_client=True) as client:
        notify = block_id(client, chosen.notify) if chosen.notify else None
        if chosen.notify and notify is None:
            parser.error(
                f"no block {chosen.notify} at this server, so nobody would be notified. Make it in "
                "the UI under Blocks and name it as --notify TYPE/NAME, or leave --notify out."
            )
        make_pool(client, chosen.pool_type)
        for name in projects:
            make_limit(client, name)
        for words in (
            ["block", "register", "-m", "labelpress.blocks"],
            ["--no-prompt", "deploy", "--all"],
        ):
            subprocess.run([sys.executable, "-m", "prefect", *words], cwd=ROOT, check=True)
        made = [zombies()]
        for name in projects:
            made += alarms(name, notify)
        for automation in made:
            put(automation)
    print(f"work pool {POOL}; projects {', '.join(projects)}; automations:")
    print("\n".join(f"  {automation.name}" for automation in made))
    if notify is None:
        print("Nobody is notified: name a block with --notify (deployments/README.md).")


def project_names() -> list[str]:
    """Return the names of the projects that prefect.yaml deploys."""
    return [project.name for project in deployed_projects()]


def deployed_projects() -> list[Project]:
    """Read the projects that prefect.yaml deploys."""
    folders = {entry["parameters"]["project"] for entry in read_deployed()["deployments"]}
    places = [folder if "://" in folder else str(ROOT / folder) for folder in sorted(folders)]
    return [read_project(place) for place in places]


def read_deployed() -> dict[str, Any]:
    """Read prefect.yaml."""
    deployed: dict[str, Any] = yaml.safe_load((ROOT / "prefect.yaml").read_text())
    return deployed


def lost_stores() -> list[str]:
    """Return the projects that keep their store in a repository that workers clone."""
    deployed = read_deployed()
    pulls = [entry.get("pull") or [] for entry in (deployed, *deployed["deployments"])]
    if not any(name.endswith("git_clone") for pull in pulls for step in pull for name in step):
        return []
    return [
        project.name
        for project in deployed_projects()
        if Path(project.store_uri.removeprefix("file://")).is_relative_to(ROOT)
    ]


def make_pool(client: SyncPrefectClient, kind: str) -> None:
    """Make the work pool, unless it is there."""
    try:
        client.create_work_pool(WorkPoolCreate(name=POOL, type=kind))
    except ObjectAlreadyExists:
        return


def make_limit(client: SyncPrefectClient, project: str) -> None:
    """Let one flow at a time write for a project; the flows ask for it by this name."""
    name = f"labelpress:{project}"
    try:
        # By name, since each deployment has a limit of its own and lists of them end somewhere.
        client.read_global_concurrency_limit_by_name(name)
    except ObjectNotFound:
        client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=name, limit=1))


def block_id(client: SyncPrefectClient, block: str) -> UUID | None:
    """Return the id of a notification block, such as slack-webhook/oncall, if it is there."""
    kind, _, name = block.partition("/")
    try:
        found: UUID = client.read_block_document_by_name(name, kind).id
    except ObjectNotFound:
        return None
    return found


def zombies(within: timedelta = WITHOUT_HEARTBEAT) -> AutomationCore:
    """End runs whose process died: they would be `Running` for ever."""
    ends = [f"prefect.flow-run.{state}" for state in STATES_WITHOUT_HEARTBEAT]
    return AutomationCore(
        name="labelpress: crash runs without a heartbeat",
        trigger=EventTrigger(
            match={"prefect.resource.id": "prefect.flow-run.*"},
            match_related={
                "prefect.resource.id": "prefect.tag.labelpress",
                "prefect.resource.role": "tag",
            },
            after={"prefect.flow-run.heartbeat"},
            expect={"prefect.flow-run.heartbeat", *ends},
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=within,
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED,
                message="Its process stopped reporting. Run it again: it goes on where it stopped.",
            )
        ],
    )


def alarms(project: str, notify: UUID | None) -> list[AutomationCore]:
    """Tell a person of a held run, of two held periods in a row, and of stale labels."""
    if notify is None:
        return []
    run = "{{ event.payload.link }}\n{{ event.payload.reasons | join('\n') }}"
    told = {
        "held": ("labelpress.labels.held", {"labelpress.held-again": "false"}, run),
        "held twice in a row": ("labelpress.labels.held", {"labelpress.held-again": "true"}, run),
        "stale": (
            "labelpress.labels.stale",
            {},
            "Last published {{ event.payload.published }}, {{ event.payload.age_hours }} h ago.",
        ),
    }
    return [
        AutomationCore(
            name=f"labelpress: {project} {what}",
            trigger=EventTrigger(
                match={"prefect.resource.id": f"labelpress.project.{project}", **labels},
                expect={event},
                posture=Posture.Reactive,
                threshold=1,
                within=timedelta(0),
            ),
            actions=[
                SendNotification(
                    block_document_id=notify,
                    subject=f"Labels of {project}: {what}",
                    body=body,
                )
            ],
        )
        for what, (event, labels, body) in told.items()
    ]


def put(automation: AutomationCore) -> None:
    """Create an automation, or bring the one of that name up to date."""
    try:
        there = Automation.read(name=automation.name)
    except ValueError:
        Automation(**automation.model_dump()).create()
        return
    there.trigger, there.actions = automation.trigger, automation.actions
    there.update()


if __name__ == "__main__":
    main()
