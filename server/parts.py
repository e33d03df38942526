"""The parts that an engine and a single run have in common."""

import structlog

from bireme.kit.clock import Clock
from bireme.lang.script import Scripts
from bireme.storage.ports import Database
from executor.ports import Cluster, Executor
from executor.registry import backends
from executor.router import Router
from executor.surroundings import Surroundings
from server.secrets import KeptSecrets
from server.settings import Settings


def secrets_of(settings: Settings) -> KeptSecrets:
    """The secret store of a process, its values masked in every log line from here on."""
    kept = KeptSecrets(
        settings.secrets_dir or settings.data_dir / "secrets", settings.secret_values
    )
    processors = structlog.get_config()["processors"]
    structlog.configure(processors=[*processors[:-1], kept.mask_entry, processors[-1]])
    return kept


def executor_of(
    settings: Settings, clock: Clock, secrets: KeptSecrets, database: Database, scripts: Scripts
) -> Executor:
    """The backends where steps run: processes of this machine, and the engine's own agent."""
    root = settings.data_dir / "steps"
    around = Surroundings(
        root=root,
        clock=clock,
        database=database,
        secrets=secrets,
        scripts=scripts,
        cluster=cluster_of(settings),
        plugins=settings.executor_plugins,
    )
    main = backends["process"](
        root,
        clock,
        environment=settings.environment,
        secrets=secrets,
        reports=around.reports,
    )
    return Router(main, around)


def cluster_of(settings: Settings) -> Cluster | None:
    """A client of the cluster that steps and triggers act on, if there is one; it is loaded only then."""
    if not settings.kubeconfig:
        return None
    from executor.clusters.kubernetes import KubernetesCluster

    return KubernetesCluster(settings.kubeconfig)
