"""The tasks of maintenance."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from labelpress.events import progress_of
from labelpress.maintenance.removal import Survey
from labelpress.maintenance.surveying import survey_store
from labelpress.maintenance.sweeping import Maintained, maintain_store
from labelpress.retention import RetentionSettings
from labelpress.store import Store


@task(name="survey", cache_policy=NO_CACHE)
def survey(store: Store, retention: RetentionSettings) -> Survey:
    """Find out what would go, and touch nothing."""
    return survey_store(store, retention)


@task(name="sweep", cache_policy=NO_CACHE)
def sweep(store: Store, retention: RetentionSettings) -> Maintained:
    """Remove what is not kept, and compact the append tables."""
    with progress_of("sweep") as show:
        return maintain_store(store, retention, show)
