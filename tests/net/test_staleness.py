"""Bounded staleness: what nodes and sessions say of themselves."""

from tests.net import process, wait, wire
from tests.net.case import NetTest, fresh
from tests.net.daemon import DEAD_AFTER

MS = 1000
BOUND = 1000


def holder(node, other):
    """Tell whether another node is what holds a node's freshness back."""
    report = node.report()
    return bool(report) and report['held_by'] == other.member_id


class Staleness(NetTest):
    """Three nodes, of which one falls silent."""

    def start(self, **settings):
        """Start three nodes."""
        nodes = self.mesh.start(3, {name.replace('__', '.'): value for
                                    name, value in settings.items()})
        for node in nodes:
            node.member_id = node.report()['node']
        return nodes

    def wait_fresh(self, *nodes):
        """Wait until these are as fresh as a healthy mesh is."""
        for node in nodes:
            wait.until(lambda n=node: n.report().get('staleness_ms', MS) < MS,
                       lambda n=node: f'{n} to be fresh: {n.report()}')

    def wait_held(self, node, other, over_ms=MS):
        """Wait until another node holds this one back by so much."""
        wait.until(lambda: holder(node, other) and
                   node.report()['staleness_ms'] > over_ms,
                   lambda: f'{node} held back by {other}: {node.report()}')

    def test_a_node_that_is_alone_is_fresh(self):
        node = self.mesh.node(1)
        self.mesh.list(node)
        self.mesh.gather(node)
        self.assertEqual(node.report()['staleness_ms'], 0)
        self.assertEqual(node.control_json('status')['node']['staleness_ms'],
                         0)

    def test_a_node_that_has_met_nobody_yet_knows_nothing(self):
        node = self.mesh.node(1, {'join.timeout': '60s'})
        self.mesh.dns.list(node.address, self.mesh.node(2).address)
        node.start()
        wait.until(lambda: node.says('state') == 'starting', 'it to start')
        status = node.control_json('status')['node']
        self.assertIsNone(status['staleness_ms'])
        self.assertRegex(node.control('status').stdout,
                         r'(?m)^staleness +unknown: starting$')
        self.assertNotEqual(node.metric('coherd_staleness_seconds'),
                            node.metric('coherd_staleness_seconds'), 'NaN')

    def test_available_a_frozen_member_holds_back_until_it_is_dead(self):
        nodes = self.start(member__dead_after='4s')
        first, second, third = nodes
        self.wait_fresh(*nodes)
        self.assertEqual(first.metric('coherd_members_counted'), 2)
        third.freeze()
        self.wait_held(first, third)
        self.wait_held(second, third)
        first.wait_member(third, 'silent')
        self.assertRegex(first.control('status').stdout,
                         r'(?m)^staleness .*held back by n3 \(silent for ')
        self.assertFalse(first.log.find('peer_settled'))
        for node in (first, second):
            node.log.wait('peer_settled')
        self.wait_fresh(first, second)
        self.assertEqual(first.metric('coherd_members_counted'), 1)
        third.thaw()
        for node in nodes:
            node.wait_sees(*nodes)
        self.wait_fresh(*nodes)
        self.assertEqual(first.metric('coherd_members_counted'), 2)

    def test_strict_a_frozen_member_holds_back_while_it_is_listed(self):
        nodes = self.start(partition__policy='strict')
        first, second, third = nodes
        self.wait_fresh(*nodes)
        third.freeze()
        first.log.wait('peer_dead')
        self.wait_held(first, third, 3 * DEAD_AFTER * MS)
        self.assertFalse(first.log.find('peer_settled'))
        self.mesh.list(first, second)
        first.log.wait('peer_settled')
        self.wait_fresh(first, second)

    def test_a_killed_member_that_is_started_again_is_settled(self):
        nodes = self.start(partition__policy='strict')
        first, _, third = nodes
        third.kill()
        first.log.wait('peer_dead')
        third.start()
        for node in nodes:
            node.wait_sees(*nodes)
        self.wait_fresh(*nodes)

    def test_who_leaves_holds_nobody_back(self):
        first, second, third = self.start(partition__policy='strict')
        listener = self.mesh.session(first, 't')
        publisher = self.mesh.session(third)
        origin, seq = publisher.publish(*(fresh() for _ in range(100)))
        self.assertEqual(third.terminate(), 0)
        self.all_hear([listener], origin, seq)
        self.wait_fresh(first, second)

    def test_peers_shows_the_age_of_what_it_has(self):
        first, second, _ = self.start()
        self.wait_fresh(first)
        members = {member['name']: member for member in
                   first.control_json('peers')['members']}
        self.assertIs(members['n2']['counts'], True)
        self.assertLess(members['n2']['age_ms'], wait.LIMIT * MS)
        head, *rows = first.control('peers').stdout.splitlines()
        self.assertIn(' AGE ', head)
        for row in rows:
            self.assertRegex(row, r' m?s ')
        self.assertRegex(second.control('status').stdout,
                         r'(?m)^staleness +\d+(\.\d)? m?s$')


