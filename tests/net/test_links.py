"""Links that break in part: one channel, one direction, for a moment."""

import time

from tests.net import wait, wire
from tests.net.case import NetTest, check_stream
from tests.net.links import Links

KEY = wire.item(wire.INVALIDATE, 't', wire.KEY, b'k')
EVENTS_PORT, CONTROL_PORT = 7420, 7421


class Broken(NetTest):
    """Nodes that reach each other in part."""

    def setUp(self):
        super().setUp()
        self.links = Links()
        self.addCleanup(self.links.close)

    def test_a_node_alive_on_control_and_dead_on_events_is_dialled_again(self):
        """Also what a link is that carries one direction only."""
        first, second = self.mesh.start(2)
        sessions = [self.mesh.session(node, 't') for node in (first, second)]
        publisher = self.mesh.session(first)
        self.all_hear(sessions, *publisher.publish(KEY))
        self.links.drop(first, EVENTS_PORT)
        # The second hears nothing, and says so; the first hears that it does.
        second.log.wait('peer_redialled')
        first.log.wait('peer_deaf_to_us')
        wait.until(lambda: not first.member(second).get('hears_us', True),
                   'the first to know')
        self.assertEqual(first.member(second)['state'], 'live')
        self.assertEqual(first.log.find('peer_silent'), [])
        origin, seq = publisher.publish(*[KEY] * 10)
        self.all_hear(sessions[:1], origin, seq)
        self.links.heal()
        for node in (first, second):
            node.wait_sees(first, second)
        first.log.wait('peer_hears_us')
        origin, seq = self.all_hear_again(sessions, publisher, KEY)
        self.assertEqual(check_stream(self, sessions[0], origin, 1, seq), [])
        check_stream(self, sessions[1], origin, 1, seq)

    def test_connections_reset_with_bytes_under_way_lose_nothing_silently(
            self):
        first, second = self.mesh.start(2)
        sessions = [self.mesh.session(node, 't') for node in (first, second)]
        publisher = self.mesh.session(first)
        item = wire.item(wire.UPDATE, 't', wire.KEY, b'k', bytes(2000))
        for number in range(60):
            publisher.publish(*[item] * 20)
            if number % 20 == 10:
                self.links.reset(first, EVENTS_PORT)
                self.links.reset(second, EVENTS_PORT)
            elif number % 20 == 12:
                self.links.heal()
        for node in (first, second):
            node.wait_sees(first, second)
        origin, seq = self.all_hear_again(sessions, publisher, KEY)
        self.assertEqual(check_stream(self, sessions[0], origin, 1, seq), [])
        self.assertIn(wire.RESET_LOST,
                      check_stream(self, sessions[1], origin, 1, seq),
                      'nothing was lost, so nothing was tested')

    def test_a_network_that_loses_packets_delays_and_loses_no_event(self):
        nodes = self.mesh.start(3, {'ping.interval': '500ms',
                                    'member.dead_after': '10s'})
        sessions = [self.mesh.session(node, 't') for node in nodes]
        for node in nodes:
            self.links.lose(node, 5)
        origins = {}
        for number in range(90):
            origin, seq = sessions[number % 3].publish(KEY)
            origins[origin] = seq
        for origin, seq in origins.items():
            self.all_hear(sessions, origin, seq)
            for session in sessions:
                self.assertEqual(check_stream(self, session, origin, 1, seq),
                                 [])


class Churn(NetTest):
    """Everything at once, and at the end each stream is whole or excused."""

    def test_events_under_every_kind_of_change_arrive_or_are_excused(self):
        links = Links()
        self.addCleanup(links.close)
        first, second, third = nodes = self.mesh.start(3)
        steady = [self.mesh.session(node, 't') for node in (first, second)]
        library = self.mesh.probe(third, 't')
        publishers = [self.mesh.session(node) for node in (first, second)]
        origins = {}

        def publish(seconds):
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                for publisher in publishers:
                    origin, seq = publisher.publish(*[KEY] * 5)
                    origins[origin] = seq
                for session in steady:
                    session.pump()

        for change in (third.kill, third.start,
                       third.freeze, third.thaw,
                       lambda: links.drop(first, EVENTS_PORT), links.heal,
                       third.terminate, third.start,
                       lambda: links.reset(second, CONTROL_PORT), links.heal,
                       self.mesh.dns.stop, self.mesh.dns.start):
            publish(0.4)
            change()
        publish(0.4)
        for node in nodes:
            node.wait_sees(*nodes)
        everybody = [*steady, library]
        for publisher in publishers:
            origin, seq = self.all_hear_again(everybody, publisher, KEY)
            origins[origin] = seq
        for session in everybody:
            for origin, seq in origins.items():
                check_stream(self, session, origin, 1, seq)
