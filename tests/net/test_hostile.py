"""Bytes that nobody should send, on every socket that takes any."""

import random
import socket
import struct

import msgpack

from tests.net import process, wait, wire
from tests.net.case import NetTest, SharedTest
from tests.net.namespace import host

KEY = wire.item(wire.INVALIDATE, 't', wire.KEY, b'k')

RANDOM = random.Random(7)


def publish(*items, request=1):
    """Return a PUBLISH with items that may be anything."""
    return wire.pack(wire.PUBLISH, request, 1, list(items))


# What to send after HELLO, and the code of the ERROR that must come. None: the
# stream cannot even be cut into messages any more.
AFTER_HELLO = {
    'random bytes': (wire.frame(RANDOM.randbytes(64)), 'MALFORMED'),
    'no array': (wire.frame(b'\xc0'), 'MALFORMED'),
    'an empty array': (wire.frame(b'\x90'), 'MALFORMED'),
    'a map': (wire.frame(b'\x80'), 'MALFORMED'),
    'a type that is text': (wire.pack('hello'), 'MALFORMED'),
    'a negative type': (wire.pack(-1), 'MALFORMED'),
    'truncated msgpack': (wire.frame(b'\x94\x04\x01'), 'MALFORMED'),
    'an array that claims four billion elements':
        (wire.frame(b'\xdd\xff\xff\xff\xff\x06\x01'), 'MALFORMED'),
    'a str that claims four gigabytes':
        (wire.frame(b'\x92\x02\xdb\xff\xff\xff\xff'), 'MALFORMED'),
    'a never-used byte': (wire.frame(b'\x92\x06\xc1'), 'MALFORMED'),
    'bytes behind the message':
        (wire.frame(msgpack.packb([wire.PING, 1]) + b'\0'), 'MALFORMED'),
    'a field that is missing': (wire.pack(wire.PING), 'MALFORMED'),
    'a number that is text': (wire.pack(wire.PING, 'now'), 'MALFORMED'),
    'nesting without end':
        (wire.frame(b'\x93\x06\x01' + b'\x91' * 100 + b'\x01'), 'MALFORMED'),
    'HELLO twice': (wire.pack(wire.HELLO, 1, 1, 1, 'x', 1), 'STATE'),
    'what only a sidecar says': (wire.pack(wire.GOODBYE), 'STATE'),
    'an empty topic': (wire.pack(wire.SUBSCRIBE, [0, '']), 'MALFORMED'),
    'a topic of 256 bytes':
        (wire.pack(wire.SUBSCRIBE, [0, 'x' * 256]), 'MALFORMED'),
    'a topic with a newline':
        (wire.pack(wire.SUBSCRIBE, [0, 'a\nb']), 'MALFORMED'),
    'a topic that is not UTF-8':
        (wire.frame(b'\x92\x02\x92\x00\xa2\xff\xfe'), 'MALFORMED'),
    'a topic that is bin': (wire.pack(wire.SUBSCRIBE, [0, b't']), 'MALFORMED'),
    'half a filter': (wire.pack(wire.SUBSCRIBE, [0]), 'MALFORMED'),
    'a way to match that does not exist':
        (wire.pack(wire.SUBSCRIBE, [7, 't']), 'MALFORMED'),
    'a key of 1025 bytes':
        (publish(wire.item(0, 't', wire.KEY, b'x' * 1025)), 'MALFORMED'),
    'an empty key': (publish(wire.item(0, 't', wire.KEY, b'')), 'MALFORMED'),
    'a message with a target':
        (publish(wire.item(wire.MESSAGE, 't', wire.KEY, b'k')), 'MALFORMED'),
    'an update without a key':
        (publish(wire.item(wire.UPDATE, 't', wire.ALL)), 'MALFORMED'),
    'an invalidation with a value':
        (publish(wire.item(0, 't', wire.KEY, b'k', b'v')), 'MALFORMED'),
    'an item that is a number': (publish(5), 'MALFORMED'),
    'more items than one PUBLISH may have':
        (publish(*[KEY] * 4097), 'MALFORMED'),
    'APPLIED beyond what was sent':
        (wire.pack(wire.APPLIED, 1 << 40, 1 << 40), 'INVALID'),
    'a position that no number can be':
        (wire.pack(wire.APPLIED, 1 << 63, 0), 'MALFORMED'),
    'a payload beyond the limit':
        (publish(wire.item(wire.MESSAGE, 't', value=bytes(65537))),
         'INVALID'),
    'a length of nothing': (struct.pack('!I', 0), None),
    'a length beyond the limit': (struct.pack('!I', (1 << 20) + 1), None),
    'a length of four gigabytes': (b'\xff\xff\xff\xff' + b'x' * 100, None),
    'text, as a browser would send': (b'GET / HTTP/1.1\r\n\r\n', None),
}


