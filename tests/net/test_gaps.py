"""Gaps made on purpose: at the end of a stream, in the middle of one, and
longer than any log; and hosts that are replaced without a word."""

import time

from tests.net import wait, wire
from tests.net.case import NetTest, find, fresh
from tests.net.links import Links
from tests.net.test_faults import CONTROL_PORT, DEFAULTS, EVENTS_PORT
from tests.net.truth import FEED, ROWS, Site

QUIET = 'quiet'


class Gaps(NetTest):
    """Two nodes or three, of which one misses what the others have."""

    def setUp(self):
        super().setUp()
        self.links = Links()
        self.addCleanup(self.links.close)

    def break_events(self, node):
        """Reset a node's connections for events, and see that they are gone:
        what it publishes from now on is lost until it is heard again."""
        self.links.reset(node, EVENTS_PORT)
        wait.until(lambda: not self.links.is_used(node, EVENTS_PORT),
                   'the connections to break')

    def test_the_last_event_before_silence_is_repaired(self):
        first, second = nodes = self.mesh.start(2, DEFAULTS)
        listener = self.mesh.session(second, 't')
        publisher = self.mesh.session(first)
        self.all_hear([listener], *publisher.publish(fresh(value=b'v')))
        self.break_events(first)
        origin, seq = publisher.publish(fresh(value=b'v'))
        self.assertIsNone(find(listener, origin, seq))
        self.links.heal()
        begun = time.monotonic()
        self.all_hear_streams([listener], {origin: seq})
        print(f'    heard after {time.monotonic() - begun:.2f} s')
        self.assertEqual(self.repaired(*nodes), 1)

    def test_events_behind_a_gap_wait_and_invalidations_do_not(self):
        first, second = nodes = self.mesh.start(2, DEFAULTS)
        listener = self.mesh.session(second, 't')
        publisher = self.mesh.session(first)
        self.all_hear([listener], *publisher.publish(fresh(value=b'v')))
        self.break_events(first)
        origin, missing = publisher.publish(
            *(fresh(value=b'v') for _ in range(5)))
        # Broadcasts pass again, and nobody can be asked for what is missing.
        self.links.drop(second, CONTROL_PORT)
        self.links.heal_but(first, CONTROL_PORT)
        early = wait.until(lambda: self.early(listener, publisher, missing),
                           'an invalidation that comes early')
        _, last = publisher.publish(
            *(fresh(value=b'v') for _ in range(20)))
        _, marker = publisher.publish(fresh())
        self.all_hear([listener], origin, marker)
        # The invalidations before and after them are here, so they are, too.
        self.assertEqual([entry['seq'] for entry in listener.events()
                          if entry['kind'] == wire.UPDATE], [1])
        self.assertGreater(second.metric('coherd_gaps_total'), 0)
        self.assertEqual(self.repaired(second), 0)
        self.links.heal()
        self.all_hear_streams([listener], {origin: marker})
        repaired = self.repaired(*nodes)
        print(f'    {missing - 1} missing, {repaired} repaired, '
              f'{last - early} held')
        # Those that came behind the gap were held, not fetched.
        self.assertGreaterEqual(repaired, missing - 1)
        self.assertLess(repaired, early)

    @staticmethod
    def early(listener, publisher, behind):
        """Publish an invalidation; return the number of the first one that was
        heard, if any was, of those behind a number."""
        publisher.publish(fresh())
        return next((entry['seq'] for entry in listener.pump().events()
                     if entry['seq'] > behind), None)

    def test_a_partition_longer_than_the_log_resets_what_was_touched(self):
        nodes = self.mesh.start(3, {**DEFAULTS, 'log.bytes': '4MiB'})
        cut_off = nodes[2]
        site = Site(self).open(*nodes).open(*nodes, library=False)
        quiet = self.mesh.session(cut_off, QUIET)
        site.work(0.5)
        self.links.part(nodes[:2], [cut_off])
        for node in nodes[:2]:
            cut_off.wait_member(node, 'silent')
            node.wait_member(cut_off, 'silent')
        # Several times what the log holds.
        for _ in range(400):
            for each in site.at(*nodes[:2]):
                each.say(8000)
                each.write()
            for each in site.instances:
                each.read()
        self.assertTrue(all(each.cache.wrong() for each in site.at(cut_off)))
        self.links.heal()
        site.settle(time.monotonic(), 'parted for longer than the log', nodes)
        self.assertGreater(cut_off.metric('coherd_events_lost_total'), 0)
        self.assertGreater(self.repaired(cut_off), 0)
        for each in site.at(cut_off):
            # What was repaired may overrun so small a log, too.
            self.assertIn(wire.RESET_LOST,
                          [reset['reset'] for reset in each.cache.resets])
        for each in site.at(*nodes[:2]):
            self.assertEqual(each.cache.resets, [])
        # Each names what was touched, or everything where an answer was
        # continued by another member.
        named = [reset['topics'] for reset in site.resets()]
        self.assertLessEqual({topic for topics in named
                              for topic in topics or ()}, {FEED, ROWS})
        print(f'    {named.count(None)} of {len(named)} resets of everything')
        if None not in named:
            # Nobody touched this one's topic.
            self.assertEqual([reset['reset']
                              for reset in quiet.pump().resets()],
                             [wire.RESET_SUBSCRIBED])

    def test_a_host_that_is_replaced_without_a_word_is_heard_again(self):
        first, second, third = nodes = self.mesh.start(3, DEFAULTS)
        site = Site(self).open(first, second)
        site.work(0.5)
        before = third.says('node')
        # Neither its last packets nor answers to ours leave the host.
        self.links.vanish(third, [first, second])
        third.kill()
        third.start().wait_ready()
        begun = time.monotonic()
        site.open(third)
        site.work(0.2)
        site.settle(begun, 'since the new host was up', nodes)
        self.assertNotEqual(first.member(third)['node'], before)
