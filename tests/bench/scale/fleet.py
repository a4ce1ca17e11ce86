"""Sidecars with the default configuration, all in one network namespace."""

import datetime
import signal
import subprocess
import time

from tests.net import daemon
from tests.net.case import Mesh
from tests.net.namespace import host

# The first address of ours; those below are of tests/net.
FIRST = 0x100

# Seconds that an answer of DNS holds, as Kubernetes and Fly.io have it.
TTL = 5

_STEP = 0.2
_PATIENCE = 120.0


def prepare(count):
    """Add the addresses of so many hosts to the namespace."""
    subprocess.run(
        ['ip', '-6', '-batch', '-'], check=True, text=True,
        input=''.join(f'address add {host(FIRST + i)}/128 dev lo nodad\n'
                      for i in range(count)))


def _wait(condition, what):
    """Like wait.until, but seldom: whoever looks takes processor time."""
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f'not within {_PATIENCE:g} s: {what}')
        time.sleep(_STEP)


def _time_of(line):
    return datetime.datetime.fromisoformat(
        line['ts'].replace('Z', '+00:00')).timestamp()


def _count(node, event, since=0):
    return node.log.path.read_bytes()[since:].count(
        f' event={event} '.encode('ascii'))


class Fleet:
    """So many sidecars."""

    def __init__(self, count):
        self.mesh = Mesh(ttl=TTL, log_queries=True)
        self.nodes = [self._node(FIRST + i) for i in range(count)]
        self.list(self.nodes)

    def _node(self, number):
        node = self.mesh.node(number)
        # What tests make fast or loud is left to the defaults.
        for name in (*daemon.FAST, 'logging.level'):
            del node.settings[name]
        node.configure()
        return node

    def close(self):
        """End everything."""
        self.mesh.close()

    def list(self, nodes):
        """Make the name server list exactly these."""
        self.mesh.list(*nodes)

    def start(self):
        """Start all at once; return the seconds until the last one was ready
        and until the last one had everybody live."""
        begun = time.time()
        for node in self.nodes:
            node.start()
        others = len(self.nodes) - 1
        _wait(lambda: all(_count(node, 'node_ready') > 0 and
                          _count(node, 'peer_live') >= others
                          for node in self.nodes), 'everybody to be there')
        self._check()
        ready = max(_time_of(node.log.find('node_ready')[0])
                    for node in self.nodes)
        live = max(_time_of(line) for node in self.nodes
                   for line in node.log.find('peer_live'))
        return ready - begun, live - begun

    def _check(self):
        """See to it that all see all, by what they say themselves."""
        for node in self.nodes:
            node.wait_ready()
            node.wait_sees(*self.nodes)
            node.forget_control()

    def replace_last(self):
        """Let the last one leave and be forgotten, then start it anew; return
        the seconds until it was ready, and until it and all others had each
        other live."""
        *others, last = self.nodes
        self.list(others)
        last.signal(signal.SIGTERM)
        last.wait_exit()
        _wait(lambda: not any(node.member(last) for node in others),
              f'{last} to be forgotten')
        for node in others:
            node.forget_control()
        loads = self.mesh.dns.loads()
        self.list(self.nodes)
        _wait(lambda: self.mesh.dns.loads() > loads, 'the names to be read')
        marks = [node.log.path.stat().st_size for node in self.nodes]
        lines = [node.log.mark() for node in self.nodes]
        begun = time.time()
        last.start()
        _wait(lambda: _count(last, 'peer_live', marks[-1]) >= len(others) and
              all(_count(node, 'peer_live', mark) > 0
                  for node, mark in zip(others, marks)), f'{last} to join')
        self._check()
        ready = _time_of(last.log.find('node_ready', lines[-1])[0])
        live = max(_time_of(line) for node, since in zip(self.nodes, lines)
                   for line in node.log.find('peer_live', since))
        return ready - begun, live - begun

    def said(self, *events):
        """Count lines of these events in all logs."""
        return {event: sum(_count(node, event) for node in self.nodes)
                for event in events}
