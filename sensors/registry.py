"""The plugin families of this deck."""

from typing import Any

from bireme.kit.registry import Registry

filters: Registry[Any] = Registry("sensors.filters")
"""Classes that fit `ports.Filter`, by Argo's key in `filters` (`data`, `exprs`, `time`, `context`)."""

manifest_sources: Registry[Any] = Registry("sensors.manifest_sources")
"""Classes that fit `ports.ManifestSource`, by Argo's key in `source` (`url`, `git`, `s3`, `file`, `configmap`)."""

triggers: Registry[Any] = Registry("sensors.triggers")
"""Classes that fit `ports.Trigger`, by Argo's key in `triggers[].template` (`argoWorkflow`, `http`, `log`)."""
