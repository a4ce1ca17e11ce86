"""Bursts, frozen nodes and slow applications: nobody else suffers, everything
arrives, and what no log has any more is replaced by a RESET, never by
silence."""

import time

from tests.net import process, wait, wire
from tests.net.case import NetTest, check_stream, fresh, is_covered
from tests.net.daemon import SILENT_AFTER

KEY = wire.item(wire.INVALIDATE, 't', wire.KEY, b'k')
BURST = 20_000
FROZEN_SECONDS = 10


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


class Frozen(NetTest):
    """A machine without breath: its process exists and does nothing."""

    def test_a_frozen_node_slows_nobody_and_is_whole_after_the_thaw(self):
        first, second, third = self.mesh.start(3)
        nodes = (first, second, third)
        sessions = [self.mesh.session(node, 't') for node in nodes]
        library = self.mesh.probe(third, 't')
        publisher = self.mesh.session(first)
        self.all_hear([*sessions, library], *publisher.publish(fresh()))
        third.freeze()
        begun = time.monotonic()
        first.wait_member(third, 'silent')
        self.assertLess(time.monotonic() - begun, SILENT_AFTER + 2)
        slowest = 0.0
        while time.monotonic() - begun < FROZEN_SECONDS:
            at = time.monotonic()
            last = publisher.publish(*(fresh() for _ in range(20)))
            self.all_hear(sessions[:2], *last)
            slowest = max(slowest, time.monotonic() - at)
        self.assertLess(slowest, 0.5, 'a publish waited for the frozen node')
        origin, seq = last
        self.assertTrue(first.log.find('peer_dead'))
        third.thaw()
        for node in nodes:
            node.wait_sees(*nodes)
        self.all_hear_streams([*sessions, library], {origin: seq})
        print(f'    {self.repaired(third)} of {seq} events repaired')


class Slow(NetTest):
    """Applications that do not keep up."""

    def test_a_slow_subscriber_delays_nobody_and_catches_up_or_is_reset(self):
        first, second = self.mesh.start(2, {'log.bytes': '4MiB'})
        slow = [self.mesh.session(node, 't') for node in (first, second)]
        stuck = self.mesh.probe(second, 't')
        quick = [self.mesh.session(node, 't') for node in (first, second)]
        publisher = self.mesh.session(first)
        memory = process.resident_bytes(second.pid)
        stuck.pause()
        value = bytes(1000)
        last = None
        # More than the log holds, to those who do not read.
        for _ in range(100):
            last = publisher.publish(*[
                wire.item(wire.UPDATE, 't', wire.KEY, b'k', value)] * 100)
            self.all_hear(quick, *last)
        for session in quick:
            self.assertEqual(len(session.events()), 10_000)
            self.assertEqual(len(session.resets()), 1)
        for node in (first, second):
            self.assertLess(process.resident_bytes(node.pid) - memory,
                            64 << 20)
        origin, seq = last
        stuck.resume()
        for session in (*slow, stuck):
            wait.until(lambda s=session: is_covered(s, origin, seq),
                       'the backlog or a RESET')
        origin, seq = self.all_hear_again([*slow, stuck], publisher, KEY)
        for session in (*slow, stuck):
            self.assertIn(wire.RESET_SLOW, check_stream(
                self, session, origin, 1, seq))

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
