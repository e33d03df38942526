"""Which addresses connections may lead to."""

import pytest

from bireme.kit import reach

PRIVATE = [
    "127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
    "224.0.0.1", "::1", "fe80::1%eth0", "fd00::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254",
    "64:ff9b::7f00:1", "2002:7f00:1::", "::",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_in_whatever_dress_are_out_of_public_reach(address: str) -> None:
    with pytest.raises(reach.ReachRefused, match="is a private address"):
        reach.PUBLIC.check(address)
    reach.EVERYWHERE.check(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "64:ff9b::5db8:d822"])
def test_public_addresses_are_in_reach(address: str) -> None:
    reach.PUBLIC.check(address)


def test_networks_are_in_reach_when_they_are_listed() -> None:
    given = reach.parse("public, 10.0.0.0/8")
    given.check("10.1.2.3")
    with pytest.raises(reach.ReachRefused):
        given.check("192.168.0.1")
    assert reach.parse("any") == reach.EVERYWHERE
    assert reach.parse("public") == reach.PUBLIC


def test_a_word_that_is_no_network_is_refused() -> None:
    with pytest.raises(reach.BadReach, match="expected any, public or a network"):
        reach.parse("public,hooks.internal")
