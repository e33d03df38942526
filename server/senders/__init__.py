"""How a message gets to where an event source listens: one file is one kind of source, used by `bireme send`.

A module has `Config`, the source's own, and `send(asker, config, to, body)`, which says where the message lies now. The
engine never imports this.
"""
