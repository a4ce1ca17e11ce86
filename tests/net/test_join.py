"""Nodes that DNS lists find each other, and everything reaches everybody."""

from tests.net import wire
from tests.net.case import NetTest, SharedTest
from tests.net.namespace import host

NODES = 4


class Together(SharedTest):
    """Four nodes with two applications each."""

    @classmethod
    def build(cls, mesh):
        cls.nodes = mesh.start(NODES)
        cls.sessions = []
        for node in cls.nodes:
            cls.sessions.append(mesh.probe(node, 'episodes', 'news',
                                           polled=node.number % 2 == 0))
            cls.sessions.append(mesh.session(node, 'episodes', 'news'))

    def publish(self, number, *items):
        """Publish at a node and check that all hear each of the items."""
        with_session = self.nodes[number].session()
        self.addCleanup(with_session.close)
        origin, last = with_session.publish(*items)
        self.assertEqual(origin, self.nodes[number].report()['node'])
        for index, item in enumerate(items):
            seq = last - len(items) + 1 + index
            kind, flags, topic, target_kind, target, value = item
            for event in self.all_hear(self.sessions, origin, seq):
                self.assertEqual(
                    (event['kind'], event['flags'], event['topic'],
                     event['target_kind'], event['target'], event['value']),
                    (kind, flags, topic, target_kind, target, value))

    def test_four_nodes_that_dns_lists_are_live_to_each_other(self):
        for node in self.nodes:
            node.wait_sees(*self.nodes)
            report = node.report()
            self.assertEqual(report['dns'], 'answer')
            self.assertEqual(report['dns_count'], NODES)
            self.assertFalse(report['degraded'])
            for other in self.nodes:
                if other is not node:
                    member = node.member(other)
                    self.assertTrue(member['listed'])
                    self.assertEqual(member['name'], f'n{other.number}')
                    self.assertGreater(member['rtt_us'], 0)

    def test_a_node_that_dns_lists_to_itself_is_no_peer_of_its_own(self):
        for node in self.nodes:
            self.assertNotIn(node.address, node.members())

    def test_an_invalidation_by_key_reaches_every_session(self):
        self.publish(0, wire.item(wire.INVALIDATE, 'episodes', wire.KEY,
                                  b'51'))

    def test_an_invalidation_by_tag_reaches_every_session(self):
        self.publish(1, wire.item(wire.INVALIDATE, 'episodes', wire.TAG,
                                  b'home'))

    def test_an_invalidation_by_prefix_reaches_every_session(self):
        self.publish(2, wire.item(wire.INVALIDATE, 'episodes', wire.PREFIX,
                                  b'5'))

    def test_an_invalidation_of_all_reaches_every_session(self):
        self.publish(3, wire.item(wire.INVALIDATE, 'episodes', wire.ALL))

    def test_a_soft_invalidation_stays_soft(self):
        self.publish(0, wire.item(wire.INVALIDATE, 'episodes', wire.KEY,
                                  b'52', flags=wire.SOFT))

    def test_an_update_reaches_every_session_with_its_value(self):
        self.publish(1, wire.item(wire.UPDATE, 'episodes', wire.KEY,
                                  b'\x00\xff', bytes(range(256))))

    def test_a_message_reaches_every_session_with_its_value(self):
        self.publish(2, wire.item(wire.MESSAGE, 'news', value=b'{"id": 51}'))

    def test_a_batch_arrives_whole_and_in_order(self):
        self.publish(3, *(wire.item(wire.UPDATE, 'episodes', wire.KEY,
                                    b'%d' % n, b'x' * n) for n in range(200)))

    def test_the_largest_payload_passes_and_a_larger_one_is_refused(self):
        self.publish(0, wire.item(wire.MESSAGE, 'news', value=bytes(65536)))
        session = self.mesh.session(self.nodes[0])
        with self.assertRaises(wire.Closed):
            session.publish(wire.item(wire.MESSAGE, 'news',
                                      value=bytes(65537)))
        self.assertEqual(session.errors[0][0], wire.ERROR_INVALID)

    def test_a_session_hears_only_what_it_subscribed_to(self):
        exact = self.mesh.session(self.nodes[0], 'cats')
        prefix = self.mesh.session(self.nodes[1])
        prefix.subscribe('cat', match=wire.PREFIX_MATCH)
        publisher = self.mesh.session(self.nodes[2])
        for topic in ('dogs', 'catsup', 'cats', 'cat', 'ca'):
            origin, seq = publisher.publish(
                wire.item(wire.INVALIDATE, topic, wire.ALL))
        end = publisher.publish(wire.item(wire.MESSAGE, 'cats'))
        self.all_hear([exact, prefix], *end)
        self.assertEqual([e['topic'] for e in exact.events()],
                         ['cats', 'cats'])
        self.assertEqual([e['topic'] for e in prefix.events()],
                         ['catsup', 'cats', 'cat', 'cats'])

    def test_a_session_that_unsubscribed_hears_no_more(self):
        session = self.mesh.session(self.nodes[0], 'rain', 'sun')
        session.say(wire.UNSUBSCRIBE, [wire.EXACT, 'rain'])
        session.ping()
        publisher = self.mesh.session(self.nodes[1])
        publisher.publish(wire.item(wire.MESSAGE, 'rain'))
        self.all_hear([session],
                      *publisher.publish(wire.item(wire.MESSAGE, 'sun')))
        self.assertEqual([e['topic'] for e in session.events()], ['sun'])

    def test_updates_carry_clocks_that_ascend_across_nodes(self):
        listener = self.mesh.session(self.nodes[0], 'clocks')
        for node in self.nodes * 3:
            publisher = node.session()
            found = publisher.publish(
                wire.item(wire.UPDATE, 'clocks', wire.KEY, b'k'))
            self.all_hear([listener], *found)
            # The next origin has seen it, too, before it publishes.
            for other in self.nodes:
                other.wait_received(*found)
            publisher.close()
        clocks = [event['hlc'] for event in listener.events()]
        self.assertEqual(clocks, sorted(set(clocks)))


