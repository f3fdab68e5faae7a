"""Where partitions are worked: by a person's choice, else by project.toml."""

from __future__ import annotations

import pytest

from labelpress.cluster import open_project_cluster
from labelpress.cluster_settings import ClusterSettings
from labelpress.errors import ClusterError, ProjectError
from labelpress.project import parse_settings

THREADS = {"n_workers": 1, "threads_per_worker": 1, "processes": False, "dashboard_address": ":0"}
START = 'name = "a"\n[source]\nuri = "d"\nid = "i"\n[classes]\nnames = ["x", "y"]\n[cluster]\n'


def _settings(**values):
    return ClusterSettings.model_validate(values)


def test_a_class_is_made_by_its_import_path():
    """With its arguments, scaled to the workers wanted, and gone afterwards."""
    settings = _settings(**{"class": "distributed.LocalCluster"}, arguments=THREADS, workers=2)

    with open_project_cluster(settings) as cluster:
        done = cluster.map(abs, {"a": -1, "b": -2})

    assert done == {"a": 1, "b": 2}


def test_what_a_person_chose_wins(cluster):
    """Over the class that project.toml names."""
    settings = _settings(**{"class": "nowhere.Cluster"})

    with open_project_cluster(settings, cluster.address) as mine:
        assert mine.address == cluster.address
    with open_project_cluster(settings, "threads") as mine:
        assert mine.map(abs, {"a": -1}) == {"a": 1}


def test_the_address_of_the_project_is_used(cluster):
    """Where nothing was chosen."""
    with open_project_cluster(_settings(address=cluster.address)) as mine:
        assert mine.address == cluster.address


@pytest.mark.parametrize(
    ("path", "arguments", "message"),
    [
        ("no_such_package.KubeCluster", {}, "Install it where the flow runs"),
        ("distributed.KubeCluster", {}, "the module distributed has no KubeCluster"),
        ("datetime.date", {"weeks": 1}, "arguments do not fit: "),
    ],
)
def test_a_class_that_cannot_be_used_is_named(path, arguments, message):
    """With the key of project.toml."""
    settings = _settings(**{"class": path}, arguments=arguments)

    with (
        pytest.raises(ClusterError, match=message) as caught,
        open_project_cluster(settings),
    ):
        pass

    assert f"[cluster] class = '{path}'" in str(caught.value)


def test_a_cluster_without_workers_is_given_up():
    """After the time that the settings allow."""
    none = THREADS | {"n_workers": 0}
    settings = _settings(**{"class": "distributed.LocalCluster"}, arguments=none, wait_seconds=1)

    with (
        pytest.raises(ClusterError, match="gave no worker within 1 s"),
        open_project_cluster(settings),
    ):
        pass


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ('address = "10.0.0.5:8786"', "address"),
        ('address = "tcp://a:1"\nclass = "a.B"', "exclude each other"),
        ("arguments = { n = 1 }", "none is named"),
        ('clas = "a.B"', "Did you mean 'class'"),
    ],
)
def test_settings_that_contradict_are_refused(lines, message):
    """Where the file is read."""
    with pytest.raises(ProjectError, match=message):
        parse_settings(START + lines)
