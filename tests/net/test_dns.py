"""Whatever DNS says, a healthy mesh stays healthy.

The cases are those that took other systems' meshes down: errors, silence,
empty, partial, truncated, forged and enormous answers.
"""

import time

from tests.net import dns, links, process, wait, wire
from tests.net.case import NetTest, SharedTest
from tests.net.daemon import DNS_INTERVAL
from tests.net.namespace import DEAD, REFUSING, host

NODES = 3

# What must not happen to a peer that talks.
CALAMITIES = ('peer_left', 'peer_dead', 'peer_silent', 'peer_forgotten',
              'node_degraded')

KEY = wire.item(wire.INVALIDATE, 't', wire.KEY, b'k')


def polls(node) -> float:
    """Return how many polls of DNS have ended at a node."""
    return node.metric('coherd_dns_polls_total')


def wait_polls(nodes, count) -> None:
    """Wait until each node has polled count more times."""
    wanted = {node: polls(node) + count for node in nodes}
    for node, number in wanted.items():
        wait.until(lambda n=node, w=number: polls(n) >= w,
                   f'{count} polls at {node}')


class Misbehaving(SharedTest):
    """Three nodes, and a name server that stops telling the truth."""

    @classmethod
    def build(cls, mesh):
        cls.nodes = [mesh.node(number) for number in (1, 2, 3)]
        cls.addresses = [node.address for node in cls.nodes]
        mesh.dns.behave = dns.honest(cls.addresses)
        mesh.gather(*cls.nodes)
        cls.sessions = [mesh.session(node, 't') for node in cls.nodes]

    @classmethod
    def name_server(cls):
        return dns.Responder()

    def survives(self, behaviour, outcome, count=NODES):
        """Let the server behave so; check that the mesh does not care."""
        marks = [node.log.mark() for node in self.nodes]
        self.addCleanup(self.recover)
        self.mesh.dns.behave = behaviour
        for node in self.nodes:
            wait.until(lambda n=node: n.says('dns') == outcome and
                       n.says('dns_count') == count,
                       lambda n=node: f'{outcome}; {n.report()}')
        for node, mark in zip(self.nodes, marks):
            node.wait_sees(*self.nodes)
            for event in CALAMITIES:
                self.assertEqual(node.log.find(event, mark), [])
        for session in self.sessions:
            self.all_hear(self.sessions, *session.publish(KEY))

    def recover(self):
        """Tell the truth again, and wait until it is known."""
        self.mesh.dns.behave = dns.honest(self.addresses)
        for node in self.nodes:
            wait.until(lambda n=node: n.says('dns') == 'answer' and
                       n.says('dns_count') == NODES,
                       lambda n=node: f'an answer again; {n.report()}')

    def test_servfail_is_unknown_and_changes_nothing(self):
        self.survives(dns.failing(dns.SERVFAIL), 'unknown')
        for node in self.nodes:
            self.assertTrue(node.log.find('dns_unknown'))
            self.assertGreater(node.metric('coherd_dns_failures_total'), 0)

    def test_refused_is_unknown_and_changes_nothing(self):
        self.survives(dns.failing(dns.REFUSED), 'unknown')

    def test_nxdomain_is_empty_and_drops_nobody_who_talks(self):
        self.survives(dns.failing(dns.NXDOMAIN), 'empty')
        self.assertGreater(self.nodes[0].metric('coherd_dns_empty_total'), 0)

    def test_an_empty_answer_drops_nobody_who_talks(self):
        self.survives(dns.empty, 'empty')

    def test_an_answer_that_ends_within_a_record_is_unknown(self):
        self.survives(dns.lying_lengths(self.addresses), 'unknown')

    def test_a_truncated_answer_that_hides_it_drops_nobody_who_talks(self):
        # The second is still named, so each misses at least one.
        self.nodes[1].wait_sees(*self.nodes)
        self.mesh.dns.behave = dns.cut_short(self.addresses, 1)
        self.addCleanup(self.recover)
        wait_polls(self.nodes, 2)
        for node in self.nodes:
            node.wait_sees(*self.nodes)
            self.assertEqual(node.log.find('peer_left'), [])
        for session in self.sessions:
            self.all_hear(self.sessions, *session.publish(KEY))


class Unanswered(NetTest):
    """Name servers, one for each node, of which no answer is usable."""

    def test_silence_lateness_garbage_and_forgery_are_unknown(self):
        nodes, servers, addresses = [], [], []
        for number in (1, 2, 3, 4):
            address = host(0x30 + number)
            servers.append(dns.Responder(address))
            self.addCleanup(servers[-1].close)
            servers[-1].start()
            nodes.append(self.mesh.node(number, {
                'discovery.servers': f'[{address}]:53'}))
            addresses.append(nodes[-1].address)
        for server in servers:
            server.behave = dns.honest(addresses)
        self.mesh.gather(*nodes)
        sessions = [self.mesh.session(node, 't') for node in nodes]
        for server, behaviour in zip(servers, (
                dns.silent, dns.late(addresses, 6), dns.garbage(),
                dns.forged([f'{REFUSING}1']))):
            server.behave = behaviour
        for node in nodes:
            wait.until(lambda n=node: n.says('dns') == 'unknown',
                       lambda n=node: f'unknown; {n.report()}')
        for node in nodes:
            node.wait_sees(*nodes)
            self.assertEqual(node.says('dns_count'), len(nodes))
            self.assertNotIn(f'{REFUSING}1', node.members())
            for event in CALAMITIES:
                self.assertEqual(node.log.find(event), [])
        for session in sessions:
            self.all_hear(sessions, *session.publish(KEY))
        for server in servers:
            server.behave = dns.honest(addresses)
        for node in nodes:
            wait.until(lambda n=node: n.says('dns') == 'answer',
                       lambda n=node: f'an answer; {n.report()}')


