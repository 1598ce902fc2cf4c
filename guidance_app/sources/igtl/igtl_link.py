"""OpenIGTLink connections: one that is kept up (client), or several that are waited for (server)."""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
from collections.abc import Callable
from typing import Protocol

from pyigtl.messages import MessageBase

from guidance_app.sources.igtl.igtl_wire import PATIENCE_S, HostileMessage, PeerGone, RawMessage, read_message
from guidance_app.sources.listening import cannot_listen
from guidance_app.sources.notices import NoticeBoard

MAX_CLIENTS = 4  # an imaging device, and stations that follow
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.25, 5.0
_CONNECT_S = 2.0
_JOIN_S = 5.0


class Listener(Protocol):
    """Whoever the messages are for; called from the connections' threads. `peer` tells connections apart."""

    def wants(self, kind: str, device: str) -> bool: ...

    def heard(self, peer: int, message: RawMessage) -> None: ...

    def gone(self, peer: int) -> None: ...


class Link(Protocol):
    """Connections to peers, up from the start."""

    port: int

    def send(self, messages: list[MessageBase]) -> None:
        """To every peer, now and when it connects; replaces what was not sent yet. Returns at once."""
        ...

    def close(self) -> None: ...


class Client:
    """Connects, and again after a growing pause whenever the connection is lost."""

    def __init__(self, host: str, port: int, listener: Listener, notices: NoticeBoard) -> None:
        self.port = port
        self._name = f"{host}:{port}"
        self._address = (host, port)
        self._listener = listener
        self._notices = notices
        self._outbox = _Outbox()
        self._closing = threading.Event()
        self._connection: _Connection | None = None
        self._thread = threading.Thread(target=self._keep_up, name="guidance-igtl-client", daemon=True)
        self._thread.start()

    def send(self, messages: list[MessageBase]) -> None:
        self._outbox.put(messages)

    def close(self) -> None:
        self._closing.set()
        self._outbox.close()
        connection = self._connection
        if connection is not None:
            connection.close()
        self._thread.join(_JOIN_S)

    def _keep_up(self) -> None:
        wait_s = _FIRST_WAIT_S
        for peer in itertools.count():
            if self._closing.is_set():
                return
            heard_anything = False
            try:
                plain = socket.create_connection(self._address, timeout=_CONNECT_S)
            except OSError as error:
                reason = error.strerror or str(error) or type(error).__name__
                self._notices.pin("source_disconnected", f"{self._name}: cannot be reached ({reason}); trying again")
            else:
                self._notices.pin("source_connected", f"{self._name}: connected")
                self._connection = _Connection(plain, peer, self._listener, self._outbox)
                if self._closing.is_set():
                    self._connection.close()
                heard_anything = self._talk(self._connection)
            wait_s = _FIRST_WAIT_S if heard_anything else min(2 * wait_s, _LONGEST_WAIT_S)
            self._closing.wait(wait_s)

    def _talk(self, connection: _Connection) -> bool:
        why = connection.run()
        self._connection = None
        if not self._closing.is_set():
            self._notices.pin("source_disconnected", f"{self._name}: {why}; trying again")
        return connection.heard_anything


class Server:
    """Raises InputError on creation: the address cannot be listened on."""

    def __init__(self, host: str, port: int, listener: Listener, notices: NoticeBoard) -> None:
        self._listener = listener
        self._notices = notices
        self._outbox = _Outbox()
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._connections: dict[_Connection, threading.Thread] = {}
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            self._socket = socket.create_server((host, port), family=family, backlog=MAX_CLIENTS)
        except OSError as error:
            raise cannot_listen(f"igtl://{host}:{port}", error) from error
        self._socket.settimeout(0.2)  # closing a socket does not wake a thread that accepts on it everywhere
        self.port = int(self._socket.getsockname()[1])
        self._thread = threading.Thread(target=self._accept, name="guidance-igtl-server", daemon=True)
        self._thread.start()

    def send(self, messages: list[MessageBase]) -> None:
        self._outbox.put(messages)

    def close(self) -> None:
        self._closing.set()
        self._outbox.close()
        self._thread.join(_JOIN_S)
        self._socket.close()
        with self._lock:
            open_ones = dict(self._connections)
        for connection in open_ones:
            connection.close()
        for thread in open_ones.values():
            thread.join(_JOIN_S)

    def _accept(self) -> None:
        peers = itertools.count()
        while not self._closing.is_set():
            try:
                plain, address = self._socket.accept()
            except TimeoutError:
                continue
            except OSError as error:
                self._notices.pin("client_refused", f"a connection failed ({error.strerror})")
                self._closing.wait(_FIRST_WAIT_S)
                continue
            self._admit(plain, str(address[0]), next(peers))

    def _admit(self, plain: socket.socket, address: str, peer: int) -> None:
        with self._lock:
            if len(self._connections) >= MAX_CLIENTS:
                plain.close()
                self._notices.pin("client_refused", f"{address}: {MAX_CLIENTS} are connected already")
                return
            connection = _Connection(plain, peer, self._listener, self._outbox)
            thread = threading.Thread(
                target=self._talk, args=(connection, address), name=f"guidance-igtl-peer-{peer}", daemon=True
            )
            self._connections[connection] = thread
        thread.start()

    def _talk(self, connection: _Connection, address: str) -> None:
        self._notices.pin("source_connected", f"{address}: connected")
        why = connection.run()
        with self._lock:
            self._connections.pop(connection, None)
        if connection.hostile:
            self._notices.pin("client_refused", f"{address}: {why}")
        elif not self._closing.is_set():
            self._notices.pin("source_disconnected", f"{address}: {why}")


class _Outbox:
    """The newest messages for everybody, with a number that goes up."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._messages: list[MessageBase] = []
        self._number = 0
        self._closed = False

    def put(self, messages: list[MessageBase]) -> None:
        with self._changed:
            self._messages, self._number = messages, self._number + 1
            self._changed.notify_all()

    def newer_than(self, number: int, stopped: Callable[[], bool]) -> tuple[int, list[MessageBase]] | None:
        """Wait for messages after these; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or stopped() or self._number > number)
            return None if self._closed or stopped() else (self._number, self._messages)

    def wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class _Connection:
    """One peer: read in the thread that calls `run`, written to by a thread of its own."""

    def __init__(self, plain: socket.socket, peer: int, listener: Listener, outbox: _Outbox) -> None:
        plain.settimeout(PATIENCE_S)
        with contextlib.suppress(OSError):
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.heard_anything = False
        self.hostile = False
        self._socket = plain
        self._peer = peer
        self._listener = listener
        self._outbox = outbox
        self._ended = threading.Event()

    def run(self) -> str:
        """Until the connection ends; returns why."""
        writer = threading.Thread(target=self._write, name=f"guidance-igtl-writer-{self._peer}", daemon=True)
        writer.start()
        try:
            while True:
                message = read_message(self._socket, self._listener.wants)
                self.heard_anything = True
                self._listener.heard(self._peer, message)
        except PeerGone as error:
            return str(error)
        except HostileMessage as error:
            self.hostile = True
            return str(error)
        finally:
            self.close()
            writer.join(_JOIN_S)
            self._socket.close()
            self._listener.gone(self._peer)

    def close(self) -> None:
        """Wakes both threads; the one in `run` closes the socket itself."""
        self._ended.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._outbox.wake()

    def _write(self) -> None:
        number = 0
        while (newer := self._outbox.newer_than(number, self._ended.is_set)) is not None:
            number, messages = newer
            try:
                for message in messages:
                    self._socket.sendall(message.pack())
            except OSError:
                self.close()
                return
