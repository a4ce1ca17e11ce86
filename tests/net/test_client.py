"""Applications and their sidecar: either may come, go and die at any time."""

import time

from tests.net import process, wait, wire
from tests.net.case import NetTest

KEY = wire.item(wire.INVALIDATE, 't', wire.KEY, b'k')
MANY_TOPICS = 2500


class Sidecar(NetTest):
    """The sidecar is late, or dies, or is replaced."""

    def test_an_application_that_starts_before_its_sidecar_is_served(self):
        nodes = [self.mesh.node(1), self.mesh.node(2)]
        self.mesh.list(*nodes)
        early = self.mesh.probe(nodes[0], 't')
        early.invalidate('t', key='early')
        self.assertFalse(early.connected())
        nodes[1].start().wait_ready()
        listener = self.mesh.session(nodes[1], 't')
        begun = time.monotonic()
        nodes[0].start()
        wait.until(early.connected, 'the application to be connected')
        self.assertLess(time.monotonic() - begun, 5)
        wait.until(lambda: early.pump().resets(), 'a RESET')
        for session in (early, listener):
            wait.until(lambda s=session: any(
                e['target'] == b'early' for e in s.pump().events())
                or len(s.resets()) > 1, 'what was published before')
        for node in nodes:
            node.wait_sees(*nodes)
        self.all_hear([early, listener],
                      *self.mesh.session(nodes[1]).publish(KEY))

    def test_publishes_made_while_the_sidecar_is_gone_arrive_afterwards(self):
        first, second = self.mesh.start(2)
        application = self.mesh.probe(first, 't')
        listener = self.mesh.session(second, 't')
        wait.until(application.connected, 'a connection')
        first.kill()
        wait.until(lambda: not application.connected(), 'the loss noticed')
        for number in range(20):
            application.invalidate('t', key=f'gone{number}')
        first.start().wait_ready()
        for node in (first, second):
            node.wait_sees(first, second)

        def arrived():
            heard = [e['target'] for e in listener.pump().events()]
            return all(b'gone%d' % number in heard for number in range(20)) \
                or len(listener.resets()) > 1
        wait.until(arrived, 'what was published meanwhile')
        heard = [e['target'] for e in application.pump().events()]
        wait.until(lambda: b'gone19' in [
            e['target'] for e in application.pump().events()],
            f'its own events; {heard}')
        self.assertGreater(len(application.resets()), 1)
        self.all_hear([application, listener],
                      *self.mesh.session(second).publish(KEY))

    def test_a_flush_waits_for_one_other_and_not_for_who_is_cut_off(self):
        first, second, third = self.mesh.start(
            3, {'partition.policy': 'strict'})
        application = self.mesh.probe(first, 't')
        listener = self.mesh.session(second, 't')
        third.freeze()
        for _ in range(2):
            done = application.do('accept', 't', 'k')
            self.assertEqual(application.do('flush', 30000)['result'],
                             'COHERD_OK')
            self.all_hear([listener], int(done['origin'], 16), done['seq'])
            first.wait_member(third, 'silent')
        third.thaw()
        first.wait_sees(first, second, third)

    def test_a_full_window_is_told_and_all_that_it_took_arrives(self):
        """An outage without end: the window is bounded, and no publish is
        swallowed."""
        first, second = self.mesh.start(2)
        application = self.mesh.probe(first, 't', window=128 << 10)
        listener = self.mesh.session(second, 't')
        first.kill()
        wait.until(lambda: not application.connected(), 'the loss noticed')
        memory = process.resident_bytes(application.pid)
        for number in range(10_000):
            application.invalidate('t', key=f'{number}')
        application.do('echo')
        outcomes = [line['result'] for line in application.done
                    if line['command'] == 'invalidate']
        taken = [b'%d' % number for number, result in enumerate(outcomes)
                 if result == 'COHERD_OK']
        self.assertEqual(set(outcomes), {'COHERD_OK', 'COHERD_ERR_AGAIN'})
        self.assertEqual(taken, [b'%d' % n for n in range(len(taken))])
        self.assertLess(process.resident_bytes(application.pid) - memory,
                        4 << 20)
        first.start().wait_ready()
        # To the listener this is a new node, which may have said all of it
        # before they met.
        wait.until(lambda: len(listener.pump().events()) >= len(taken)
                   or len(listener.resets()) > 1,
                   lambda: f'{len(taken)}, {len(listener.events())} heard')
        heard = [event['target'] for event in listener.events()]
        self.assertEqual(heard, taken[-len(heard):] if heard else [])
        self.assertEqual(application.do('accept', 't', 'k')['result'],
                         'COHERD_OK')

    def test_what_had_no_receipt_when_the_sidecar_died_is_published_again(
            self):
        first, second = self.mesh.start(2)
        application = self.mesh.probe(first, 't')
        listener = self.mesh.session(second, 't')
        wait.until(application.connected, 'a connection')
        first.freeze()
        for number in range(2000):
            application.invalidate('t', key=f'{number}')
        application.do('echo')
        first.kill()
        first.start().wait_ready()

        def missing():
            heard = {e['target'] for e in listener.pump().events()}
            return sorted({b'%d' % n for n in range(2000)} - heard, key=int)
        wait.until(lambda: not missing() or len(listener.resets()) > 1,
                   lambda: f'all 2000, or a RESET; missing {missing()}')
        self.assertEqual(application.refused(), [])

    def test_a_draining_sidecar_sends_its_applications_away_kindly(self):
        node, = self.mesh.start(1)
        application = self.mesh.probe(node, 't')
        wait.until(application.connected, 'a connection')
        self.assertEqual(node.terminate(), 0)
        wait.until(lambda: not application.connected(), 'the loss noticed')
        node.start().wait_ready()
        wait.until(application.connected, 'a connection again')
        self.all_hear([application], *self.mesh.session(node).publish(KEY))

    def test_more_than_a_thousand_subscriptions_survive_a_restart(self):
        first, second = self.mesh.start(2)
        topics = [f'topic{number}' for number in range(MANY_TOPICS)]
        application = self.mesh.probe(first, *topics)
        wait.until(lambda: first.report()['subscriptions'] == MANY_TOPICS,
                   'the subscriptions')
        first.kill()
        first.start().wait_ready()
        for node in (first, second):
            node.wait_sees(first, second)
        wait.until(lambda: first.report().get('subscriptions') == MANY_TOPICS,
                   lambda: f'the subscriptions again; {first.report()}')
        publisher = self.mesh.session(second)
        found = [publisher.publish(wire.item(wire.INVALIDATE, topic, wire.ALL))
                 for topic in topics[::50] + topics[-1:]]
        for each in found:
            self.all_hear([application], *each)


