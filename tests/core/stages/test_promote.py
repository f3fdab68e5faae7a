"""The promote stage: of several who decide at once, each decides on what the others left."""

from __future__ import annotations

from labelpress.decisions import Decision, decide
from labelpress.manifest import read_answers
from labelpress.stages import promote
from labelpress.stages.train import train_model
from labelpress.tracking import ModelVersion
from tests.registry import Registry


def test_who_loses_the_race_is_judged_against_the_winner(project, cluster, monkeypatch):
    """Another model became champion while this one was being judged: it is judged again."""
    printed = project.print(cluster)
    run, manifest, version = printed.run, printed.gated.manifest, printed.version
    trained = train_model(run, manifest, read_answers(run.store.files, manifest.run), cluster)
    registry = Registry(dict.fromkeys(("1", "2"), trained.content))
    winner = Decision("champion", "promotion rule", "better", label_version=1, model="1")

    def decide_second(table, decision, **how):
        decide(table, winner, batch="winner")
        return decide(table, decision, **how)

    monkeypatch.setattr(promote, "decide", decide_second)
    mine = ModelVersion("reviews", "2", "a-run", {})

    promotion = promote.promote_model(
        *(run, manifest, version, mine, trained, registry, cluster), batch="retrained"
    )

    assert (promotion.model, promotion.role) == ("2", "challenger")
    assert promotion.reason.startswith("unknown: "), "there was a champion to compare with"
    decisions = run.store.decisions.read().sort("at")
    assert decisions.select("model", "kind").rows() == [("1", "champion"), ("2", "challenger")]
    assert registry.aliases == {"champion": "1", "challenger": "2"}