class Local(SharedTest):
    """A broken or hostile application, beside one that is neither."""

    @classmethod
    def build(cls, mesh):
        cls.node, = mesh.start(1)
        cls.good = mesh.session(cls.node, 't')
        cls.library = mesh.probe(cls.node, 't')

    def tearDown(self):
        self.all_hear([self.good, self.library], *self.good.publish(KEY))

    def refuses(self, session, code):
        """Check that a session gets ERROR with a text, and a close."""
        session.wait_closed()
        self.assertEqual(len(session.errors), 1)
        self.assertNotEqual(session.errors[0][1], '')
        if code is not None:
            self.assertEqual(session.errors[0][0],
                             getattr(wire, f'ERROR_{code}'))

    def test_malformed_messages_get_an_error_with_a_text_and_a_close(self):
        for label, (data, code) in AFTER_HELLO.items():
            with self.subTest(label):
                session = self.node.session()
                try:
                    session.send(data)
                    self.refuses(session, code)
                except wire.Closed:
                    self.refuses(session, code)
                finally:
                    session.close()
                self.good.ping()

    def test_whatever_comes_before_hello_is_refused(self):
        for label, data in {
                'PING': wire.pack(wire.PING, 1),
                'SUBSCRIBE': wire.pack(wire.SUBSCRIBE, [0, 't']),
                'PUBLISH': publish(KEY),
                'an unknown type': wire.pack(99)}.items():
            with self.subTest(label):
                session = self.mesh.session(self.node, hello=False)
                session.send(data)
                self.refuses(session, 'STATE')

    def test_a_message_type_of_a_newer_library_is_skipped(self):
        session = self.mesh.session(self.node)
        session.say(30, 'what will be', [1, 2, {'x': 3}])
        session.say(wire.PING, 1, 'and a field that is new')
        wait.until(lambda: session.pump().pongs, 'a PONG')
        self.assertEqual(session.errors, [])

    def test_kinds_and_targets_of_a_newer_library_widen_to_the_topic(self):
        session = self.mesh.session(self.node, 't')
        for item in ([9, 0, 't', wire.KEY, b'k', b''],
                     [0, 0, 't', 9, ['of', 'any', 'type'], 5],
                     [0, 0, 't', wire.KEY, b'k', b'', 7, 0, 'more']):
            self.all_hear([session], *session.publish(item))
        kinds = [(e['kind'], e['target_kind']) for e in session.events()]
        self.assertEqual(kinds, [(wire.INVALIDATE, wire.ALL),
                                 (wire.INVALIDATE, wire.ALL),
                                 (wire.INVALIDATE, wire.KEY)])

    def test_a_frame_that_comes_byte_by_byte_is_a_frame(self):
        session = self.mesh.session(self.node)
        for byte in wire.pack(wire.PING, 7):
            session.send(bytes([byte]))
        wait.until(lambda: session.pump().pongs, 'a PONG')

    def test_connections_that_say_nothing_are_no_burden(self):
        before = self.node.descriptors()
        quiet = [self.mesh.session(self.node, hello=False) for _ in range(50)]
        wait.until(lambda: self.node.descriptors() >= before + 50,
                   'the connections to be there')
        for session in quiet:
            session.close()
        wait.until(lambda: self.node.descriptors() <= before,
                   'their descriptors to be closed')

    def test_random_sessions_never_hurt_another(self):
        chance = random.Random(11)
        samples = [data for data, _ in AFTER_HELLO.values()]
        for _ in range(200):
            session = self.node.session(hello=chance.random() < 0.8)
            data = bytearray(chance.choice(samples)[:4096])
            for _ in range(chance.randrange(4)):
                data[chance.randrange(len(data))] = chance.randrange(256)
            try:
                session.send(bytes(data))
            except wire.Closed:
                pass
            session.close()
        self.assertTrue(self.node.is_running())


