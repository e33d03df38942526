"""One file per filter kind, named after Argo's key in `filters`; each is pure and returns a Verdict."""
