"""A site under load while its network and its machines fail: whatever
happens, no cache stays wrong.

Each test ends with every cache compared with the database (tests.net.truth),
and prints what was published, repaired and reset, and how long after the end
of the fault the last cache was right.
"""

import time

import msgpack

from tests.net import wait, wire
from tests.net.case import NetTest
from tests.net.links import Links
from tests.net.truth import Site

EVENTS_PORT, CONTROL_PORT = 7420, 7421

# What coherd does if nobody configures it, unlike daemon.FAST.
DEFAULTS = {
    'ping.interval': '500ms',
    'member.dead_after': '10s',
    'discovery.interval': '5s',
    'join.timeout': '5s',
}

PARTED_SECONDS = 20
CUT_SECONDS = 5
LOSING_SECONDS = 5
FROZEN_SECONDS = 10
KILLING_SECONDS = 60
RESETTING_SECONDS = 6


class Faults(NetTest):
    """Nodes with settings as they are by default, and links that break."""

    def setUp(self):
        super().setUp()
        self.links = Links()
        self.addCleanup(self.links.close)

    def served_bytes(self, *nodes) -> float:
        """Return the bytes of the answers that these nodes gave."""
        return sum(node.metric('coherd_served_bytes_total') for node in nodes)

    # --- losing packets ------------------------------------------------------

    def lose(self, percent):
        """Lose packets of every connection, either way."""
        nodes = self.mesh.start(3, DEFAULTS)
        site = Site(self).open(*nodes).open(*nodes, library=False)
        site.work(0.5)
        self.links.lose(percent)
        site.work(LOSING_SECONDS)
        dropped = self.links.dropped()
        self.assertGreater(dropped, 100, 'nothing was lost')
        self.links.heal()
        site.settle(time.monotonic(),
                    f'{percent} % ({dropped} packets) lost', nodes)
        self.assertEqual(site.resets(), [])

    def test_a_network_that_loses_packets_leaves_no_cache_wrong(self):
        self.lose(10)

    def test_a_network_that_loses_every_third_packet_leaves_no_cache_wrong(
            self):
        self.lose(30)

    # --- not reaching each other ---------------------------------------------

    def test_halves_that_were_apart_agree_soon_after_they_meet(self):
        nodes = self.mesh.start(6, DEFAULTS)
        halves = nodes[:3], nodes[3:]
        site = Site(self).open(*nodes).open(*nodes, library=False)
        site.work(1)
        self.links.part(*halves)
        site.work(PARTED_SECONDS)
        for here, there in halves, halves[::-1]:
            for node in here:
                for other in there:
                    self.assertFalse(node.sees(other), 'they were not apart')
        self.assertTrue(site.wrong(), 'nothing was missed')
        marks = [len(each.ear.pump().heard) for each in site.instances]
        served = self.served_bytes(*nodes)
        self.links.heal()
        site.settle(time.monotonic(), f'halves for {PARTED_SECONDS} s', nodes)
        missing = self.bytes_heard(site, marks)
        served = self.served_bytes(*nodes) - served
        print(f'    {served / 1e6:.2f} MB served for {missing / 1e6:.2f} MB '
              f'missing: {served / missing:.2f}')
        self.assertGreater(self.repaired(*nodes), 0)
        # The logs cover the distance.
        self.assertEqual(site.resets(), [])

    @staticmethod
    def bytes_heard(site, marks) -> int:
        """Return the size of the records that nodes received since then, as
        sessions of our own have heard them."""
        total = 0
        for instance, mark in zip(site.instances, marks):
            if isinstance(instance.ear, wire.Session):
                own = instance.ear.welcome['node']
                total += sum(
                    len(msgpack.packb([entry[field]
                                       for field in wire.EVENT_FIELDS
                                       if field in entry]))
                    for entry in instance.ear.heard[mark:]
                    if entry.get('origin', own) != own)
        return total

    def test_a_link_that_carries_one_way_only_leaves_no_cache_wrong(self):
        nodes = self.mesh.start(4, DEFAULTS)
        site = Site(self).open(*nodes).open(*nodes, library=False)
        site.work(1)
        self.links.cut(nodes[0], nodes[1])
        site.work(CUT_SECONDS)
        self.assertGreater(self.links.dropped(), 0)
        # The others hear both, and pass on what the one has not heard.
        begun = time.monotonic()
        wait.until(lambda: not site.wrong(), lambda: site.wrong()[:8])
        self.assertFalse(nodes[1].sees(*nodes), 'nothing was cut')
        print(f'    all right {time.monotonic() - begun:.2f} s after the last '
              'write, still cut')
        site.work(1)
        self.links.heal()
        site.settle(time.monotonic(), f'one way for {CUT_SECONDS} s', nodes)
        self.assertEqual(site.resets(), [])

    def test_connections_reset_in_mid_stream_leave_no_cache_wrong(self):
        nodes = self.mesh.start(3, DEFAULTS)
        site = Site(self).open(*nodes).open(*nodes, library=False)
        end = time.monotonic() + RESETTING_SECONDS
        while time.monotonic() < end:
            site.work(0.3)
            self.links.reset(site.chance.choice(nodes),
                             site.chance.choice((EVENTS_PORT, EVENTS_PORT,
                                                 CONTROL_PORT)))
            site.work(0.1)
            self.links.heal()
        site.settle(time.monotonic(), f'resets (seed {site.seed})', nodes)
        self.assertGreater(self.repaired(*nodes), 0,
                           'nothing was lost, so nothing was tested')
        self.assertEqual(site.resets(), [])

    # --- not doing anything --------------------------------------------------

    def test_a_frozen_node_slows_nobody_and_is_whole_after_the_thaw(self):
        nodes = self.mesh.start(3, DEFAULTS)
        frozen, others = nodes[2], nodes[:2]
        site = Site(self).open(*nodes).open(*nodes, library=False)
        site.work(1)
        frozen.freeze()
        # The library's window takes what its sidecar does not; a session of
        # our own would block.
        site.work(FROZEN_SECONDS, [
            each for each in site.instances if each.node is not frozen
            or not isinstance(each.ear, wire.Session)])
        # It is still frozen, and the others have everything of each other.
        speakers = [each.number for each in site.at(*others)]
        for each in site.at(*others):
            wait.until(lambda c=each.cache: not (c.pump() or
                                                 c.wrong(speakers)),
                       lambda c=each.cache: c.wrong(speakers))
        self.assertTrue(site.wrong(), 'nothing was missed')
        frozen.thaw()
        # TCP may have kept all of it, and then there is nothing to repair.
        site.settle(time.monotonic(), f'frozen for {FROZEN_SECONDS} s', nodes)
        self.assertEqual(site.resets(), [])

    # --- dying ---------------------------------------------------------------

    def test_sidecars_killed_every_second_leave_no_cache_wrong(self):
        nodes = self.mesh.start(4, DEFAULTS)
        site = Site(self).open(*nodes)
        print(f'    CHD_NET_SEED={site.seed}')
        end = time.monotonic() + KILLING_SECONDS
        kills = 0
        # What a sidecar accepted in its last moment may die with it (see
        # docs/guarantees.md), so each dies some milliseconds after a write.
        while time.monotonic() < end:
            site.work(1)
            victim = site.chance.choice(nodes)
            victim.kill()
            victim.start()
            kills += 1
        last = time.monotonic()
        site.work(0.5)
        site.settle(last, f'{kills} kills', nodes)
        for each in site.instances:
            self.assertEqual(each.ear.refused(), [])
