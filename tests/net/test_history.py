"""Every read of every cache, with the staleness that it claimed, against the
history of the database: linearizability, as far as a cache has it.

Instances on five sidecars write and read as fast as is sensible, while what
connects them fails. Then tests/net/history.c judges every read."""

import pathlib
import random
import tempfile
import unittest

from tests.net import history, truth, wait
from tests.net.case import NetTest
from tests.net.history import (ALL, FINAL, KEY, NEVER, PRICES, READ, ROWS, TAG,
                               UNKNOWN, UPDATE, WRITE, History, now_ns)
from tests.net.daemon import SILENT_AFTER
from tests.net.links import Links

MS = 10**6
NODES = 5
BOUND = 1000   # of every second instance, in ms
KILLS = 6
LOST_PERCENT = 10


class Site(NetTest):
    """Five sidecars, two instances beside each."""

    def setUp(self):
        super().setUp()
        self.links = Links()
        self.addCleanup(self.links.close)

    def start(self, policy, **options):
        """Start all; returns the nodes and their history, which has begun."""
        nodes = self.mesh.start(NODES, {'partition.policy': policy})
        found = History(self.mesh.folder / 'history')
        self.addCleanup(found.close)
        found.open(*nodes, bound=BOUND, **options)
        found.work(5_000)
        return nodes, found

    def all_are_fresh(self, nodes):
        """Wait until all see each other, and count each other."""
        for node in nodes:
            node.wait_sees(*nodes)
            wait.until(lambda n=node: all(
                member['counts'] for member in n.members().values()),
                f'{node} to count all')

    def judge(self, found, what) -> dict:
        """End it, judge it, and say what was seen."""
        found.finish()
        sums, said = found.judge()
        print(f'    {what}: {sums["reads"]} reads, {sums["hits"]} hits, '
              f'{sums["writes"]} invalidations; claims: median '
              f'{sums["claim_median"]} ms, p99 {sums["claim_p99"]}, most '
              f'{sums["claim_most"]}, unknown {sums["unknown"]}; more than '
              f'real by {sums["slack_median"]} ms, p99 {sums["slack_p99"]}; '
              f'{sums["stale"]} were stale, by {sums["worst_ms"]:.1f} ms at '
              f'most; {sums["excused"]} excused; {sums["back"]} went back; '
              f'{sums["violations"]} violations')
        self.assertEqual(sums['violations'], 0, said)
        self.assertEqual(sums['finals'],
                         len(found.readers) * history.KEYS * history.CACHES)
        self.assertGreater(sums['hits'], sums['reads'] // 4)
        return sums


class Faults(Site):
    """What breaks, and what may not break with it."""

    def test_while_nothing_is_wrong(self):
        _, found = self.start('strict')
        found.work()
        sums = self.judge(found, 'nothing wrong')
        self.assertGreater(sums['stale'], 0, 'nobody was ever late')

    def test_while_sidecars_are_killed_and_started_again(self):
        nodes, found = self.start('strict')
        chance = random.Random(truth.seed())
        for _ in range(KILLS):
            victim = chance.choice(nodes)
            found.kill(victim)
            found.work(4_000, 0, found.at(victim))
            victim.start()
            found.work(4_000, 8)
        self.all_are_fresh(nodes)
        found.work(2_000, 4)
        self.judge(found, f'{KILLS} kills')

    def test_while_two_and_three_are_apart_strict(self):
        nodes, found = self.start('strict')
        self.part(nodes)
        found.work()
        for node in nodes:
            node.log.wait('peer_dead')
        found.work(2_000, 4)
        self.links.heal()
        self.all_are_fresh(nodes)
        found.work(4_000, 8)
        sums = self.judge(found, 'apart, strict')
        self.assertGreater(sums['claim_most'], SILENT_AFTER * 1000)
        self.assertGreater(sums['worst_ms'], SILENT_AFTER * 1000,
                           'nothing was missed')
        self.assertEqual(sums['excused'], 0)

    def test_while_two_and_three_are_apart_available(self):
        nodes, found = self.start('available')
        since = now_ns()
        here, there = self.part(nodes)
        found.work()
        for node in nodes:
            node.log.wait('peer_settled')
        found.work(8_000, 16)
        self.links.heal()
        self.all_are_fresh(nodes)
        until = now_ns()
        for one, other in (here, there), (there, here):
            found.note_apart(since, until, one, other)
        found.work(8_000, 16)
        sums = self.judge(found, 'apart, available')
        self.assertGreater(sums['excused'], 0, 'nobody gave the others up')

    def test_while_a_link_carries_one_way_only(self):
        nodes, found = self.start('strict')
        self.links.cut(nodes[0], nodes[1])
        found.work()
        self.assertGreater(self.links.dropped(), 0)
        self.links.heal()
        self.all_are_fresh(nodes)
        found.work(4_000, 8)
        self.judge(found, 'one way')

    def test_while_packets_are_lost(self):
        nodes, found = self.start('strict')
        self.links.lose(LOST_PERCENT)
        found.work()
        self.assertGreater(self.links.dropped(), 20)
        self.links.heal()
        self.all_are_fresh(nodes)
        self.judge(found, f'{LOST_PERCENT} % lost')

    def test_while_a_sidecar_is_frozen(self):
        nodes, found = self.start('strict')
        frozen, others = nodes[0], nodes[1:]
        frozen.freeze()
        found.work(10_000, 20, found.at(*others))
        found.work(10_000, 0, found.at(frozen))
        for node in others:
            node.log.wait('peer_dead')
        frozen.thaw()
        self.all_are_fresh(nodes)
        found.work(4_000, 8)
        sums = self.judge(found, 'a frozen sidecar')
        self.assertGreater(sums['claim_most'], SILENT_AFTER * 1000)
        self.assertGreater(sums['worst_ms'], SILENT_AFTER * 1000,
                           'nothing was missed')

    def test_while_applications_are_frozen(self):
        nodes, found = self.start('strict')
        frozen = found.at(nodes[0])
        others = found.at(*nodes[1:])
        for _ in range(2):
            for reader in frozen:
                reader.freeze()
            done = [found.done(reader) for reader in frozen]
            found.work(10_000, 20, others)
            self.assertEqual([found.done(reader) for reader in frozen], done,
                             'they were not frozen')
            for reader in frozen:
                reader.thaw()
            found.work(2_000, 4, frozen)
        self.all_are_fresh(nodes)
        found.work(4_000, 8)
        self.judge(found, 'frozen applications')

    def part(self, nodes):
        """Cut two of the nodes off from the others; returns both parts."""
        parts = nodes[:2], nodes[2:]
        self.links.part(*parts)
        return parts


class Planted(Site):
    """What has to be found."""

    def test_an_instance_that_claims_to_be_fresh_is_found_out(self):
        nodes, found = self.start('strict', lie=True)
        self.links.cut(nodes[0], nodes[1])
        found.work(2_000, 4)
        self.links.heal()
        self.all_are_fresh(nodes)
        found.finish()
        sums, said = found.judge()
        print(f'    {sums["violations"]} violations')
        self.assertGreater(sums['violations'], 0)
        self.assertRegex(said, r'history: claim: read \d+ of thread \d of '
                               r'instance \d, .* claimed 0 ms')


class Verifier(unittest.TestCase):
    """Histories that somebody has doctored."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix='coherd-history-')
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.writes = []
        self.reads = []
        self.faults = []

    def write(self, version, at, accepted=0, replicated=0, origin=7,
              target=5, cache=ROWS, kind=KEY, soft=0):
        """Commit at a time, in ms, and have it accepted 1 ms later or at
        another time."""
        accepted = accepted or at + 1
        self.writes.append(WRITE.pack(
            at * MS, at * MS, accepted * MS,
            (replicated or accepted) * MS if accepted != NEVER else NEVER,
            origin, version, target, cache, kind, soft))

    def read(self, version, at, claim, key=5, cache=ROWS, flags=0):
        """Read in no time."""
        self.reads.append(READ.pack(at * MS, at * MS, claim, version, key,
                                    cache, flags))

    def judge(self):
        """Return what the verifier counts and says."""
        (self.folder / 'writes.3').write_bytes(b''.join(self.writes))
        (self.folder / 'reads.3.1').write_bytes(b''.join(self.reads))
        (self.folder / 'faults').write_text(
            ''.join(line + '\n' for line in self.faults), encoding='ascii')
        return history.verify(self.folder)

    def good(self, **wanted):
        """See that it has no objection, and counts this."""
        sums, said = self.judge()
        self.assertEqual((sums['violations'], said), (0, ''))
        self.assertEqual({name: sums[name] for name in wanted}, wanted)

    def refused(self, rule, number):
        """See that it refuses this one read, by this rule, and names it."""
        sums, said = self.judge()
        self.assertEqual(sums['violations'], 1, said)
        self.assertIn(f'history: {rule}: read {number} of thread 1 of '
                      'instance 3, ', said)

    def story(self):
        """Two commits, and reads that are right: some are late, and say
        so."""
        self.write(1, 1000)
        self.write(2, 2000)
        self.read(1, 1500, 100)
        self.read(1, 2001, 0)
        self.read(1, 2100, 99)
        self.read(2, 2101, 99)

    def test_what_is_right_is_right(self):
        self.story()
        self.read(0, 2200, UNKNOWN, key=6)
        self.read(2, 9000, 0, flags=FINAL)
        self.good(reads=6, hits=6, writes=2, finals=1, unknown=1, stale=1,
                  worst_ms=99.0, claim_most=100, back=0)

    def test_a_claim_that_is_too_low_by_one_is_refused(self):
        self.story()
        self.read(1, 2200, 198)
        self.refused('claim', 4)

    def test_every_target_counts(self):
        targets = (KEY, 5), (TAG, 5), (history.SHELF, 5), (ALL, 0), (UPDATE, 5)
        for kind, target in targets:
            self.writes.clear()
            self.reads.clear()
            self.write(1, 1000, kind=kind, target=target, cache=PRICES)
            self.read(0, 1100, 98, cache=PRICES)
            self.refused('claim', 0)
            self.reads.clear()
            self.read(0, 1100, 98, cache=ROWS)
            if kind != ALL:
                self.read(0, 1100, 98, key=6, cache=PRICES)
            self.good(reads=len(self.reads))

    def test_a_newer_version_that_was_accepted_sooner_counts(self):
        self.write(1, 1000)
        self.write(2, 1001, accepted=5000)
        self.write(3, 1002)
        self.read(1, 2000, 500)
        self.refused('claim', 0)

    def test_what_nobody_accepted_counts_for_nothing(self):
        self.write(1, 1000, accepted=NEVER // MS)
        self.read(0, 5000, 0)
        self.good(stale=0)

    def test_a_version_that_was_never_committed_is_refused(self):
        self.story()
        self.read(3, 2200, 300)
        self.refused('invented', 4)

    def test_a_version_of_another_row_is_refused(self):
        self.story()
        self.read(2, 2200, 300, key=6)
        self.refused('invented', 4)

    def test_a_version_of_the_future_is_refused(self):
        self.story()
        self.read(2, 1999, 300)
        self.refused('future', 4)

    def test_a_row_that_stays_old_is_refused(self):
        self.story()
        self.read(1, 2200, 300, flags=FINAL)
        self.refused('final', 4)

    def test_a_bound_that_is_passed_is_refused(self):
        self.story()
        self.faults.append('bound 3 150')
        self.read(1, 2151, 300)
        self.good()
        self.read(1, 2152, 300)
        self.refused('bound', 5)

    def test_what_is_stale_by_leave_is_not_so_for_ever(self):
        self.write(1, 1000)
        self.write(2, 2000, soft=1)
        self.read(1, 2100, 0)
        self.read(1, 2419, 0)
        self.good(stale=0)
        self.read(1, 2421, 0)
        self.refused('soft', 2)

    def test_what_is_stale_by_leave_is_not_so_before_it_was_applied(self):
        self.write(2, 2000, soft=1)
        self.read(0, 2100, 200)
        self.read(0, 2421, 500)
        self.good()

    def test_what_died_with_a_sidecar_counts_when_others_have_it(self):
        self.write(1, 1000, replicated=1500)
        self.faults.append(f'died {7:x} {1400 * MS}')
        self.read(0, 1600, 100)
        self.good()
        self.read(0, 1700, 100)
        self.refused('claim', 1)

    def test_what_it_had_passed_on_counts_at_once(self):
        self.write(1, 1000, replicated=1300)
        self.faults.append(f'died {7:x} {1400 * MS}')
        self.read(0, 1350, 100)
        self.refused('claim', 0)

    def test_who_was_given_up_does_not_count(self):
        self.write(1, 2000)
        self.faults.append(f'apart {1900 * MS} {3000 * MS} 8 6,{7:x}')
        self.read(0, 2990, 10)
        self.read(0, 3100, 100)
        self.good(excused=2)
        # Once they have met; or to an instance that did not give it up.
        self.read(0, 3200, 100)
        self.refused('claim', 2)
        del self.reads[2:]
        self.faults[0] = f'apart {1900 * MS} {3000 * MS} 4 {7:x}'
        sums, _ = self.judge()
        self.assertEqual(sums['violations'], 2)

    def test_who_sees_an_older_version_again_is_counted(self):
        self.story()
        self.read(1, 2102, 200)
        self.good(back=1)


if __name__ == '__main__':
    unittest.main()
