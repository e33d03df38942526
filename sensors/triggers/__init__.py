"""One file per trigger kind, named after Argo's key in `triggers[].template`; each is idempotent by firing id."""
