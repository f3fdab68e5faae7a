"""A registry of models in memory, for tests that need no MLflow."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Registry:
    """What MLflow would keep, in memory."""

    kept: dict[str, bytes] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)

    def read_model(self, version: str) -> bytes:
        """Return a model."""
        return self.kept[version]

    def models(self):
        """Nobody asks here which labels taught a model."""
        return ()

    def alias(self, name: str) -> str | None:
        """Return the version that bears an alias."""
        return self.aliases.get(name)

    def set_alias(self, name: str, version: str) -> None:
        """Give an alias to a version."""
        self.aliases[name] = version
