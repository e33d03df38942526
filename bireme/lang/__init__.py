"""The small languages inside manifests: tags, expr, when, depends, conditions, gjson, sjson, JSONPath, templates, cron.

Called by every bank. Pure: text and values in, values or LangError out; no clock, no I/O, no access to Python objects.
"""
