"""The JSON API on the deck: Argo's paths and shapes, our own under `/api/v1/bireme`, health and metrics."""
