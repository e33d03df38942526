"""JSONPath as Argo's jsonpath() answers."""


def find(data, path):
    return None
