"""Publishes that wait until everybody has applied them."""

import json
import os
import pathlib
import re
import signal

from tests.net import wait
from tests.net.case import NetTest
from tests.net.links import Links

# Long enough for a busy machine, and never waited for when all goes well.
PATIENT = '30s'
PATIENT_MS = 30000


def applied(probe, key, timeout_ms=PATIENT_MS):
    """Let a probe invalidate a key of topic t and wait for everybody."""
    return probe.do('applied', timeout_ms, 't', key,
                    limit=timeout_ms / 1000 + 20)


def counts(receipt):
    """Return (of, applied, gone, refusing, missing)."""
    return tuple(receipt[name] for name in
                 ('of', 'applied', 'gone', 'refusing', 'missing'))


class Confirm(NetTest):
    """Sidecars with applications beside them."""

    def heard(self, probe, key) -> bool:
        """Tell whether a probe's callback was called for a key."""
        return any(entry['target'] == key.encode()
                   for entry in probe.pump().events())

    def freeze(self, probe) -> None:
        """Stop a probe, all its threads, until it is asked to end."""
        def is_stopped():
            return all(
                task.read_text(encoding='utf-8').rsplit(')', 1)[1].split()[0]
                == 'T' for task in
                pathlib.Path(f'/proc/{probe.pid}/task').glob('*/stat'))
        self.addCleanup(lambda: os.path.exists(f'/proc/{probe.pid}') and
                        os.kill(probe.pid, signal.SIGCONT))
        os.kill(probe.pid, signal.SIGSTOP)
        wait.until(is_stopped, f'{probe} to stop')

    def test_all_five_apply_it_before_anybody_is_told(self):
        nodes = self.mesh.start(5)
        probes = [self.mesh.probe(node, 't') for node in nodes]
        for number in range(20):
            publisher = probes[number % 5]
            receipt = applied(publisher, f'k{number}')
            self.assertEqual(receipt['result'], 'COHERD_OK')
            self.assertEqual(counts(receipt), (5, 5, 0, 0, 0))
            for probe in probes:
                self.assertTrue(self.heard(probe, f'k{number}'), probe)

    def test_coherctl_says_how_many_applied_it(self):
        nodes = self.mesh.start(5)
        probes = [self.mesh.probe(node, 't') for node in nodes[:3]]
        for flag in '--wait', '--wait=applied':
            done = nodes[4].control('invalidate', 't', '--key', 'k' + flag,
                                    flag, '--timeout', PATIENT)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertRegex(
                done.stdout,
                r'^5 of 5 instances applied it in [0-9.]+ (us|ms|s)\n$')
            for probe in probes:
                self.assertTrue(self.heard(probe, 'k' + flag), probe)
        told = nodes[4].control_json('invalidate', 't', '--all', '--wait',
                                     '--timeout', PATIENT)
        self.assertEqual((told['confirmed'], told['of'], told['applied'],
                          told['gone'], told['refusing'], told['missing'],
                          told['named']), (True, 5, 5, 0, 0, 0, []))
        done = nodes[4].control('publish', 't', 'hello', '--wait=replicated')
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r'^replicated in ')

    def test_sidecars_without_applications_apply_what_they_have(self):
        nodes = self.mesh.start(3)
        done = nodes[0].control('invalidate', 't', '--all', '--wait',
                                '--timeout', PATIENT)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r'^3 of 3 instances applied it in ')
        alone = self.mesh.node(9, {'discovery.names': '',
                                   'cluster.name': 'alone'})
        alone.start().wait_ready()
        done = alone.control('invalidate', 't', '--all', '--wait')
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r'^1 of 1 instances applied it in ')

    def test_an_application_that_is_frozen_is_named(self):
        nodes = self.mesh.start(5)
        probes = [self.mesh.probe(node, 't', name=f'app-{node}')
                  for node in nodes]
        self.freeze(probes[2])
        done = nodes[0].control('invalidate', 't', '--key', 'cold', '--wait',
                                '--timeout', '1s')
        self.assertEqual(done.returncode, 4)
        self.assertEqual(done.stdout, '')
        self.assertRegex(
            done.stderr, r'^coherctl: 4 of 5 instances applied it, 1 missing: '
                         r'n3 \(client app-n3\)\n$')
        receipt = applied(probes[1], 'colder', 1000)
        self.assertEqual(receipt['result'], 'COHERD_ERR_TIMEOUT')
        self.assertEqual(counts(receipt), (5, 4, 0, 0, 1))
        self.assertEqual(receipt['named'], [['n3', 'app-n3']])
        # Beside the publisher, too, and while its callback does not return.
        os.kill(probes[2].pid, signal.SIGCONT)
        probes[1].pause()
        probes[0].tell('later', 2000, 't', 'warm')
        wait.until(lambda: self.heard(probes[1], 'warm'), 'its callback')
        wait.until(lambda: probes[0].pump().receipts, 'the receipt')
        receipt = probes[0].receipts[0]
        self.assertEqual(receipt['result'], 'COHERD_ERR_TIMEOUT')
        self.assertEqual(receipt['named'], [['n2', 'app-n2']])
        probes[1].resume()
        receipt = applied(probes[0], 'warmer')
        self.assertEqual(counts(receipt), (5, 5, 0, 0, 0))

    def test_json_names_who_is_missing(self):
        nodes = self.mesh.start(2)
        probe = self.mesh.probe(nodes[1], 't', name='shop')
        self.freeze(probe)
        done = nodes[0].control('invalidate', 't', '--all', '--wait',
                                '--timeout', '500ms', '--json')
        self.assertEqual(done.returncode, 4, done.stdout)
        told = json.loads(done.stdout)
        self.assertEqual((told['confirmed'], told['of'], told['applied'],
                          told['missing']), (False, 2, 1, 1))
        self.assertEqual([(one['name'], one['session'])
                          for one in told['named']], [('n2', 'shop')])

    def test_a_member_that_dies_while_waited_for_is_gone(self):
        nodes = self.mesh.start(5)
        probes = [self.mesh.probe(node, 't') for node in nodes[:4]]
        frozen = self.mesh.probe(nodes[4], 't')
        frozen.pause()
        probes[0].tell('later', PATIENT_MS, 't', 'k')
        wait.until(lambda: self.heard(frozen, 'k'), 'its callback')
        self.assertEqual(probes[0].pump().receipts, [])
        nodes[4].kill()
        wait.until(lambda: probes[0].pump().receipts, 'the receipt')
        receipt = probes[0].receipts[0]
        self.assertEqual(receipt['result'], 'COHERD_OK')
        self.assertEqual(counts(receipt), (5, 4, 1, 0, 0))
        frozen.kill()

    def test_a_member_that_leaves_while_waited_for_is_gone(self):
        nodes = self.mesh.start(3)
        publisher = self.mesh.probe(nodes[0], 't')
        frozen = self.mesh.probe(nodes[2], 't')
        frozen.pause()
        publisher.tell('later', PATIENT_MS, 't', 'k')
        wait.until(lambda: self.heard(frozen, 'k'), 'its callback')
        # Its sidecar answers in order: it knows by now who is waited for.
        publisher.do('flush', PATIENT_MS)
        publisher.do('status', PATIENT_MS)
        self.assertEqual(nodes[2].terminate(), 0)
        wait.until(lambda: publisher.pump().receipts, 'the receipt')
        self.assertEqual(counts(publisher.receipts[0]), (3, 2, 1, 0, 0))
        frozen.kill()

    def test_a_client_that_serves_nothing_stale_is_safe(self):
        nodes = self.mesh.start(3)
        publisher = self.mesh.probe(nodes[0], 't')
        closed = self.mesh.probe(nodes[1], 't', bound=800, closed=True)
        wait.until(lambda: closed.staleness() < 800, 'it to be fresh')
        self.freeze(closed)
        receipt = applied(publisher, 'k')
        self.assertEqual(receipt['result'], 'COHERD_OK')
        self.assertEqual(counts(receipt), (3, 2, 0, 1, 0))
        done = nodes[2].control('invalidate', 't', '--key', 'l', '--wait',
                                '--timeout', PATIENT)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r'^2 of 3 instances applied it in .*, '
                                      r'1 refuses to serve\n$')

    def test_behind_a_strict_partition_clients_refuse(self):
        links = Links()
        self.addCleanup(links.close)
        nodes = self.mesh.start(3, {'partition.policy': 'strict'})
        publisher = self.mesh.probe(nodes[0], 't')
        # Longer than it takes until the others forget its address.
        bound = 3000
        closed = self.mesh.probe(nodes[2], 't', bound=bound, closed=True)
        wait.until(lambda: closed.staleness() < bound, 'it to be fresh')
        # What n3 promises it has said with a ping, by now.
        received = nodes[2].metric('coherd_pings_sent_total')
        wait.until(lambda: nodes[2].metric('coherd_pings_sent_total') >
                   received + 8, 'some pings')
        links.part([nodes[2]], nodes[:2])
        receipt = applied(publisher, 'k')
        self.assertEqual(receipt['result'], 'COHERD_OK')
        self.assertEqual(counts(receipt), (3, 2, 0, 1, 0))
        self.assertGreater(closed.staleness(), bound)
        self.assertFalse(self.heard(closed, 'k'))

    def test_behind_a_strict_partition_others_are_missing(self):
        links = Links()
        self.addCleanup(links.close)
        nodes = self.mesh.start(3, {'partition.policy': 'strict'})
        publisher = self.mesh.probe(nodes[0], 't')
        self.mesh.probe(nodes[2], 't')
        links.part([nodes[2]], nodes[:2])
        nodes[0].wait_member(nodes[2], 'silent')
        receipt = applied(publisher, 'k', 3000)
        self.assertEqual(receipt['result'], 'COHERD_ERR_TIMEOUT')
        self.assertEqual(counts(receipt), (3, 2, 0, 0, 1))
        self.assertEqual(receipt['named'], [['n3', '']])

    def test_another_instance_awaits_what_was_published_here(self):
        nodes = self.mesh.start(3)
        publisher = self.mesh.probe(nodes[0], 't')
        for polled in False, True:
            reader = self.mesh.probe(nodes[1], 't', polled=polled)
            for number in range(20):
                key = f'{polled}{number}'
                token = publisher.do('accept', 't', key)['token']
                done = reader.do('await', PATIENT_MS, token)
                self.assertEqual(done['result'], 'COHERD_OK')
                self.assertTrue(self.heard(reader, key))

    def test_coherctl_awaits_a_token(self):
        nodes = self.mesh.start(2)
        token = nodes[0].control_json('publish', 't', 'x')['token']
        self.assertTrue(re.fullmatch('[0-9a-f]{16}-[0-9a-f]+', token), token)
        done = nodes[1].control('await', token, '--timeout', PATIENT)
        self.assertEqual(done.returncode, 0, done.stderr)
        later = token.rsplit('-', 1)[0] + '-ffff'
        done = nodes[1].control('await', later, '--timeout', '300ms')
        self.assertEqual(done.returncode, 4)
        self.assertEqual(nodes[1].control('await', 'nonsense').returncode, 2)

    def test_two_publish_at_once(self):
        nodes = self.mesh.start(4)
        probes = [self.mesh.probe(node, 't') for node in nodes]
        for number in range(100):
            for probe in probes[:2]:
                probe.tell('later', PATIENT_MS, 't', f'k{number}')
        for probe in probes[:2]:
            wait.until(lambda p=probe: len(p.pump().receipts) >= 100,
                       lambda p=probe: f'{len(p.receipts)} receipts')
            for receipt in probe.receipts:
                self.assertEqual(receipt['result'], 'COHERD_OK')
                self.assertEqual(counts(receipt), (4, 4, 0, 0, 0))
        self.assertEqual([probe for probe in probes
                          if not self.heard(probe, 'k99')], [])

    def test_a_receipt_survives_the_publisher_s_sidecar(self):
        nodes = self.mesh.start(3)
        publisher = self.mesh.probe(nodes[0], 't')
        frozen = self.mesh.probe(nodes[1], 't')
        frozen.pause()
        publisher.tell('later', PATIENT_MS, 't', 'k')
        wait.until(lambda: self.heard(frozen, 'k'), 'its callback')
        nodes[0].kill()
        nodes[0].start().wait_ready()
        nodes[0].wait_sees(*nodes)
        frozen.resume()
        wait.until(lambda: publisher.pump().receipts, 'the receipt')
        self.assertEqual(publisher.receipts[0]['result'], 'COHERD_OK')
        self.assertEqual(publisher.receipts[0]['missing'], 0)
