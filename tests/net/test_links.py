"""Links that break in part: one channel, one direction, for a moment."""

import time

from tests.net import wait, wire
from tests.net.case import NetTest, check_stream, fresh
from tests.net.links import Links

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
        self.all_hear(sessions, *publisher.publish(fresh()))
        self.links.drop(first, EVENTS_PORT)
        # The second hears nothing, and says so; the first hears that it does.
        second.log.wait('peer_redialled')
        first.log.wait('peer_deaf_to_us')
        wait.until(lambda: not first.member(second).get('hears_us', True),
                   'the first to know')
        self.assertEqual(first.member(second)['state'], 'live')
        self.assertEqual(first.log.find('peer_silent'), [])
        origin, seq = publisher.publish(*(fresh() for _ in range(10)))
        self.all_hear(sessions[:1], origin, seq)
        self.links.heal()
        for node in (first, second):
            node.wait_sees(first, second)
        first.log.wait('peer_hears_us')
        origin, seq = publisher.publish(fresh())
        self.all_hear_streams(sessions, {origin: seq})

    def test_connections_reset_with_bytes_under_way_lose_nothing(self):
        first, second = self.mesh.start(2)
        sessions = [self.mesh.session(node, 't') for node in (first, second)]
        publisher = self.mesh.session(first)
        for number in range(60):
            origin, seq = publisher.publish(
                *(fresh(value=bytes(2000)) for _ in range(20)))
            if number % 20 == 10:
                self.links.reset(first, EVENTS_PORT)
                self.links.reset(second, EVENTS_PORT)
            elif number % 20 == 12:
                self.links.heal()
        for node in (first, second):
            node.wait_sees(first, second)
        self.all_hear_streams(sessions, {origin: seq})
        self.assertGreater(self.repaired(second), 0,
                           'nothing was lost, so nothing was tested')

    def lose(self, percent):
        """Publish at three nodes while packets are lost."""
        nodes = self.mesh.start(3, {'ping.interval': '500ms',
                                    'member.dead_after': '10s'})
        sessions = [self.mesh.session(node, 't') for node in nodes]
        for node in nodes:
            self.links.lose(node, percent)
        origins = {}
        for number in range(90):
            origin, seq = sessions[number % 3].publish(
                fresh(value=b'v' if number % 2 else None))
            origins[origin] = seq
        self.all_hear_streams(sessions, origins, 60)
        print(f'    {percent} %: {self.repaired(*nodes)} events repaired')

    def test_a_network_that_loses_packets_loses_no_event(self):
        self.lose(10)

    def test_a_network_that_loses_every_third_packet_loses_no_event(self):
        self.lose(30)

    def test_halves_that_were_apart_agree_soon_after_they_meet(self):
        nodes = self.mesh.start(6)
        sessions = [self.mesh.session(node, 't') for node in nodes]
        origins = dict(sessions[n].publish(fresh()) for n in (0, 3))
        self.all_hear_streams(sessions, origins)
        self.links.part(nodes[:3], nodes[3:])
        for node in nodes[:3]:
            for other in nodes[3:]:
                node.log.wait('peer_silent', address=f'[{other.address}]:7420')
        begun = time.monotonic()
        while time.monotonic() - begun < 3:
            for session in sessions:
                origin, seq = session.publish(
                    *(fresh(value=v) for v in (None, b'v') * 5))
                origins[origin] = seq
            time.sleep(0.05)
        for session in sessions[:3]:
            heard = {e['origin'] for e in session.pump().events()[2:]}
            self.assertEqual(len(heard), 3, 'they were not apart')
        self.links.heal()
        begun = time.monotonic()
        self.all_hear_streams(sessions, origins)
        seconds = time.monotonic() - begun
        print(f'    together after {seconds:.1f} s, '
              f'{self.repaired(*nodes)} events repaired')
        self.assertLess(seconds, 10)


class Churn(NetTest):
    """Everything at once, and at the end each stream is whole."""

    def test_events_under_every_kind_of_change_arrive(self):
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
                    origin, seq = publisher.publish(
                        *(fresh() for _ in range(5)))
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
        self.all_hear_streams(steady, origins)
        # Its sidecar was killed: a RESET stands for what it missed meanwhile.
        for publisher in publishers:
            origin, seq = publisher.publish(fresh())
            self.all_hear([library], origin, seq)
            check_stream(self, library, origin, 1, seq)
