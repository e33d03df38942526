"""Clusters that steps of `resource` templates act on."""
