"""The local protocol of proto/wire/local.h, without libcoherd.

Session is a whole client: it subscribes, hears, acknowledges and publishes.
It does I/O only when it is asked to, so that one that nobody asks is a slow
subscriber. Raw bytes can be sent, too, for what no library would ever say.
"""

import os
import random
import socket
import struct
import time

import msgpack

from tests.net import wait

HELLO, SUBSCRIBE, UNSUBSCRIBE, PUBLISH, APPLIED, PING, STATUS, BYE = range(1, 9)
WELCOME, RECEIPT, EVENTS, RESET, PONG, REPORT, ERROR, GOODBYE = range(33, 41)
FRESH = 42

EXACT, PREFIX_MATCH = 0, 1
INVALIDATE, UPDATE, MESSAGE = range(3)
NONE, KEY, TAG, PREFIX, ALL = range(5)
SOFT = 1

ERROR_MALFORMED, ERROR_VERSION, ERROR_STATE = 1, 2, 3
ERROR_LIMIT, ERROR_INVALID, ERROR_STUCK = 4, 5, 6

RESET_SUBSCRIBED, RESET_LOST, RESET_SLOW, RESET_JOINED = 1, 2, 3, 4

NODE_STATES = ('starting', 'ready', 'draining')
MEMBER_STATES = ('listed', 'joining', 'live', 'silent', 'refused')
DNS_OUTCOMES = ('none', 'answer', 'empty', 'unknown')

NODE_FIELDS = (
    'node', 'name', 'region', 'cluster', 'release', 'address', 'port', 'state',
    'degraded', 'uptime_ms', 'head', 'sessions', 'subscriptions', 'published',
    'received', 'delivered', 'resets', 'lost', 'log_bytes', 'dns',
    'dns_age_ms', 'dns_count', 'staleness_ms', 'held_by')
MEMBER_FIELDS = (
    'node', 'name', 'region', 'release', 'address', 'port', 'state', 'listed',
    'hears_us', 'rtt_us', 'received', 'silent_ms', 'age_ms', 'counts')
WELCOME_FIELDS = (
    'version', 'node', 'node_name', 'region', 'cluster', 'session',
    'window_bytes', 'payload_max', 'ping_interval_ms')
EVENT_FIELDS = (
    'seq', 'kind', 'flags', 'hlc', 'topic', 'target_kind', 'target', 'value',
    'client', 'number', 'version', 'again_ms')


def frame(message: bytes) -> bytes:
    """Return message behind its length."""
    return struct.pack('!I', len(message)) + message


def pack(*fields) -> bytes:
    """Return one message, framed."""
    return frame(msgpack.packb(fields))


def address_text(address: bytes) -> str:
    """Return 16 bytes as an address; IPv4 is mapped into it."""
    if address[:12] == bytes(10) + b'\xff\xff':
        return socket.inet_ntop(socket.AF_INET, address[12:])
    return socket.inet_ntop(socket.AF_INET6, address)


def item(kind, topic, target_kind=NONE, target=b'', value=b'', flags=0):
    """Return what PUBLISH takes for one event."""
    return [kind, flags, topic, target_kind, target, value]


class Closed(Exception):
    """The sidecar closed the connection."""


