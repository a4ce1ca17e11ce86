"""What tests are made of: a mesh, and a test case that has one."""

import atexit
import itertools
import pathlib
import shutil
import tempfile
import unittest

from tests.net import dns, wait, wire
from tests.net.daemon import Node
from tests.net.probe import Probe

_NUMBERS = itertools.count()


class Mesh:
    """Sidecars, the name server that lists them, and their sessions."""

    def __init__(self, server=None, **name_server):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix='coherd-net-'))
        self.dns = server or dns.Dnsmasq(self.folder, **name_server)
        self.nodes = []
        self._open = [self.dns]
        # unittest skips cleanups when it is interrupted.
        atexit.register(self.close)
        self.dns.start()

    def close(self) -> None:
        """End everything that was started."""
        for thing in reversed(self._open):
            thing.close()
        self._open.clear()
        atexit.unregister(self.close)
        shutil.rmtree(self.folder, ignore_errors=True)

    def node(self, number, settings=None, program=None) -> Node:
        """Make a node that finds the others by DNS; it is not started."""
        node = Node(self.folder / f'n{number}', number,
                    {'discovery.names': dns.NAME, **(settings or {})}, program)
        self.nodes.append(node)
        self._open.append(node)
        return node

    def start(self, count, settings=None) -> list:
        """List and start this many nodes; returns when all see each other."""
        nodes = [self.node(number + 1, settings) for number in range(count)]
        self.list(*nodes)
        self.gather(*nodes)
        return nodes

    def list(self, *nodes) -> None:
        """Make the name server list exactly these."""
        self.dns.list(*(node.address for node in nodes))

    def gather(self, *nodes) -> None:
        """Start nodes and wait until all of them are ready and see all."""
        for node in nodes:
            node.start()
        for node in nodes:
            node.wait_ready()
            node.wait_sees(*nodes)

    def probe(self, node, *topics, **options) -> Probe:
        """Start an application beside a node, subscribed to topics."""
        count = len(self._open)
        probe = Probe(self.folder / f'probe{count}', node.socket, **options)
        self._open.append(probe)
        if node.is_running() and topics:
            return probe.wait_subscribed(*topics)
        return probe.subscribe(*topics)

    def session(self, node, *topics, **options):
        """Open a session without the library, subscribed to topics."""
        session = node.session(*topics, **options)
        self._open.append(session)
        return session

    def tails(self) -> str:
        """Return the end of every node's log."""
        parts = []
        for node in self.nodes:
            state = 'not started'
            if node.process is not None:
                code = node.process.poll()
                state = 'running' if code is None else f'status {code}'
            parts.append(f'--- {node} ({state})\n{node.log.tail()}')
        return ''.join(parts)


class NetTest(unittest.TestCase):
    """A test that builds a mesh of its own."""

    maxDiff = 2000

    def setUp(self):
        self.mesh = Mesh(self.name_server())
        self.addCleanup(self.mesh.close)
        self.addCleanup(self.nobody_crashed)

    def nobody_crashed(self):
        """Fail if a node ended in a way that nobody asked for."""
        self.assertEqual([n for n in self.mesh.nodes if n.crashed()], [])

    @classmethod
    def name_server(cls):
        """Return the name server to use, if it is not dnsmasq."""
        return None

    def all_hear(self, sessions, origin, seq, limit=wait.LIMIT):
        """Wait until all sessions heard an event; return it as each did."""
        return [wait.until(lambda s=session: find(s, origin, seq),
                           lambda s=session: f'{s} to hear {seq} of {origin}; '
                                             f'it heard {s.heard[-3:]}', limit)
                for session in sessions]

    def all_hear_streams(self, sessions, origins, limit=wait.LIMIT):
        """Wait until every session has every event of these origins, given
        as {origin: last seq}, and no RESET but those it began with."""
        def is_whole(session, origin, last):
            heard = {entry['seq'] for entry in session.pump().heard
                     if entry.get('origin') == origin}
            return len(heard) >= last
        for session in sessions:
            for origin, last in origins.items():
                wait.until(lambda s=session, o=origin, n=last:
                           is_whole(s, o, n),
                           f'{session} to hear {last} of {origin}', limit)
                self.assertEqual(
                    check_stream(self, session, origin, 1, last), [])

    def repaired(self, *nodes) -> int:
        """Return how many events these nodes fetched."""
        return sum(int(node.metric('coherd_events_repaired_total'))
                   for node in nodes)


class SharedTest(NetTest):
    """Tests that share a mesh and leave it as they found it."""

    @classmethod
    def setUpClass(cls):
        cls.shared = Mesh(cls.name_server())
        try:
            cls.build(cls.shared)
        except BaseException:
            print(cls.shared.tails())
            cls.shared.close()
            raise
        cls.addClassCleanup(cls.shared.close)

    @classmethod
    def build(cls, mesh):
        """Prepare what the tests share."""
        raise NotImplementedError

    def setUp(self):
        self.mesh = self.shared
        self.addCleanup(self.nobody_crashed)


def find(session, origin, seq):
    """Return the event as a session heard it, or None."""
    session.pump()
    for entry in reversed(session.heard):
        if entry.get('seq') == seq and entry.get('origin') == origin:
            return entry
    return None


def fresh(topic='t', value=None):
    """Return an item about a key of its own: an invalidation that nothing
    supersedes, or an update when there is a value."""
    kind = wire.INVALIDATE if value is None else wire.UPDATE
    return wire.item(kind, topic, wire.KEY, b'k%d' % next(_NUMBERS),
                     value or b'')


class Stream:
    """One origin's events as a session hears them."""

    def __init__(self, test, first):
        self.test = test
        self.heard = set()
        self.missing = set()
        self.top = first - 1   # everything up to here was heard or skipped
        self.ordered = 0       # the last update or message
        self.excuse = None     # a RESET before the next gap

    def reset(self, reason):
        """A RESET excuses what is missing, and the gap that comes next."""
        self.missing.clear()
        self.excuse = reason

    def skip_to(self, seq):
        """Note that everything before seq was passed over."""
        if seq > self.top + 1 and self.excuse is None:
            self.missing.update(range(self.top + 1, seq))
        if seq > self.top + 1 or self.excuse == wire.RESET_SUBSCRIBED:
            self.excuse = None
        self.top = max(self.top, seq)

    def hear(self, seq, kind):
        """Check one event.  Invalidations may come before what is missing,
        everything else waits for its turn."""
        self.test.assertNotIn(seq, self.heard, 'heard again')
        self.heard.add(seq)
        self.missing.discard(seq)
        self.skip_to(seq)
        if kind != wire.INVALIDATE:
            self.test.assertGreater(seq, self.ordered, 'out of order')
            self.ordered = seq
            early = [n for n in self.missing if n < seq]
            self.test.assertEqual(early, [], f'missing before {seq}, no RESET')


def check_stream(test, session, origin, first, last) -> list:
    """Check that a session heard one origin's events first..last, or a RESET.

    None may be superseded. Returns the reasons of the RESETs, those that
    subscriptions begin with left out.
    """
    stream = Stream(test, first)
    reasons = []
    for entry in session.heard:
        if 'reset' in entry:
            stream.reset(entry['reset'])
            reasons.append(entry['reset'])
        elif entry['origin'] == origin and entry['seq'] >= first:
            stream.hear(entry['seq'], entry['kind'])
    stream.skip_to(last + 1)
    test.assertEqual(sorted(stream.missing)[:20], [], 'missing, and no RESET')
    return [reason for reason in reasons if reason != wire.RESET_SUBSCRIBED]