class OtherWays(NetTest):
    """Other ways to find each other than AAAA records of everybody."""

    def test_static_peers_join_without_any_name_server(self):
        nodes = [self.mesh.node(number, {
            'discovery.names': '',
            'discovery.peers': ', '.join(f'[{host(n)}]:7420'
                                         for n in (1, 2, 3) if n != number),
        }) for number in (1, 2, 3)]
        self.mesh.dns.stop()
        self.mesh.gather(*nodes)
        self.assertEqual(nodes[0].report()['dns'], 'none')

    def test_a_records_join_nodes_where_there_is_no_ipv6(self):
        nodes = []
        for number in (1, 2, 3):
            node = self.mesh.node(number, {
                'mesh.address': f'127.0.0.{number}',
                'discovery.family': 'ipv4',
            })
            node.address = f'127.0.0.{number}'
            nodes.append(node)
        self.mesh.list(*nodes)
        self.mesh.gather(*nodes)
        sessions = [self.mesh.session(node, 't') for node in nodes]
        found = sessions[0].publish(
            wire.item(wire.INVALIDATE, 't', wire.KEY, b'k'))
        self.all_hear(sessions, *found)

    def test_one_side_in_dns_is_enough_since_the_other_dials_back(self):
        listed = self.mesh.node(1, {'discovery.names': ''})
        seeing = self.mesh.node(2)
        self.mesh.list(listed)
        self.mesh.gather(listed, seeing)
        self.assertFalse(listed.member(seeing)['listed'])
        sessions = [self.mesh.session(node, 't') for node in (listed, seeing)]
        for session in sessions:
            self.all_hear(sessions, *session.publish(
                wire.item(wire.INVALIDATE, 't', wire.KEY, b'k')))

    def test_peers_on_another_port_join_by_their_static_address(self):
        nodes = [self.mesh.node(number, {
            'discovery.names': '',
            'mesh.port': f'9{number}00',
            'discovery.peers': '' if number == 1 else f'[{host(1)}]:9100',
        }) for number in (1, 2)]
        self.mesh.gather(*nodes)
        self.assertEqual(nodes[0].member(nodes[1])['port'], 9200)

    def test_a_single_node_without_peers_is_ready_and_serves(self):
        node = self.mesh.node(1, {'discovery.names': ''})
        self.mesh.gather(node)
        sessions = [self.mesh.session(node, 't') for _ in range(2)]
        self.all_hear(sessions, *sessions[0].publish(
            wire.item(wire.INVALIDATE, 't', wire.KEY, b'k')))
