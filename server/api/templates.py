"""WorkflowTemplates and ClusterWorkflowTemplates."""

from server.api import applied
from server.api.routes import Routes

routes = Routes()

applied.declare(
    routes,
    "/api/v1/workflow-templates/{namespace}",
    "workflowtemplates",
    "WorkflowTemplate",
    "template",
)
applied.declare(
    routes,
    "/api/v1/cluster-workflow-templates",
    "clusterworkflowtemplates",
    "ClusterWorkflowTemplate",
    "template",
)
