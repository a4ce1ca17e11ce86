"""Several releases in one mesh, and meshes that must not mix."""

from tests.net import process, wait, wire
from tests.net.case import NetTest

KEY = wire.item(wire.INVALIDATE, 't', wire.KEY, b'k')


class Versions(NetTest):
    """A rolling deploy of the sidecar itself, and one release too far."""

    def test_the_next_release_that_still_speaks_ours_loses_nothing(self):
        nodes = [self.mesh.node(1), self.mesh.node(2, program=process.NEXT),
                 self.mesh.node(3, program=process.NEXT)]
        self.mesh.list(*nodes)
        self.mesh.gather(*nodes)
        sessions = [self.mesh.session(node, 't') for node in nodes]
        for session in sessions:
            self.all_hear(sessions, *session.publish(KEY))
        # The last old one is upgraded, too.
        nodes[0].terminate()
        nodes[0].program = process.NEXT
        nodes[0].start().wait_ready()
        for node in nodes:
            node.wait_sees(*nodes)
        sessions[0] = self.mesh.session(nodes[0], 't')
        for session in sessions:
            self.all_hear(sessions, *session.publish(KEY))

    def test_a_release_without_a_common_version_is_refused_and_named(self):
        ours = [self.mesh.node(1), self.mesh.node(2)]
        far = self.mesh.node(3, {'join.timeout': '1s'}, program=process.FAR)
        self.mesh.list(*ours, far)
        for node in [*ours, far]:
            node.start()
        for node in ours:
            node.wait_sees(*ours)
            node.wait_member(far, 'refused')
            line, = node.log.find('peer_refused') or \
                node.log.find('peer_refuses_us')
            self.assertEqual((line['version_min'], line['version_max']),
                             ('2', '2'))
            self.assertGreater(node.metric('coherd_peers_refused_total'), 0)
        # Whichever of the two said hello first.
        wait.until(lambda: far.log.find('peer_refused') or
                   far.log.find('peer_refuses_us'), 'the refusal to be told')
        self.assertGreater(far.metric('coherd_peers_refused_total'), 0)
        for node in ours:
            far.wait_member(node, 'refused')
        sessions = [self.mesh.session(node, 't') for node in ours]
        stranger = self.mesh.session(far, 't')
        for session in [stranger, *sessions]:
            found = session.publish(KEY)
            if session is not stranger:
                self.all_hear(sessions, *found)
        self.assertEqual(len(stranger.pump().events()), 1)
        for session in sessions:
            self.assertEqual(len(session.pump().events()), 2)

    def test_another_cluster_is_refused_and_named(self):
        ours = [self.mesh.node(1), self.mesh.node(2)]
        staging = self.mesh.node(3, {'cluster.name': 'staging',
                                     'join.timeout': '1s'})
        self.mesh.list(*ours, staging)
        for node in [*ours, staging]:
            node.start()
        for node in ours:
            node.wait_sees(*ours)
            node.wait_member(staging, 'refused')
            staging.wait_member(node, 'refused')
        for node in [*ours, staging]:
            self.assertGreater(
                node.metric('coherd_mesh_messages_foreign_total'), 0)
        self.assertTrue(
            ours[0].log.wait('message_of_other_cluster', text='staging'))
        self.assertTrue(
            staging.log.wait('message_of_other_cluster', text='default'))
        sessions = [self.mesh.session(node, 't') for node in ours]
        stranger = self.mesh.session(staging, 't')
        self.all_hear([stranger], *stranger.publish(KEY))
        self.all_hear(sessions, *sessions[0].publish(KEY))
        # What came behind would be here by now.
        self.all_hear(sessions, *sessions[1].publish(KEY))
        for session in sessions:
            self.assertEqual(len(session.events()), 2)

    def test_a_library_without_a_common_version_is_refused_with_words(self):
        node = self.mesh.node(1, {'discovery.names': ''})
        node.start().wait_ready()
        other = self.mesh.session(node)
        session = self.mesh.session(node, hello=False)
        session.say(wire.HELLO, 2, 9, 1, 'from the future', 1)
        session.wait_closed()
        (code, text), = session.errors
        self.assertEqual(code, wire.ERROR_VERSION)
        self.assertIn('version', text)
        # One that speaks more than we do agrees on what we have.
        session = self.mesh.session(node, versions=(1, 9))
        self.assertEqual(session.welcome['version'], 1)
        other.ping()
        wait.until(lambda: node.metric('coherd_sessions_refused_total') == 1,
                   'the refusal to be counted')
