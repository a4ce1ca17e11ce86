"""Name servers: dnsmasq, and one that can be told to misbehave."""

import pathlib
import random
import select
import signal
import socket
import struct
import threading

from tests.net import process, wait
from tests.net.namespace import NAME_SERVER

NAME = 'app.internal'

A, AAAA = 1, 28
NOERROR, SERVFAIL, NXDOMAIN, REFUSED = 0, 2, 3, 5
_RESPONSE, _TRUNCATED, _AVAILABLE = 0x8400, 0x0200, 0x0180


class Dnsmasq:
    """A real name server, with records that can change."""

    def __init__(self, folder: pathlib.Path, ttl=1, log_queries=False):
        self.records = {}
        self._options = [f'--local-ttl={ttl}',
                         *(['--log-queries'] if log_queries else [])]
        self._hosts = folder / 'hosts'
        self._log = folder / 'dnsmasq.log'
        self._process = None

    def list(self, *addresses, name=NAME) -> None:
        """Make these all the addresses of name; none: no such name."""
        self.records[name] = addresses
        self._write()

    def _write(self) -> None:
        lines = [f'{address} {name}\n'
                 for name, addresses in self.records.items()
                 for address in addresses]
        fresh = self._hosts.with_suffix('.new')
        fresh.write_text(''.join(lines), encoding='ascii')
        fresh.rename(self._hosts)
        if process.is_running(self._process):
            self._process.send_signal(signal.SIGHUP)

    def start(self) -> None:
        """Serve; returns when it answers."""
        self._write()
        with open(self._log, 'ab') as log:
            self._process = process.spawn(
                ['dnsmasq', '--no-daemon', '--conf-file=/dev/null', '--user=',
                 '--group=', '--no-resolv', '--no-poll', '--no-hosts',
                 '--bind-interfaces', f'--listen-address={NAME_SERVER}',
                 f'--addn-hosts={self._hosts}', *self._options,
                 '--local=/internal/', '--cache-size=2000'],
                stdout=log, stderr=log)
        wait.until(_answers, 'dnsmasq to answer')

    def queries(self) -> int:
        """Count what it was asked for NAME so far, if it logs queries."""
        return self._log.read_bytes().count(f'] {NAME} from '.encode('ascii'))

    def loads(self) -> int:
        """Count how often it has read its records so far."""
        return self._log.read_bytes().count(
            f' read {self._hosts} '.encode('ascii'))

    def stop(self) -> None:
        """Stop serving: the next query is refused by the kernel."""
        process.end(self._process)
        self._process = None

    close = stop


def _answers() -> bool:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as client:
        client.settimeout(0.2)
        try:
            client.connect((NAME_SERVER, 53))
            client.send(_query('ready.internal'))
            return bool(client.recv(512))
        except OSError:
            return False


def _labels(name: str) -> bytes:
    return b''.join(bytes([len(part)]) + part.encode('ascii')
                    for part in name.split('.')) + b'\0'


def _query(name: str) -> bytes:
    return (struct.pack('!6H', 1, 0x0100, 1, 0, 0, 0) + _labels(name) +
            struct.pack('!2H', AAAA, 1))


class Query:
    """One question, and the ways to answer it."""

    def __init__(self, message: bytes, tcp: bool):
        self.message = message
        self.tcp = tcp
        self.id, = struct.unpack_from('!H', message)
        end = message.index(b'\0', 12) + 1
        self.type, = struct.unpack_from('!H', message, end)
        self.question = message[12:end + 4]

    def answer(self, addresses=(), code=NOERROR, flags=0, ttl=1,
               number=None) -> bytes:
        """Return an answer that holds the addresses of the asked type."""
        family = socket.AF_INET6 if self.type == AAAA else socket.AF_INET
        mine = [address for address in addresses
                if (':' in address) == (family == socket.AF_INET6)]
        reply = struct.pack('!6H', self.id if number is None else number,
                            _RESPONSE | _AVAILABLE | flags | code, 1,
                            len(mine), 0, 0) + self.question
        for address in mine:
            data = socket.inet_pton(family, address)
            reply += struct.pack('!3HIH', 0xc00c, self.type, 1, ttl,
                                 len(data)) + data
        return reply


class Responder:
    """A name server whose every answer the test decides.

    behave(query) returns the replies to send, one after the other: bytes, or
    a number of seconds to wait before the next. It runs in another thread.
    """

    def __init__(self, address=NAME_SERVER):
        self.behave = lambda query: []
        self.queries = 0
        self.tcp_queries = 0
        self._udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self._tcp = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        for server in (self._udp, self._tcp):
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind((address, 53))
        self._tcp.listen()
        self._stop = socket.socketpair()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """Stop answering."""
        self._stop[0].close()
        self._thread.join()
        for server in (self._udp, self._tcp, self._stop[1]):
            server.close()

    def _serve(self) -> None:
        while True:
            ready, _, _ = select.select(
                [self._udp, self._tcp, self._stop[1]], [], [])
            if self._stop[1] in ready:
                return
            if self._udp in ready:
                message, client = self._udp.recvfrom(2048)
                self._respond(message, False, lambda reply, to=client:
                              self._udp.sendto(reply, to))
            if self._tcp in ready:
                self._serve_stream()

    def _serve_stream(self) -> None:
        connection, _ = self._tcp.accept()
        connection.settimeout(5)
        with connection:
            try:
                size, = struct.unpack('!H', connection.recv(2))
                message = connection.recv(size)
                self._respond(message, True, lambda reply: connection.sendall(
                    struct.pack('!H', len(reply)) + reply))
            except (OSError, struct.error):
                pass

    def _respond(self, message, tcp, send) -> None:
        query = Query(message, tcp)
        self.queries += 1
        self.tcp_queries += tcp
        for reply in self.behave(query):
            if isinstance(reply, bytes):
                send(reply)
            elif select.select([self._stop[1]], [], [], reply)[0]:
                return


# --- behaviours: each takes the addresses that the truth would name ----------

def honest(addresses):
    """Answer truthfully; over UDP only what fits, saying so."""
    def behave(query):
        reply = query.answer(addresses)
        if len(reply) > 512 and not query.tcp:
            return [query.answer(flags=_TRUNCATED)]
        return [reply]
    return behave


def failing(code):
    """Answer with an error code and no addresses."""
    return lambda query: [query.answer(code=code)]


def empty(query):
    """The name exists and has no address."""
    return [query.answer()]


def silent(_query):
    """Never answer."""
    return []


def cut_short(addresses, count):
    """Answer with the first few and not tell that there are more."""
    return lambda query: [query.answer(addresses[:count])]


def partial(addresses, count, seed=1):
    """Answer each time with a few at random."""
    chance = random.Random(seed)
    return lambda query: [query.answer(chance.sample(addresses, count))]


def late(addresses, seconds):
    """Answer truthfully when it is too late."""
    return lambda query: [seconds, query.answer(addresses)]


def garbage(seed=1):
    """Answer with bytes that are no answer."""
    chance = random.Random(seed)

    def behave(query):
        return [struct.pack('!H', query.id) + chance.randbytes(size)
                for size in (0, 1, 10, 40, 300)]
    return behave


def forged(addresses):
    """Answer a question that nobody asked."""
    return lambda query: [query.answer(addresses, number=query.id ^ 0x5555)]


def lying_lengths(addresses):
    """Claim more records than there are, and end within one."""
    def behave(query):
        reply = bytearray(query.answer(addresses))
        struct.pack_into('!H', reply, 6, 1000)
        return [bytes(reply[:-7])]
    return behave
