"""What tests are made of: a mesh, and a test case that has one."""

import pathlib
import shutil
import tempfile
import unittest

from tests.net import dns, process, wait
from tests.net.daemon import Node
from tests.net.probe import Probe


class Mesh:
    """Sidecars, the name server that lists them, and their sessions."""

    def __init__(self, server=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix='coherd-net-'))
        self.dns = server or dns.Dnsmasq(self.folder)
        self.nodes = []
        self._open = [self.dns]
        self.dns.start()

    def close(self) -> None:
        """End everything that was started."""
        for thing in reversed(self._open):
            thing.close()
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
        for topic in topics:
            probe.subscribe(topic)
        return probe

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


def find(session, origin, seq):
    """Return the event as a session heard it, or None."""
    session.pump()
    for entry in reversed(session.heard):
        if entry.get('seq') == seq and entry.get('origin') == origin:
            return entry
    return None


def hears_all_or_reset(test, session, origin, first, last) -> bool:
    """Check what a session heard of one origin's events first..last.

    Each event is heard once and in order; what is missing is covered by a
    RESET that came before the next event. Returns whether there was one.
    """
    expected = first
    was_reset = False
    for entry in session.heard:
        if 'reset' in entry:
            was_reset = True
            gap_allowed = True
            continue
        if entry['origin'] != origin or entry['seq'] < first:
            continue
        if entry['seq'] != expected:
            test.assertTrue(was_reset and gap_allowed and
                            entry['seq'] > expected,
                            f'{entry["seq"]} instead of {expected}, and no '
                            'RESET before it')
        gap_allowed = False
        expected = entry['seq'] + 1
    if not was_reset:
        test.assertEqual(expected, last + 1)
    return was_reset


__all__ = ['Mesh', 'NetTest', 'SharedTest', 'find', 'hears_all_or_reset',
           'process']