class Session:
    """One connection to a sidecar, spoken to message by message."""

    def __init__(self, path, name='wire', hello=True, versions=(1, 1)):
        self.path = str(path)
        self.welcome = None
        self.heard = []      # EVENTS and RESET, in order, as dicts
        self.errors = []     # (code, text)
        self.receipts = []   # (request, origin, seq)
        self.reports = {}    # request: dict
        self.pongs = []      # (c0, position)
        self.fresh = []      # (c0, age in nanoseconds)
        self.goodbye = False
        self.closed = False
        self.position = 0
        self.bytes = 0       # of EVENTS and RESET, for APPLIED
        self._applied = 0
        self._request = 0
        self._inbox = bytearray()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect(self.path)
        self._socket.setblocking(False)
        if hello:
            self.say(HELLO, *versions, random.getrandbits(63) | 1, name,
                     os.getpid())
            wait.until(lambda: self.pump().welcome or self.closed,
                       lambda: f'WELCOME on {self.path}')

    def close(self):
        """Hang up without a word."""
        self.closed = True
        self._socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # --- saying --------------------------------------------------------------

    def send(self, data: bytes, limit=wait.LIMIT) -> None:
        """Write bytes as they are."""
        deadline = time.monotonic() + limit
        view = memoryview(data)
        while view:
            try:
                view = view[self._socket.send(view):]
            except BlockingIOError:
                # Only hear: half of a message is written, so APPLIED waits.
                self._receive()
                if time.monotonic() > deadline:
                    raise AssertionError('the sidecar does not read') from None
            except OSError as error:
                # What it said before it hung up can still be read.
                raise Closed() from error

    def flood(self, data: bytes, times: int) -> None:
        """Write without ever reading, until nothing more is taken."""
        for _ in range(times):
            try:
                self._socket.send(data)
            except OSError:
                return

    def say(self, *fields) -> None:
        """Send one message."""
        self.send(pack(*fields))

    def subscribe(self, *topics, match=EXACT) -> 'Session':
        """Subscribe, and wait for the RESET that a subscription begins with."""
        count = len(self.resets())
        self.say(SUBSCRIBE, [part for topic in topics
                             for part in (match, topic)])
        wait.until(lambda: len(self.pump().resets()) > count,
                   lambda: f'RESET after SUBSCRIBE; {self.errors}')
        return self

    def publish(self, *items, waiting=1) -> tuple:
        """Publish items in one request; return (origin, seq)."""
        self._request += 1
        request = self._request
        self.say(PUBLISH, request, waiting, list(items))
        found = wait.until(
            lambda: [r for r in self.pump().receipts if r[0] >= request]
            or self.closed, 'a RECEIPT')
        if found is True:
            raise Closed(str(self.errors))
        return found[0][1:]

    def offer(self, *items) -> int:
        """Publish without waiting; return the request number."""
        self._request += 1
        self.say(PUBLISH, self._request, 0, list(items))
        return self._request

    def report(self, limit=wait.LIMIT) -> dict:
        """Ask for STATUS; return the node's fields and its members."""
        self._request += 1
        request = self._request
        self.say(STATUS, request)
        wait.until(lambda: request in self.pump().reports or self.closed,
                   'a REPORT', limit)
        if self.closed:
            raise Closed()
        return self.reports.pop(request)

    def ping(self) -> int:
        """Exchange PING and PONG; return the position that it names."""
        stamp = time.monotonic_ns()
        self.say(PING, stamp)
        wait.until(lambda: self.closed or self.pump().pongs
                   and self.pongs[-1][0] == stamp, 'a PONG')
        if self.closed:
            raise Closed()
        return self.pongs[-1][1]

    # --- hearing -------------------------------------------------------------

    def pump(self) -> 'Session':
        """Take in what has arrived, without waiting."""
        self._receive()
        if self.bytes != self._applied and not self.closed:
            self._applied = self.bytes
            try:
                self.say(APPLIED, self.position, self.bytes)
            except Closed:
                pass
        return self

    def _receive(self) -> None:
        while not self.closed:
            try:
                data = self._socket.recv(1 << 18)
            except BlockingIOError:
                break
            except OSError:
                data = b''
            if not data:
                self.closed = True
                break
            self._inbox += data
            self._take()

    def _take(self) -> None:
        start = 0
        while len(self._inbox) - start >= 4:
            size, = struct.unpack_from('!I', self._inbox, start)
            if len(self._inbox) - start - 4 < size:
                break
            message = bytes(self._inbox[start + 4:start + 4 + size])
            start += 4 + size
            self._hear(msgpack.unpackb(message), size)
        del self._inbox[:start]

    def _hear(self, message, size) -> None:
        kind, *fields = message
        if kind == EVENTS:
            self._hear_events(*fields[:3])
            self.bytes += size
        elif kind == RESET:
            position, reason, filters = fields[:3]
            self._advance(position, 1)
            self.heard.append({'reset': reason,
                               'topics': filters[1::2] or None})
            self.bytes += size
        elif kind == WELCOME:
            self.welcome = dict(zip(WELCOME_FIELDS, fields))
        elif kind == RECEIPT:
            self.receipts.append(tuple(fields[:3]))
        elif kind == PONG:
            self.pongs.append(tuple(fields[:2]))
        elif kind == FRESH:
            self.fresh.append(tuple(fields[:2]))
        elif kind == REPORT:
            self.reports[fields[0]] = _report(fields[1], fields[2])
        elif kind == ERROR:
            self.errors.append(tuple(fields[:2]))
        elif kind == GOODBYE:
            self.goodbye = True

    def _hear_events(self, position, origin, records) -> None:
        self._advance(position, len(records))
        now = time.monotonic_ns()
        for record in records:
            event = dict(zip(EVENT_FIELDS, record))
            self.heard.append({**event, 'origin': origin, 'at': now})

    def _advance(self, position, count) -> None:
        if position != self.position + 1:
            raise AssertionError(f'position {position} after {self.position}')
        self.position += count

    def events(self) -> list:
        """Return the events heard so far."""
        return [entry for entry in self.heard if 'seq' in entry]

    def resets(self) -> list:
        """Return the resets heard so far."""
        return [entry for entry in self.heard if 'reset' in entry]

    def wait_closed(self) -> None:
        """Wait until the sidecar has closed the connection."""
        wait.until(lambda: self.pump().closed, 'the sidecar to close')


def _report(node, members) -> dict:
    report = dict(zip(NODE_FIELDS, node))
    report['address'] = address_text(report['address'])
    report['state'] = NODE_STATES[report['state']]
    report['dns'] = DNS_OUTCOMES[report['dns']]
    report['members'] = []
    for fields in members:
        member = dict(zip(MEMBER_FIELDS, fields))
        member['address'] = address_text(member['address'])
        member['state'] = MEMBER_STATES[member['state']]
        report['members'].append(member)
    return report
