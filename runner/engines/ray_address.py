"""Where a Ray cluster is, and whether somebody answers there: Ray itself would try for minutes to find out.

address: local           a Ray of the run's own, on this machine
         auto            the cluster that $RAY_ADDRESS or this machine belongs to; none there: as `local`
         ray://host:port a cluster, by Ray Client
         host:port       a cluster, by its control service
"""

from __future__ import annotations

import os
import socket
from typing import Final

_ANSWERS_WITHIN_S: Final = 5.0
_VARIABLE: Final = "RAY_ADDRESS"
_HELLO: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
"""How a connection of HTTP/2 begins, by which Ray's services talk: the preface, and a frame SETTINGS without any."""
_HEAD: Final = 9
_KIND: Final = 3
_SETTINGS: Final = 4


class AddressError(Exception):
    """There is no cluster; the text says why, and what may help."""


def find(address: str) -> str | None:
    """Where a cluster answers; None: nowhere, and one is to be started.

    Args:
        address: As the config has it.

    Raises:
        AddressError: No cluster answers where there has to be one.
    """
    if address == "auto":
        address = os.environ.get(_VARIABLE) or _of_this_machine() or "local"
    if address == "local":
        return None
    if address == "auto":  # said by the variable: Ray looks for it
        return address
    host, port = _host_and_port(address)
    try:
        is_one = _is_a_service_of_ray(host, port)
    except OSError:
        remedy = "start a cluster there (ray start --head), or use address: local"
        raise AddressError(f"nobody answers at {address}; {remedy}") from None
    if not is_one:
        raise AddressError(f"who answers at {address} is no Ray cluster; ray status --address tells which port it has")
    return address


def _of_this_machine() -> str | None:
    """The cluster to which this machine belongs."""
    from ray._private import services

    found: str | None = services.find_bootstrap_address(None)
    try:
        return found if found and _is_a_service_of_ray(*_host_and_port(found)) else None
    except OSError:
        return None


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not (port.isascii() and port.isdecimal()):
        raise AddressError(f"{_VARIABLE} is {address!r}; wanted auto, local, ray://host:port or host:port")
    return host.strip("[]"), int(port)


def _is_a_service_of_ray(host: str, port: int) -> bool:
    """Whether HTTP/2 is spoken there (RFC 9113, 3.4: both sides begin with SETTINGS); raises OSError if nobody is."""
    with socket.create_connection((host, port), timeout=_ANSWERS_WITHIN_S) as connection:
        if os.environ.get("RAY_USE_TLS", "0") not in ("", "0"):
            return True  # only who has the certificates could tell
        try:
            connection.sendall(_HELLO)
            heard = connection.recv(_HEAD, socket.MSG_WAITALL)
        except OSError:
            return False
    return len(heard) == _HEAD and heard[_KIND] == _SETTINGS
