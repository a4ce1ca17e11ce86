"""Bursts, frozen nodes and slow applications: nobody else suffers, everything
arrives, and what no log has any more is replaced by a RESET, never by
silence."""

import time

from tests.net import process, wait, wire
from tests.net.case import NetTest
from tests.net.probe import Probe
from tests.net.truth import Site

KEY = wire.item(wire.INVALIDATE, 't', wire.KEY, b'k')
BURST = 20_000


class Burst(NetTest):
    """Twenty thousand events at one node, as fast as they can be said."""

    def test_a_burst_reaches_every_session_in_order(self):
        nodes = self.mesh.start(3)
        sessions = [self.mesh.probe(node, 't') for node in nodes]
        sessions += [self.mesh.session(node, 't') for node in nodes]
        publisher = self.mesh.probe(nodes[0])
        done = publisher.do('burst', 't', BURST, 40)
        self.assertEqual((done['result'], done['count']),
                         ('COHERD_OK', BURST))
        self.assertEqual(publisher.do('flush', 30000)['result'], 'COHERD_OK')
        origin = nodes[0].says('node')
        self.all_hear_streams(sessions, {origin: BURST})
        print(f'    {self.repaired(*nodes)} events repaired')

    def test_many_publishers_at_once_keep_each_order(self):
        nodes = self.mesh.start(3)
        listeners = [self.mesh.session(node, 't') for node in nodes]
        publishers = [self.mesh.session(node) for node in nodes
                      for _ in range(3)]
        for number in range(100):
            for index, publisher in enumerate(publishers):
                publisher.offer(wire.item(wire.UPDATE, 't', wire.KEY,
                                          b'%d' % index, b'%d' % number))
        origins = {node.report()['node'] for node in nodes}
        for listener in listeners:
            wait.until(lambda s=listener: len(s.pump().events()) == 900,
                       lambda s=listener: f'900; {len(s.events())}')
            by_publisher = {}
            for event in listener.events():
                by_publisher.setdefault(event['target'], []).append(
                    int(event['value']))
            self.assertEqual(set(by_publisher),
                             {b'%d' % i for i in range(len(publishers))})
            for values in by_publisher.values():
                self.assertEqual(values, list(range(100)))
            self.assertEqual({e['origin'] for e in listener.events()}, origins)


class Slow(NetTest):
    """Applications that do not keep up."""

    def test_a_slow_subscriber_delays_nobody_and_is_reset(self):
        nodes = self.mesh.start(2, {'log.bytes': '4MiB'})
        quick = Site(self).open(*nodes).open(*nodes, library=False)
        memory = [process.resident_bytes(node.pid) for node in nodes]
        # They share the database, and hear nothing of what becomes of it.
        slow = Site(self)
        slow.database = quick.database
        slow.open(*nodes).open(*nodes, library=False)
        for each in slow.at(*nodes):
            if isinstance(each.ear, Probe):
                each.ear.pause()
        for number in range(300):
            for each in quick.instances:
                each.say(10_000)
                each.write()
            for each in quick.instances:
                each.read()
            if number % 30 == 0:
                # Nobody waits for those who do not read.
                wait.until(lambda: not quick.wrong(), quick.wrong)
        for node, before in zip(nodes, memory):
            self.assertLess(process.resident_bytes(node.pid) - before,
                            64 << 20)
        for each in slow.instances:
            self.assertLess(each.cache.events, 300)
            if isinstance(each.ear, Probe):
                each.ear.resume()
        begun = time.monotonic()
        slow.settle(begun, 'read at last', nodes)
        quick.settle(begun, 'never waited', nodes)
        self.assertEqual(quick.resets(), [])
        for each in slow.instances:
            self.assertEqual({reset['reset'] for reset in each.cache.resets},
                             {wire.RESET_SLOW})

    def test_a_session_that_never_reads_answers_is_closed_alone(self):
        node, = self.mesh.start(1)
        good = self.mesh.session(node, 't')
        bad = self.mesh.session(node)
        ping = wire.pack(wire.PING, 1) * 10_000
        # send() would read meanwhile; this does not.
        bad.flood(ping, 40)
        good.ping()
        self.all_hear([good], *good.publish(KEY))
        self.assertLess(process.resident_bytes(node.pid), 256 << 20)
