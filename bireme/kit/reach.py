"""Which addresses outgoing connections may lead to: everything, or only what is public, and which networks besides."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from bireme.kit.errors import UserError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class ReachRefused(UserError):
    """The address is out of reach; the message names it and the setting that decides."""


class BadReach(UserError):
    """A text that is no reach; the message says what was expected."""


@dataclass(frozen=True, slots=True)
class Reach:
    """`everywhere`, or public addresses and those of `networks` besides."""

    everywhere: bool = False
    networks: tuple[Network, ...] = ()

    def check(self, address: str) -> None:
        """Raises ReachRefused for an address that must not be connected to."""
        found = _plain(ipaddress.ip_address(address.partition("%")[0]))
        if self.everywhere or _is_public(found) or any(found in one for one in self.networks):
            return
        raise ReachRefused(
            f"{found} is a private address, which connections must not lead to from here"
            " (BIREME_TARGETS lists the networks that are allowed)"
        )


EVERYWHERE = Reach(everywhere=True)
PUBLIC = Reach()


def parse(text: str) -> Reach:
    """`any`, or `public` and networks such as `10.0.0.0/8`, separated by commas. Raises BadReach."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    if "any" in words:
        return EVERYWHERE
    return Reach(networks=tuple(_networks(word for word in words if word != "public")))


def _networks(words: Iterable[str]) -> Iterable[Network]:
    for word in words:
        try:
            yield ipaddress.ip_network(word)
        except ValueError as error:
            raise BadReach(
                f"'{word}': expected any, public or a network such as 10.0.0.0/8 ({error})"
            ) from error


def _is_public(address: Address) -> bool:
    """Reserved IPv6 holds `::a.b.c.d` too, an IPv4 address in a form nobody has a use for."""
    return address.is_global and not (address.is_multicast or address.is_reserved)


def _plain(address: Address) -> Address:
    """An IPv4 address in an IPv6 one (mapped, 6to4, NAT64) is what the packets end at."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
