"""Sessions that lose their connection, or their sidecar, lose nothing else."""

import selectors
import socket
import threading

from tests.net import wait, wire
from tests.net.case import NetTest, fresh
from tests.net.links import Links
from tests.net.probe import Probe

SLOW = {'ping.interval': '500ms', 'member.dead_after': '10s'}


class Relay:
    """A Unix socket before a sidecar's, whose connections can be broken."""

    def __init__(self, path, sidecar):
        self.path = path
        self._sidecar = str(sidecar)
        self._pairs = {}
        self._lock = threading.Lock()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._closed = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop."""
        self._closed = True
        self._thread.join()
        self.cut()
        self._listener.close()

    def cut(self) -> None:
        """Break every connection; what is under way is lost."""
        with self._lock:
            for end in self._pairs:
                self._selector.unregister(end)
                end.close()
            self._pairs.clear()

    def _accept(self) -> None:
        near, _ = self._listener.accept()
        far = socket.socket(socket.AF_UNIX)
        try:
            far.connect(self._sidecar)
        except OSError:
            near.close()
            return
        for end, other in (near, far), (far, near):
            self._pairs[end] = other
            self._selector.register(end, selectors.EVENT_READ)

    def _carry(self, end) -> None:
        try:
            data = end.recv(65536)
            if data:
                self._pairs[end].sendall(data)
                return
        except OSError:
            pass
        for side in end, self._pairs[end]:
            self._selector.unregister(side)
            del self._pairs[side]
            side.close()

    def _run(self) -> None:
        while not self._closed:
            for key, _ in self._selector.select(0.05):
                with self._lock:
                    if key.fileobj is self._listener:
                        self._accept()
                    elif key.fileobj in self._pairs:
                        self._carry(key.fileobj)


def values(session) -> list:
    """Return the messages that a session heard, in order."""
    return [entry['value'] for entry in session.pump().events()
            if entry['kind'] == wire.MESSAGE]


class Session(NetTest):
    """Only the local connection breaks, or the sidecar is killed."""

    def test_a_broken_connection_costs_no_reset_and_no_event(self):
        first, second = self.mesh.start(2)
        relay = Relay(first.folder / 'relay', first.socket)
        self.addCleanup(relay.close)
        listener = Probe(first.folder / 'relayed', relay.path)
        self.addCleanup(listener.close)
        listener.wait_subscribed('t')
        publisher = self.mesh.session(second)
        begun = len(listener.resets())
        for number in range(200):
            publisher.publish(wire.item(wire.MESSAGE, 't', wire.NONE, b'',
                                        b'%d' % number))
            if number % 40 == 20:
                wait.until(listener.connected, 'a connection')
                relay.cut()
                wait.until(lambda n=number: len(
                    [s for s in listener.pump().states
                     if not s['connected']]) > n // 40, 'the loss noticed')
        wanted = [b'%d' % number for number in range(200)]
        wait.until(lambda: len(values(listener)) >= 200,
                   lambda: f'all messages; {len(values(listener))}')
        self.assertEqual(values(listener), wanted)
        self.assertEqual(len(listener.resets()), begun)
        self.assertGreaterEqual(
            first.metric('coherd_sessions_resumed_total'), 5)

    def test_a_publisher_whose_connection_breaks_publishes_once(self):
        first, second = self.mesh.start(2)
        relay = Relay(first.folder / 'relay', first.socket)
        self.addCleanup(relay.close)
        publisher = Probe(first.folder / 'relayed', relay.path)
        self.addCleanup(publisher.close)
        wait.until(publisher.connected, 'a connection')
        listener = self.mesh.session(second, 't')
        for number in range(500):
            publisher.tell('publish', 't', number)
            if number % 100 == 50:
                relay.cut()
        self.assertEqual(publisher.do('flush', 20000)['result'], 'COHERD_OK')
        wait.until(lambda: b'499' in values(listener), 'the last message')
        self.assertEqual(values(listener),
                         [b'%d' % number for number in range(500)])

    def test_what_was_accepted_and_not_replicated_survives_its_sidecar(self):
        links = Links()
        self.addCleanup(links.close)
        first, second = self.mesh.start(2, SLOW)
        application = self.mesh.probe(first)
        wait.until(application.connected, 'a connection')
        listener = self.mesh.session(second, 't')
        self.all_hear([listener], *self.mesh.session(first).publish(fresh()))
        links.part([first], [second])
        for number in range(100):
            application.tell('publish', 't', number)
        done = application.do('accept', 't', 'last')
        self.assertEqual(done['result'], 'COHERD_OK')
        self.assertEqual(application.do('flush', 100)['result'],
                         'COHERD_ERR_TIMEOUT', 'nobody has them yet')
        first.kill()
        links.heal()
        first.start().wait_ready()
        for node in (first, second):
            node.wait_sees(first, second)
        self.assertEqual(application.do('flush', 20000)['result'], 'COHERD_OK')
        self.assertGreaterEqual(
            first.metric('coherd_events_published_total'), 101)
        wanted = [b'%d' % number for number in range(100)]
        wait.until(lambda: len(values(listener)) >= 100,
                   lambda: f'all messages; {len(values(listener))}')
        self.assertEqual(values(listener), wanted)

    def test_what_was_replicated_and_not_reported_is_delivered_once(self):
        first, second = self.mesh.start(2, SLOW)
        application = self.mesh.probe(first)
        wait.until(application.connected, 'a connection')
        listener = self.mesh.session(second, 't')
        for number in range(1000):
            application.tell('publish', 't', number)
            if number in (300, 600):
                first.kill()
                first.start()
        first.wait_ready()
        self.assertEqual(application.do('flush', 20000)['result'], 'COHERD_OK')
        wait.until(lambda: b'999' in values(listener), 'the last message')
        heard = values(listener)
        self.assertEqual(len(heard), len(set(heard)), 'none came twice')
        self.assertEqual(set(heard), {b'%d' % n for n in range(1000)})
