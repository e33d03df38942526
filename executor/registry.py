"""The two families of this deck: backends (where steps run) and artifact stores, by Argo's spec key."""

from collections.abc import Callable
from pathlib import Path

from bireme.kit.registry import Registry
from executor.ports import ArtifactStore, Executor

StoreFactory = Callable[[Path], ArtifactStore]
"""Makes a store; it is given the directory under which local artifacts lie."""

backends: Registry[Callable[..., Executor]] = Registry("executor.backends")
artifacts: Registry[StoreFactory] = Registry("executor.artifacts")
