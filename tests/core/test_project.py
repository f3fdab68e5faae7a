"""Projects: what project.toml may say, and what is said of its mistakes."""

from __future__ import annotations

import pytest

from labelpress.errors import ProjectError
from labelpress.project import parse_settings, read_project

LEAST = """
name = "tickets"
[source]
uri = "data/"
id = "ticket_id"
[classes]
names = ["billing", "outage", "other"]
"""


def test_everything_but_source_and_classes_has_a_default():
    """A week, sixty answers, the store beside the project."""
    settings = parse_settings(LEAST)

    assert settings.schedule.period == "1w"
    assert settings.experts.budget == 60
    assert settings.store.uri == "store/"
    assert settings.gate.on_unknown == "pass"
    assert settings.label_model.refit == "on-drift"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("[expert]\nbudget = 1", r"expert is no known key. Did you mean 'experts'\? Known here: "),
        (
            "[gate]\nmax_chrun = 0.1",
            r"\[gate\] max_chrun is no known key. Did you mean",
        ),
        (
            '[end_model.features]\ntxt = ["a"]',
            r"features.txt is no known key. Did you mean 'text'\? Known here: categorical, numeric",
        ),
        ("[gate]\nmax_churn = 5", r"\[gate\] max_churn = 5: input should be less than or equal"),
        ('[schedule]\nperiod = "2w"', r"\[schedule\] period = '2w': .*'1h', '6h'.* or '1mo'"),
        ('[schedule]\ntimezone = "Berlin"', r"\[schedule\] timezone = 'Berlin': .*IANA"),
        ('[label_model]\nrefit = "maybe"', r"\[label_model\] refit = 'maybe': .*'on-drift'"),
        ("[gate]\nmax_churn = 5\nx = 1", r"max_churn = 5: .*; \[gate\] x is no known key"),
        ("[gate", "project.toml is not valid TOML: Expected ']'"),
        (
            '[experts]\noracle = "gold"\n[end_model.features]\ncategorical = ["gold"]',
            r"\[end_model\] features: 'gold' is the column of the oracle.*Take it out",
        ),
    ],
)
def test_mistakes_are_named_with_what_would_be_right(more, said):
    """Table, key, value; all of them at once."""
    with pytest.raises(ProjectError, match=said):
        parse_settings(LEAST + more)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('name = "tickets"', "", "project.toml: name is missing"),
        ('id = "ticket_id"', "", r"project.toml: \[source\] id is missing"),
        ('"other"]', '"outage"]', r"'outage' stands there twice"),
        (
            '"other"]',
            '"other"]\nbase_rate = [0.5, 0.5]',
            "base_rate: 3 shares that sum to 1 are wanted, one per class; these are 2 and sum to 1",
        ),
        ('"other"]', '"other"]\nbase_rate = [0.5, 0.6, -0.1]', "base_rate: 3 shares"),
        ('["billing", "outage", "other"]', '["billing"]', r"\[classes\] names = \['billing'\]: "),
        ('name = "tickets"', 'name = "my tickets/"', "name = 'my tickets/': "),
        ('id = "ticket_id"', 'id = "i"\non_duplicate = "newest"', r"on_duplicate = 'newest': "),
    ],
)
def test_what_is_missing_or_inconsistent_is_named(old, new, said):
    """In the words of the file."""
    with pytest.raises(ProjectError, match=said):
        parse_settings(LEAST.replace(old, new))


def test_relative_places_are_those_of_the_project(project, monkeypatch):
    """Not of the folder where the run began."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    project.configure("[experts]", '[evaluation]\ntest = "./gold/test.parquet"\n[experts]')

    found = project.read()

    assert found.source_uri == f"{project.path}/data"
    assert found.store_uri == f"{project.path}/store"
    assert found.test_uri == f"{project.path}/gold/test.parquet"
    assert found.tracking_uri == f"sqlite:///{project.path}/mlflow.db"


def test_absolute_places_stand_as_they_are(project, monkeypatch):
    """Buckets too; MLflow then needs an address of its own."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    project.configure("[experts]", '[store]\nuri = "s3://labels/reviews/"\n[experts]')
    found = project.read()

    assert found.store_uri == "s3://labels/reviews"
    with pytest.raises(ProjectError, match=r"\[tracking\] uri: the store is not a local folder"):
        _ = found.tracking_uri


def test_the_environment_names_the_tracking_server(project, monkeypatch):
    """Unless project.toml does."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow:5000")
    assert project.read().tracking_uri == "http://mlflow:5000"

    project.configure("[experts]", '[tracking]\nuri = "sqlite:///here.db"\n[experts]')
    assert project.read().tracking_uri == f"sqlite:///{project.path}/here.db"


def test_no_such_folder(tmp_path):
    """What the folder must hold is said."""
    with pytest.raises(ProjectError, match=r"no project folder '.*/nowhere'. Give a folder that"):
        read_project(str(tmp_path / "nowhere"))


def test_a_folder_without_project_toml(tmp_path):
    """The file is named."""
    (tmp_path / "heuristics.py").write_text("")

    with pytest.raises(ProjectError, match=r"holds no project.toml"):
        read_project(str(tmp_path))


@pytest.mark.parametrize("table", ["source", "store"])
def test_a_credential_in_the_file_is_refused_and_not_repeated(table):
    """Its name is said, its value is not."""
    uri = 'uri = "s3://bucket/x"\n'
    options = 'storage_options = { secret = "hush" }\n'
    text = f"""
name = "x"
[source]
id = "id"
{uri}{options if table == "source" else ""}
[classes]
names = ["a", "b"]
[store]
{uri}{options if table == "store" else ""}
"""

    with pytest.raises(ProjectError, match=rf"\[{table}\] .*'secret' is a credential") as caught:
        parse_settings(text)
    assert "hush" not in str(caught.value)
