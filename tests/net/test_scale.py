"""Nodes come and go, in good order and in none."""

import signal
import time

from tests.net import wait, wire
from tests.net.case import NetTest
from tests.net.daemon import DEAD_AFTER, DNS_INTERVAL

KEY = wire.item(wire.INVALIDATE, 't', wire.KEY, b'k')


class Scale(NetTest):
    """Scaling up and down, deploys, and crashes."""

    def hear_each_other(self, *nodes):
        """Check that what any of these accepts reaches sessions at all."""
        sessions = [self.mesh.session(node, 't') for node in nodes]
        for session in sessions:
            self.all_hear(sessions, *session.publish(KEY))

    def test_a_fifth_node_added_to_dns_joins_and_nothing_is_reset(self):
        nodes = self.mesh.start(4)
        fifth = self.mesh.node(5)
        sessions = [self.mesh.session(node, 't') for node in nodes]
        self.mesh.list(*nodes, fifth)
        fifth.start().wait_ready()
        for node in [*nodes, fifth]:
            node.wait_sees(*nodes, fifth)
        sessions.append(self.mesh.session(fifth, 't'))
        for session in sessions:
            self.all_hear(sessions, *session.publish(KEY))
        for session in sessions:
            # It had said nothing before it joined, so nothing was missed.
            self.assertEqual([r['reset'] for r in session.resets()],
                             [wire.RESET_SUBSCRIBED])

    def test_a_terminated_node_says_goodbye_and_is_gone_within_a_second(self):
        first, second, third = self.mesh.start(3)
        session = self.mesh.session(third, 't')
        self.mesh.list(first, second)
        begun = time.monotonic()
        third.signal(signal.SIGTERM)
        for node in (first, second):
            node.log.wait('peer_left', limit=5,
                          address=f'[{third.address}]:7420')
        self.assertLess(time.monotonic() - begun, 1)
        self.assertEqual(third.wait_exit(), 0)
        session.wait_closed()
        self.assertTrue(session.goodbye)
        for node in (first, second):
            node.wait_sees(first, second)
            node.wait_unknown(third)
            self.assertEqual(node.log.find('peer_silent'), [])
        self.hear_each_other(first, second)

    def test_a_node_that_dns_drops_but_that_still_talks_stays(self):
        nodes = self.mesh.start(3)
        self.mesh.list(*nodes[:2])
        for node in nodes:
            wait.until(lambda n=node: n.says('dns_count') == 2,
                       f'{node} to notice')
        wait.always(lambda: all(node.sees(*nodes) for node in nodes),
                    'the unlisted node was dropped', DEAD_AFTER + DNS_INTERVAL)
        self.assertFalse(nodes[0].member(nodes[2])['listed'])
        self.hear_each_other(*nodes)

    def test_a_killed_node_is_silent_then_dead_and_forgotten_with_dns(self):
        first, second, third = self.mesh.start(3, {'join.timeout': '1s'})
        mark = first.log.mark()
        third.kill()
        first.wait_member(third, 'silent')
        self.assertTrue(first.log.wait('node_degraded', mark))
        self.hear_each_other(first, second)
        first.log.wait('peer_dead', mark, address=f'[{third.address}]:7420')
        # DNS lists the address: it is dialled on, and nobody forgets it.
        first.wait_member(third, 'listed')
        self.assertTrue(first.report()['degraded'])
        self.assertEqual(first.log.find('node_whole', mark), [])
        self.mesh.list(first, second)
        first.wait_unknown(third)
        first.log.wait('peer_forgotten', mark)
        wait.until(lambda: first.says('degraded') is False, 'whole again')
        self.hear_each_other(first, second)

    def test_a_node_killed_and_started_again_on_its_address_replaces_itself(
            self):
        first, second, third = self.mesh.start(3)
        listener = self.mesh.session(first, 't')
        survivor = self.mesh.probe(third, 't')
        self.all_hear([listener, survivor],
                      *self.mesh.session(third).publish(KEY))
        before = third.report()['node']
        resets = len(survivor.resets())
        third.kill()
        third.start().wait_ready()
        for node in (first, second, third):
            node.wait_sees(first, second, third)
        after = third.report()['node']
        self.assertNotEqual(before, after)
        self.assertEqual(first.member(third)['node'], after)
        self.assertEqual(len(first.members()), 2)
        # The library comes back by itself, and says what may be missing.
        wait.until(lambda: len(survivor.pump().resets()) > resets,
                   'a RESET after the restart')
        self.all_hear([listener, survivor],
                      *self.mesh.session(third).publish(KEY))

    def test_nodes_restarted_one_by_one_find_the_mesh_again(self):
        nodes = self.mesh.start(3)
        listener = self.mesh.probe(nodes[0], 't')
        for node in nodes:
            self.assertEqual(node.terminate(), 0)
            node.start().wait_ready()
            for each in nodes:
                each.wait_sees(*nodes)
            self.all_hear([listener], *self.mesh.session(node).publish(KEY))

    def test_all_nodes_started_at_once_see_each_other(self):
        nodes = [self.mesh.node(number) for number in range(1, 9)]
        self.mesh.list(*nodes)
        self.mesh.gather(*nodes)
        self.hear_each_other(*nodes)