class Sessions(NetTest):
    """Applications whose sidecar is frozen, dead or cut off."""

    def test_an_application_is_told_when_its_bound_is_crossed(self):
        first, second = self.mesh.start(2)
        probes = [self.mesh.probe(first, 't', polled=polled, bound=BOUND)
                  for polled in (False, True)]
        for probe in probes:
            wait.until(lambda p=probe: p.pump().bounds == [False],
                       lambda p=probe: f'{p} within: {p.bounds}')
            self.assertLess(probe.staleness(), BOUND)
        first.freeze()
        for probe in probes:
            wait.until(lambda p=probe: p.pump().bounds == [False, True],
                       lambda p=probe: f'{p} beyond: {p.bounds}')
            self.assertGreater(probe.staleness(), BOUND)
        first.thaw()
        for probe in probes:
            wait.until(lambda p=probe: p.pump().bounds[-1] is False,
                       lambda p=probe: f'{p} within again: {p.bounds}')
            wait.until(lambda p=probe: p.staleness() < BOUND, 'fresh')
        second.wait_sees(first, second)

    def test_a_member_that_is_cut_off_shows_at_the_application(self):
        first, second = self.mesh.start(2, {'partition.policy': 'strict'})
        probe = self.mesh.probe(first, 't', bound=BOUND)
        wait.until(lambda: probe.pump().bounds == [False], 'within')
        second.freeze()
        wait.until(lambda: probe.pump().bounds == [False, True], 'beyond')
        self.assertTrue(probe.connected())
        second.thaw()
        wait.until(lambda: probe.pump().bounds == [False, True, False],
                   'within again')

    def test_a_raw_client_sees_the_age_behind_the_pong(self):
        node, _ = self.mesh.start(2)
        session = self.mesh.session(node, 't')
        session.say(wire.PING, 4711)
        wait.until(lambda: session.pump().fresh, 'FRESH')
        self.assertEqual(session.fresh[0][0], 4711)
        self.assertLess(session.fresh[0][1], wait.LIMIT * 10**9)


class Policy(NetTest):
    """partition.policy as a setting."""

    def test_a_policy_that_does_not_exist_is_refused(self):
        node = self.mesh.node(1, {'partition.policy': 'lenient'})
        done = process.run(node.command('--check-config'))
        self.assertNotEqual(done.returncode, 0)
        self.assertIn('available', done.stderr)
        self.assertIn('strict', done.stderr)

    def test_it_is_told_where_it_came_from(self):
        node = self.mesh.node(1, {'partition.policy': 'strict'})
        done = process.run(node.command('--print-config'))
        self.assertRegex(done.stdout,
                         r'(?m)^partition\.policy = "?strict"?  # from .*conf')
