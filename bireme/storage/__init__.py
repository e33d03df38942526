"""Durable rows: one small interface, SQLite (embedded) and PostgreSQL behind it, numbered migrations.

Banks write their own SQL in their own `store.py` files, in the subset both databases share; this package knows no bank.
"""
