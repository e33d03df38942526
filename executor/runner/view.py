"""A private view of the file system: the paths a step declares are its own, all else is the machine's.

Beside the step's directory lies a mirror (`<node>.fs/tmp/out.txt` stands for `/tmp/out.txt`). In a mount namespace the
mirror of each directory that holds a declared path is mounted over the original, with the original's other entries
bound into it. So two steps that write `/tmp/out.txt` never meet, files other people put in `/tmp` stay visible, and the
outputs lie with the step when it has ended. Runs in a forked child; needs root or user namespaces.
"""

import ctypes
import os
import stat
from typing import Any

from executor.runner import files

_NEWNS, _NEWUSER = 0x00020000, 0x10000000
_READ_ONLY, _KEPT_FLAGS = 0x1000 | 0x20 | 0x1, 0x2 | 0x4 | 0x8 | 0x400 | 0x800
_BIND_ALL, _PRIVATE_ALL = 0x1000 | 0x4000, (1 << 18) | 0x4000

Binds = dict[str, tuple[str, bool]]
"""By path: what is seen there, and whether it can only be read."""

Tree = dict[str, Any]
"""Declared paths by component; an empty tree is a declared path itself."""


def enter(folder: str, paths: list[str], binds: Binds) -> None:
    """From here on this process sees its own `paths`, and at each path of `binds` what lies elsewhere.

    Raises OSError naming what could not be mounted.
    """
    unshare()
    mirror = folder + files.VIEW
    tree = tree_of([*paths, *binds])
    for place in mount_points(tree, ""):
        _fill(place or "/", mirror + place, _under(tree, place))
        for path in sorted(p for p in binds if p.startswith(f"{place}/")):
            _show_bind(binds[path], mirror + path)
        if place:
            _bind(mirror + place, place)
        else:
            os.chroot(mirror)
            return


def unshare() -> None:
    """A mount namespace of our own, from which nothing leaks back; by way of a user namespace unless we are root."""
    uid, gid = os.geteuid(), os.getegid()
    _call("unshare", _NEWNS if uid == 0 else _NEWNS | _NEWUSER, what="unshare")
    if uid != 0:
        for name, text in (
            ("setgroups", "deny"),
            ("uid_map", f"{uid} {uid} 1"),
            ("gid_map", f"{gid} {gid} 1"),
        ):
            with open(f"/proc/self/{name}", "wb") as file:
                file.write(text.encode())
    _call("mount", b"none", b"/", None, _PRIVATE_ALL, None, what="mount / private")


def tree_of(paths: list[str]) -> Tree:
    """Absolute paths as a tree. A path below another declared one belongs to that one."""
    root: Tree = {}
    for path in sorted(paths):
        node, fresh = root, False
        for part in path.strip("/").split("/"):
            if not fresh and part in node and not node[part]:
                break
            fresh = part not in node
            node = node.setdefault(part, {})
    return root


def mount_points(tree: Tree, place: str) -> list[str]:
    """The topmost existing directories that must be replaced; "" is the root of the file system."""
    if any(not below or not os.path.isdir(f"{place}/{name}") for name, below in tree.items()):
        return [place]
    return [
        point for name, below in tree.items() for point in mount_points(below, f"{place}/{name}")
    ]


def _under(tree: Tree, place: str) -> Tree:
    for part in place.strip("/").split("/") if place else ():
        tree = tree[part]
    return tree


def _fill(original: str, mirror: str, declared: Tree) -> None:
    """Make `mirror` look like `original`, without what is declared."""
    os.makedirs(mirror, exist_ok=True)
    if os.path.isdir(original):
        os.chmod(mirror, stat.S_IMODE(os.stat(original).st_mode))
        with os.scandir(original) as entries:
            for entry in entries:
                if entry.name not in declared:
                    _show(entry, f"{mirror}/{entry.name}")
    for name, below in declared.items():
        if not os.path.isdir(f"{original}/{name}"):
            continue
        if below:
            _fill(f"{original}/{name}", f"{mirror}/{name}", below)
        elif not os.path.lexists(f"{mirror}/{name}"):
            # A declared directory that every program expects to be there, such as /tmp: an empty one of its own.
            os.mkdir(f"{mirror}/{name}")
            os.chmod(f"{mirror}/{name}", stat.S_IMODE(os.stat(f"{original}/{name}").st_mode))


def _show(entry: "os.DirEntry[str]", target: str) -> None:
    """Bind one entry of the machine into the mirror; what cannot be shown is left out, as in a container."""
    try:
        if entry.is_symlink():
            os.symlink(os.readlink(entry.path), target)
            return
        if entry.is_dir():
            os.mkdir(target)
        else:
            os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
        _bind(entry.path, target)
    except OSError:
        return


def _show_bind(bind: tuple[str, bool], target: str) -> None:
    source, read_only = bind
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    elif not os.path.lexists(target):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
    _bind(source, target)
    if read_only:
        kept = os.statvfs(target).f_flag & _KEPT_FLAGS
        _call(
            "mount",
            None,
            os.fsencode(target),
            None,
            _READ_ONLY | kept,
            None,
            what=f"mount {target}",
        )


def _bind(source: str, target: str) -> None:
    _call(
        "mount",
        os.fsencode(source),
        os.fsencode(target),
        None,
        _BIND_ALL,
        None,
        what=f"mount {target}",
    )


def _call(name: str, *arguments: Any, what: str) -> None:
    if getattr(_libc(), name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def is_possible(folder: str) -> bool:
    """Whether this machine lets us have private views: tried once, in a forked child, below `folder`."""
    pid = os.fork()
    if pid == 0:
        try:
            unshare()
            _bind(folder, folder)
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitpid(pid, 0)[1] == 0
