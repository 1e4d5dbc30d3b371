"""Where a cluster is looked for, and how soon it is known that there is none; nothing here needs Ray."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest
from running import within

from runner.engines import ray_address
from runner.engines.ray_address import AddressError, find

if TYPE_CHECKING:
    from collections.abc import Iterator

SETTINGS = bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(ray_address, "_ANSWERS_WITHIN_S", 0.3)
    for name in ("RAY_ADDRESS", "RAY_USE_TLS"):
        monkeypatch.delenv(name, raising=False)
    with within(20):
        yield


class Server:
    """Somebody who answers whatever is said with the same bytes, or with nothing; None: by hanging up."""

    def __init__(self, answer: bytes | None) -> None:
        self._answer = answer
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        connection, _ = self._socket.accept()
        with connection:
            connection.recv(1 << 10)
            if self._answer is None:
                return
            connection.sendall(self._answer)
            self._over.wait(10)

    def close(self) -> None:
        self._over.set()
        self._thread.join()
        self._socket.close()


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_who_begins_as_ray_does_is_taken_for_a_cluster(scheme: str) -> None:
    server = Server(SETTINGS)
    try:
        assert find(scheme + server.address) == scheme + server.address
    finally:
        server.close()


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-x\r\n", b"abc", None])
def test_who_says_anything_else_or_nothing_is_none(answer: bytes | None) -> None:
    server = Server(answer)
    try:
        with pytest.raises(AddressError, match=f"who answers at ray://{server.address} is no Ray cluster"):
            find(f"ray://{server.address}")
    finally:
        server.close()


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "[::1]:1", "no-such-host.invalid:6379"])
def test_nobody_answers(address: str) -> None:
    with pytest.raises(AddressError) as caught:
        find(address)
    assert str(caught.value) == (
        f"nobody answers at {address}; start a cluster there (ray start --head), or use address: local"
    )


def test_local_is_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find("local") is None
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    assert find("local") is None


class TestVariable:
    @pytest.mark.parametrize("value", ["nonsense", "host", "host:", ":6379", "host:port", "ray://"])
    def test_that_names_no_address_is_said(self, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("RAY_ADDRESS", value)
        with pytest.raises(AddressError, match=r"RAY_ADDRESS is .*; wanted auto, local, ray://host:port or host:port"):
            find("auto")

    def test_counts_where_the_config_leaves_it_open(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("RAY_ADDRESS", "local")
        assert find("auto") is None
        monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
        with pytest.raises(AddressError, match=r"nobody answers at 127\.0\.0\.1:1"):
            find("auto")


def test_behind_tls_only_who_has_the_certificates_can_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_USE_TLS", "1")
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        assert find(address) == address