class Application(NetTest):
    """The application dies, or there are many."""

    def test_a_killed_application_leaves_nothing_behind(self):
        node, = self.mesh.start(1)
        other = self.mesh.session(node, 't')
        before = node.report()
        descriptors = node.descriptors()
        victims = [self.mesh.probe(node, 't', 'u') for _ in range(3)]
        wait.until(lambda: node.report()['sessions'] == before['sessions'] + 3,
                   'the sessions')
        victims[0].kill()
        victims[1].kill()
        self.all_hear([other, victims[2]], *other.publish(KEY))
        wait.until(lambda: node.report()['sessions'] == before['sessions'] + 1,
                   'the dead to be counted out')
        victims[2].close()
        wait.until(lambda: node.report()['sessions'] == before['sessions'] and
                   node.report()['subscriptions'] == before['subscriptions'],
                   'all of them to be counted out')
        wait.until(lambda: node.descriptors() <= descriptors, 'descriptors')

    def test_sessions_beyond_the_limit_are_refused_with_words(self):
        node = self.mesh.node(1, {'limits.sessions': '5'})
        self.mesh.list(node)
        node.start().wait_ready()
        sessions = [self.mesh.session(node) for _ in range(4)]
        refused = self.mesh.session(node, hello=False)
        refused.wait_closed()
        self.assertEqual([code for code, _ in refused.errors],
                         [wire.ERROR_LIMIT])
        sessions.pop().close()
        wait.until(lambda: node.report()['sessions'] == 4, 'a free place')
        self.mesh.session(node).ping()
        sessions[0].ping()

    def test_two_hundred_sessions_hear_every_event(self):
        first, second = self.mesh.start(2)
        sessions = [self.mesh.session(node, 't')
                    for node in (first, second) for _ in range(100)]
        self.all_hear(sessions, *sessions[0].publish(KEY))
        self.all_hear(sessions, *sessions[-1].publish(KEY))
