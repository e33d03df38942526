"""The plugin families of the house, by the names that `bireme kinds` gives them."""

from typing import Any

from bireme.kit.registry import Registry


def registries() -> dict[str, Registry[Any]]:
    """Every family's registry."""
    import events.registry
    import executor.registry
    import sensors.registry

    return {
        "sources": events.registry.sources,
        "buses": events.registry.buses,
        "filters": sensors.registry.filters,
        "manifestSources": sensors.registry.manifest_sources,
        "triggers": sensors.registry.triggers,
        "backends": executor.registry.backends,
        "artifacts": executor.registry.artifacts,
    }


def kinds() -> dict[str, list[str]]:
    """Argo's spec keys of every plugin, by family."""
    return {family: registry.kinds() for family, registry in registries().items()}
