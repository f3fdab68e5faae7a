"""The Dask cluster: the only package that talks to Dask."""

from labelpress.cluster.opening import open_cluster, open_project_cluster
from labelpress.cluster.running import Cluster
from labelpress.cluster.work import PartitionRow, Usage

__all__ = ["Cluster", "PartitionRow", "Usage", "open_cluster", "open_project_cluster"]