class Mesh(NetTest):
    """Strangers on the ports of the mesh."""

    def test_raw_bytes_on_the_mesh_ports_do_no_harm(self):
        nodes = self.mesh.start(2)
        sessions = [self.mesh.session(node, 't') for node in nodes]
        chance = random.Random(13)
        before = nodes[0].descriptors()
        for port in (7420, 7421):
            for data in (b'', b'\xff', b'GET / HTTP/1.1\r\n\r\n',
                         b'\xff\0\0\0\0\0\0\0\1\x7f\3', bytes(100_000),
                         *(chance.randbytes(size) for size in (1, 9, 64, 500,
                                                               10_000))):
                with socket.create_connection((nodes[0].address, port), 5) as s:
                    try:
                        s.sendall(data)
                    except OSError:
                        pass
        for session in sessions:
            self.all_hear(sessions, *session.publish(KEY))
        nodes[1].wait_sees(*nodes)
        wait.until(lambda: nodes[0].descriptors() <= before + 4,
                   'their descriptors to be closed')

    def test_malformed_control_messages_are_counted_and_told_once(self):
        nodes = self.mesh.start(2)
        sessions = [self.mesh.session(node, 't') for node in nodes]
        done = process.run([process.TEST_BIN / 'garbage', 'control',
                            f'tcp://[{nodes[0].address}]:7421', '5000'])
        self.assertEqual(done.returncode, 0, done.stderr)

        def counted():
            metrics = nodes[0].metrics()
            return [metrics[f'coherd_mesh_messages_{kind}_total'] for kind in
                    ('malformed', 'misshapen', 'foreign', 'unknown')]
        wait.until(lambda: sum(counted()) == 5000,
                   lambda: f'all to be counted; {counted()}')
        self.assertGreater(counted()[0], 4000)
        self.assertGreater(counted()[1], 100)
        self.assertEqual(len(nodes[0].log.find('message_malformed')), 1)
        for session in sessions:
            self.all_hear(sessions, *session.publish(KEY))
        for node in nodes:
            node.wait_sees(*nodes)

    def test_a_peer_that_publishes_garbage_is_counted_and_told_once(self):
        stranger = host(9)
        nodes = [self.mesh.node(number, {
            'join.timeout': '1s',
            'discovery.peers': f'[{stranger}]:7420',
        }) for number in (1, 2)]
        self.mesh.list(*nodes)
        garbage = process.spawn(
            [process.TEST_BIN / 'garbage', 'events',
             f'tcp://[{stranger}]:7420', f'tcp://[{stranger}]:7421'],
            stdout=process.DEVNULL)
        self.addCleanup(process.end, garbage)
        for node in nodes:
            node.start()
        for node in nodes:
            node.wait_ready()
        sessions = [self.mesh.session(node, 't') for node in nodes]
        for node in nodes:
            node.wait_sees(*nodes)
            wait.until(lambda n=node: n.metric(
                'coherd_mesh_messages_malformed_total') > 300, 'garbage')
            self.assertEqual(len(node.log.find('message_malformed')), 1)
            self.assertEqual(node.members()[stranger]['state'], 'listed')
        for session in sessions:
            self.all_hear(sessions, *session.publish(KEY))
        for session in sessions:
            self.assertEqual([r['reset'] for r in session.resets()],
                             [wire.RESET_SUBSCRIBED])
