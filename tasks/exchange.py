"""The tasks of the exchange with experts' tools: answers in, asks out."""

from datetime import UTC, datetime

from prefect import task
from prefect.cache_policies import NO_CACHE

from labelpress.answers import open_asks
from labelpress.events import announce_answers, server_may_return, show_rejected
from labelpress.exchange.folder import Brought, bring_in, exchange_files, keep_rejected, put_out
from labelpress.exchange.label_studio import label_studio_of, pull_answers, push_asks
from labelpress.exchange.showing import standing_asks
from labelpress.exchange.taking import take_answers
from labelpress.project import Project
from labelpress.store import Store


@task(name="bring-in-files", cache_policy=NO_CACHE)
def bring_in_files(project: Project, store: Store) -> tuple[Brought, ...]:
    """Take the answers that lie in the shared folder."""
    brought = bring_in(project, store)
    for file in brought:
        announce_answers(project.name, store, file.taken, file.name)
        show_rejected(file.taken.rejected)
    return brought


@task(name="put-out-files", cache_policy=NO_CACHE)
def put_out_files(project: Project, store: Store) -> int:
    """Write new batches of asks into the shared folder."""
    return put_out(project, store, datetime.now(UTC))


@task(
    name="pull-label-studio",
    cache_policy=NO_CACHE,
    retries=2,
    retry_delay_seconds=[10, 60],
    retry_condition_fn=server_may_return,
)
def pull_label_studio(project: Project, store: Store) -> tuple[Brought, ...]:
    """Take the annotations of our tasks in Label Studio, if the project has one."""
    server = label_studio_of(project)
    if server is None:
        return ()
    taken = take_answers(store, pull_answers(project, server), late=True)
    announce_answers(project.name, store, taken, "label-studio")
    show_rejected(taken.rejected)
    brought = Brought("label-studio", taken)
    return (keep_rejected(exchange_files(project), brought),)


@task(
    name="push-label-studio",
    cache_policy=NO_CACHE,
    retries=2,
    retry_delay_seconds=[10, 60],
    retry_condition_fn=server_may_return,
)
def push_label_studio(project: Project, store: Store) -> int:
    """Send open asks that Label Studio does not have, if the project has one."""
    server = label_studio_of(project)
    if server is None:
        return 0
    experts = project.settings.experts
    waiting = open_asks(standing_asks(store), store.answers.read(), datetime.now(UTC), experts)
    return push_asks(project, store, server, waiting)
