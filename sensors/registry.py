"""The plugin families of this deck."""

from typing import Any

from bireme.kit.registry import Registry

filters: Registry[Any] = Registry("sensors.filters")
"""Classes that fit `ports.Filter`, by Argo's key in `filters` (`data`, `exprs`, `time`, `context`)."""

triggers: Registry[Any] = Registry("sensors.triggers")
"""Classes that fit `ports.Trigger`, by Argo's key in `triggers[].template` (`argoWorkflow`, `http`, `log`)."""
