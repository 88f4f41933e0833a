"""Which addresses a receiver may have: public ones, and what the operator allows.

A name is resolved once, all its addresses must be good, and the connection goes to one of those that were looked at:
nobody can answer the check with one address and the connection with another.

Source:
    Standard Webhooks, "SSRF"; RFC 6052 (NAT64), RFC 4291 (IPv4-mapped), RFC 3056 (6to4), RFC 4380 (Teredo).
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from alerts.delivery.errors import SendError

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Sequence[str]]
_NAT64: Final = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"))
_METADATA: Final = (ip_network("168.63.129.16/32"),)
"""Azure's; the others' (169.254.169.254, fd00:ec2::254, 100.100.100.200) are not global anyway."""


def resolve(host: str, port: int) -> list[str]:
    """All addresses of a host; ``SendError`` where there is none."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise SendError(f"the name {host} is not resolved") from error
    return list(dict.fromkeys(str(one[4][0]) for one in found))


def checked(host: str, port: int, *, ports: Sequence[int], allow: Sequence[str], resolve: Resolve = resolve) -> str:
    """The address to connect to.

    Args:
        host: As it stands in the URL.
        port: Of it.
        ports: Those that are free; another needs ``allow``.
        allow: Networks, addresses and hosts, a host also as ``host:port``.
        resolve: From a name to all its addresses.

    Raises:
        SendError: It may not be called; the sentence names the host, not the URL.
    """
    name = host.lower().rstrip(".")
    named = name in _names(allow) or f"{name}:{port}" in _names(allow)
    addresses = [_address(one) for one in resolve(host, port)]
    if not addresses:
        raise SendError(f"the name {host} is not resolved")
    for address in addresses:
        if not (named or _within(address, allow) or _is_public(address)):
            raise SendError(f"{host} has the address {address}, which is not public; alerting.allow may allow it")
    if port not in ports and not named and not all(_within(address, allow) for address in addresses):
        raise SendError(f"port {port} of {host} is not allowed; alerting.allow may allow it")
    return str(addresses[0])


def _address(text: str) -> Address:
    try:
        return ip_address(text.partition("%")[0])
    except ValueError as error:
        raise SendError("the name has an address that is none") from error


def _is_public(address: Address) -> bool:
    """Of an address that holds another one, both."""
    inner = _inside(address)
    if inner is not None:
        return _is_public(inner)
    bad = address.is_multicast or address.is_reserved or address.is_unspecified or address.is_loopback
    return address.is_global and not bad and not any(address in network for network in _METADATA)


def _inside(address: Address) -> Address | None:
    if isinstance(address, IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if any(address in network for network in _NAT64) or int(address) >> 32 == 0:  # ::a.b.c.d is the old form
        return IPv4Address(int(address) & 0xFFFFFFFF)
    if address.sixtofour is not None:
        return address.sixtofour
    return None if address.teredo is None else address.teredo[1]


def _names(allow: Sequence[str]) -> set[str]:
    return {one.lower().rstrip(".") for one in allow}


def _within(address: Address, allow: Sequence[str]) -> bool:
    networks = []
    for one in allow:
        try:
            networks.append(ip_network(one, strict=False))
        except ValueError:
            continue  # a host
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return any(address in network or (mapped is not None and mapped in network) for network in networks)
