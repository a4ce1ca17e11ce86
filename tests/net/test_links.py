"""Links that break in part: one channel, one direction, for a moment."""

import time

from tests.net import wait
from tests.net.case import NetTest, check_stream, fresh
from tests.net.links import Links
from tests.net.truth import Site

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

    def test_a_node_alive_on_events_and_dead_on_control_is_repaired_by_others(
            self):
        nodes = self.mesh.start(3)
        site = Site(self).open(*nodes, library=False)
        self.links.drop(nodes[0], CONTROL_PORT)
        for _ in range(3):
            site.work(0.5)
            self.links.reset_between(nodes[1], nodes[0], EVENTS_PORT)
        site.work(0.5)
        wait.until(lambda: not site.wrong(), lambda: site.wrong()[:8])
        self.assertGreater(self.repaired(nodes[1]), 0, 'nothing was lost')
        self.links.heal()
        site.settle(time.monotonic(), 'control cut', nodes)

    def test_who_cannot_be_reached_on_control_is_answered_where_it_asks(self):
        first, second = self.mesh.start(2)
        self.links.drop(second, CONTROL_PORT)
        # What the first says on its own link is lost without a word.
        answers = second.metric('coherd_pongs_received_total')
        wait.until(lambda:
                   second.metric('coherd_pongs_received_total') > answers + 5,
                   'answers on the link of the second')
        done = second.control('publish', 't', 'hello', '--wait=replicated')
        self.assertEqual(done.returncode, 0, done.stderr)


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
