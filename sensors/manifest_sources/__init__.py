"""Where objects of `argoWorkflow` and `k8s` triggers are read from, one kind a file; asked only when a trigger acts."""