class Real(NetTest):
    """A real name server."""

    def test_a_name_server_that_is_down_leaves_the_mesh_as_it_is(self):
        nodes = self.mesh.start(3)
        sessions = [self.mesh.session(node, 't') for node in nodes]
        self.mesh.dns.stop()
        for node in nodes:
            wait.until(lambda n=node: n.says('dns') == 'unknown',
                       lambda n=node: f'unknown; {n.report()}')
            self.assertEqual(node.says('dns_count'), NODES)
            node.wait_sees(*nodes)
        for session in sessions:
            self.all_hear(sessions, *session.publish(KEY))
        # One that starts meanwhile is ready alone, and found afterwards.
        late = self.mesh.node(4, {'join.timeout': '1s'})
        late.start().wait_ready()
        self.assertEqual(late.members(), {})
        self.mesh.list(*nodes, late)
        self.mesh.dns.start()
        for node in [*nodes, late]:
            node.wait_sees(*nodes, late)
            wait.until(lambda n=node: n.says('dns') == 'answer', 'an answer')

    def test_a_name_that_does_not_exist_yet_is_found_when_it_does(self):
        nodes = [self.mesh.node(number) for number in (1, 2)]
        for node in nodes:
            node.start().wait_ready()
            self.assertEqual(node.report()['dns'], 'empty')
        self.mesh.list(*nodes)
        for node in nodes:
            node.wait_sees(*nodes)

    def test_several_names_add_up(self):
        nodes = [self.mesh.node(number, {
            'discovery.names': 'east.internal, west.internal',
        }) for number in (1, 2)]
        self.mesh.dns.list(nodes[0].address, name='east.internal')
        self.mesh.dns.list(nodes[1].address, name='west.internal')
        self.mesh.gather(*nodes)
        self.assertEqual(nodes[0].says('dns_count'), 2)

    def test_both_families_add_up(self):
        node = self.mesh.node(1, {'discovery.family': 'any'})
        other = self.mesh.node(2, {'discovery.family': 'any'})
        self.mesh.dns.list(node.address, other.address, '127.0.0.77')
        node.start()
        other.start()
        node.wait_member(other, 'live')
        self.assertIn('127.0.0.77', node.members())
        self.assertEqual(node.says('dns_count'), 3)


class Partial(NetTest):
    """A name server that names five of eight, each time others."""

    @classmethod
    def name_server(cls):
        return dns.Responder()

    def test_partial_answers_make_nobody_flap(self):
        nodes = [self.mesh.node(number) for number in range(1, 9)]
        addresses = [node.address for node in nodes]
        self.mesh.dns.behave = dns.partial(addresses, 5)
        for node in nodes:
            node.start()
        for node in nodes:
            node.wait_sees(*nodes)
        marks = [node.log.mark() for node in nodes]
        wait_polls(nodes, 4)
        for node, mark in zip(nodes, marks):
            node.wait_sees(*nodes)
            self.assertEqual(node.says('dns_count'), 5)
            for event in (*CALAMITIES, 'peer_redialled', 'peer_live'):
                self.assertEqual(node.log.find(event, mark), [])


class Enormous(NetTest):
    """An answer of three hundred, most of whom nobody has ever met."""

    def test_three_hundred_records_of_which_few_answer(self):
        links.bury()
        nodes = [self.mesh.node(number, {'join.timeout': '1s'})
                 for number in (1, 2, 3)]
        missing = [f'{prefix}{number:x}' for prefix in (REFUSING, DEAD)
                   for number in range(1, 149)]
        self.mesh.dns.list(*(node.address for node in nodes), *missing)
        for node in nodes:
            node.start()
        for node in nodes:
            node.wait_ready()
            node.wait_sees(*nodes)
            report = wait.until(
                lambda n=node: (r := n.report()).get('degraded') and r,
                'degraded')
            self.assertEqual(report['dns_count'], len(nodes) + len(missing))
            found = {m['address'] for m in report['members']
                     if m['state'] == 'listed'}
            self.assertEqual(found, set(missing))
            self.assertIn(node.log.wait('node_degraded')['address'],
                          {f'[{address}]:7420' for address in missing})
        self.assertEqual(nodes[0].get('/readyz')[0], 200)
        sessions = [self.mesh.session(node, 't') for node in nodes]
        begun = time.monotonic()
        used = [process.processor_seconds(node.pid) for node in nodes]
        wait_polls(nodes, 3)
        for session in sessions:
            self.all_hear(sessions, *session.publish(KEY))
        seconds = time.monotonic() - begun
        self.assertGreater(seconds, 2 * DNS_INTERVAL)
        for node, before in zip(nodes, used):
            share = (process.processor_seconds(node.pid) - before) / seconds
            self.assertLess(share, 0.25, f'{node} is busy with nothing')
            node.wait_sees(*nodes)
