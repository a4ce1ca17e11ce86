"""What operators and supervisors rely on: configuration, signals, HTTP, logs.
"""

import json
import os
import pathlib
import re
import signal
import socket
import stat
import time

from tests.net import process, wait, wire
from tests.net.case import NetTest, SharedTest, fresh
from tests.net.daemon import parse_line

KEY = wire.item(wire.INVALIDATE, 't', wire.KEY, b'k')


class Configuration(NetTest):
    """Mistakes are told all at once, before anything is bound."""

    def refused(self, *flags, environment=None, **settings):
        """Start a node that must not start; return what it says."""
        node = self.mesh.node(1)
        self.mesh.nodes.clear()
        node.configure(**settings)
        done = process.run(node.command(*flags), seconds=10,
                           env={**process.ENVIRONMENT, **(environment or {})})
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertFalse(node.socket.exists())
        return node, done.stderr

    def test_a_bad_value_in_the_file_is_told_with_line_and_what_is_accepted(
            self):
        node, text = self.refused(discovery__interval='0s')
        number = list(node.settings).index('discovery.interval') + 1
        self.assertIn('discovery.interval', text)
        self.assertIn('0s', text)
        self.assertIn(f'{node.folder}/conf:{number}', text)
        self.assertIn('from 1s to 1h', text)

    def test_a_bad_value_in_the_environment_is_told_with_its_variable(self):
        _, text = self.refused(environment={'COHERD_MESH_PORT': 'http'})
        for word in ('mesh.port', 'http', 'COHERD_MESH_PORT', '65534'):
            self.assertIn(word, text)

    def test_a_bad_flag_is_told_with_the_words_it_takes(self):
        _, text = self.refused('--logging-level=loud')
        for word in ('logging.level', 'loud', '--logging-level',
                     'error|warn|notice|info|debug'):
            self.assertIn(word, text)

    def test_unknown_names_are_told_with_the_nearest_that_exists(self):
        _, text = self.refused('--mesh-prot', '7420', mesh__adress='::1')
        self.assertIn('--mesh-prot', text)
        self.assertIn('--mesh-port', text)
        self.assertIn('mesh.adress', text)
        self.assertIn('mesh.address', text)

    def test_settings_that_contradict_each_other_are_told(self):
        _, text = self.refused(ping__interval='1s', member__dead_after='1s')
        self.assertIn('ping.interval', text)
        self.assertIn('member.dead_after', text)

    def test_a_missing_file_is_told(self):
        done = process.run([process.COHERD, '--config', '/nonexistent/conf'])
        self.assertEqual(done.returncode, 2)
        self.assertIn('/nonexistent/conf', done.stderr)

    def test_flags_win_over_environment_and_environment_over_file(self):
        node = self.mesh.node(1, {'node.region': 'file',
                                  'node.name': 'file',
                                  'cluster.name': 'file'})
        done = process.run(
            node.command('--print-config', '--node-name=flag'),
            env={**process.ENVIRONMENT, 'COHERD_NODE_NAME': 'environment',
                 'COHERD_NODE_REGION': 'environment',
                 'FLY_APP_NAME': 'fly', 'FLY_REGION': 'ams'})
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = {line.split(' = ')[0]: line.split(' = ')[1]
                 for line in done.stdout.splitlines() if ' = ' in line}
        self.assertIn('"flag"', lines['node.name'])
        self.assertIn('--node-name', lines['node.name'])
        self.assertIn('"environment"', lines['node.region'])
        self.assertIn('COHERD_NODE_REGION', lines['node.region'])
        self.assertIn('"file"', lines['cluster.name'])
        self.assertIn('conf:', lines['cluster.name'])
        # What it prints is a file that means the same.
        again = node.folder / 'again'
        again.write_text(done.stdout, encoding='utf-8')
        second = process.run([node.program, '--config', again,
                              '--print-config'])
        self.assertEqual(second.returncode, 0, second.stderr)

        def values(text):
            return [line.split('  # ')[0] for line in text.splitlines()]
        self.assertEqual(values(done.stdout), values(second.stdout))

    def test_on_fly_nothing_needs_to_be_set(self):
        nodes = []
        for number in (1, 2):
            node = self.mesh.node(number)
            for name in ('node.name', 'mesh.address', 'discovery.names'):
                del node.settings[name]
            node.configure()
            node.start(environment={
                'FLY_APP_NAME': 'app', 'FLY_REGION': 'ams',
                'FLY_MACHINE_ID': f'machine{number}',
                'FLY_PRIVATE_IP': node.address})
            nodes.append(node)
        self.mesh.list(*nodes)
        for node in nodes:
            node.wait_sees(*nodes)
        member = nodes[0].member(nodes[1])
        self.assertEqual(member['name'], 'machine2')
        self.assertEqual(member['region'], 'ams')
        self.assertEqual(nodes[0].report()['cluster'], 'app')

    def test_an_address_that_is_taken_is_told_and_fails(self):
        first = self.mesh.node(1)
        self.mesh.list(first)
        self.mesh.gather(first)
        second = self.mesh.node(2, {'mesh.address': first.address,
                                    'admin.address': ''})
        second.start()
        self.assertEqual(second.wait_exit(), 1)
        self.assertIn(f'[{first.address}]:7420', second.log.tail())
        self.assertFalse(second.socket.exists())
        first.wait_ready()


class Socket(NetTest):
    """The Unix socket is replaced when it is stale, and only then."""

    def test_a_stale_socket_file_is_replaced(self):
        node, = self.mesh.start(1)
        node.kill()
        self.assertTrue(node.socket.exists())
        node.start().wait_ready()

    def test_a_socket_that_somebody_serves_is_left_to_them(self):
        first, = self.mesh.start(1)
        second = self.mesh.node(2, {'local.socket': first.socket})
        second.start()
        self.assertEqual(second.wait_exit(), 1)
        self.assertIn(str(first.socket), second.log.tail())
        first.session().ping()

    def test_a_file_that_is_no_socket_is_never_replaced(self):
        node = self.mesh.node(1)
        node.socket.write_text('precious', encoding='ascii')
        node.start()
        self.assertEqual(node.wait_exit(), 1)
        self.assertEqual(node.socket.read_text(encoding='ascii'), 'precious')

    def test_the_socket_has_the_mode_that_is_set_and_goes_at_exit(self):
        node = self.mesh.node(1, {'local.mode': '0640'})
        node.start().wait_ready()
        self.assertEqual(stat.S_IMODE(node.socket.stat().st_mode), 0o640)
        self.assertEqual(node.terminate(), 0)
        self.assertFalse(node.socket.exists())

    def test_users_who_are_not_admitted_are_turned_away(self):
        node = self.mesh.node(1, {'local.uids': '4242'})
        node.start()
        node.log.wait('node_ready')
        session = wire.Session(node.socket, hello=False)
        session.wait_closed()
        session.close()
        wait.until(lambda: node.metric('coherd_local_refused_total') == 1,
                   'the refusal to be counted')


class Signals(NetTest):
    """SIGTERM, SIGHUP and the supervisor's socket."""

    def test_sigterm_drains_and_what_was_accepted_arrives(self):
        first, second = self.mesh.start(2)
        listener = self.mesh.session(second, 't')
        publisher = first.session('t')
        last = 0
        for _ in range(50):
            last = publisher.offer(*(fresh() for _ in range(100)))
        wait.until(lambda: publisher.pump().receipts and
                   publisher.receipts[-1][0] == last, 'the last receipt')
        _, origin, seq = publisher.receipts[-1]
        first.signal(signal.SIGTERM)
        self.all_hear([listener], origin, seq)
        self.assertEqual(first.wait_exit(), 0)
        self.assertEqual(len(listener.events()), 5000)
        self.assertEqual(len(listener.resets()), 1)
        self.assertTrue(second.log.wait('peer_left'))
        self.assertEqual(second.log.find('events_lost'), [])
        publisher.close()

    def test_sigterm_ends_in_time_with_a_frozen_member(self):
        first, second = self.mesh.start(2, {'drain.timeout': '1s'})
        session = self.mesh.session(first)
        second.freeze()
        session.publish(KEY)
        begun = time.monotonic()
        self.assertEqual(first.terminate(), 0)
        self.assertLess(time.monotonic() - begun, 4)
        second.thaw()

    def test_sigint_drains_too(self):
        node, = self.mesh.start(1)
        node.signal(signal.SIGINT)
        self.assertEqual(node.wait_exit(), 0)
        self.assertTrue(node.log.find('node_draining'))

    def test_sighup_changes_the_log_level_and_the_peers(self):
        first = self.mesh.node(1, {'discovery.names': '',
                                   'logging.level': 'warn'})
        second = self.mesh.node(2, {'discovery.names': ''})
        first.start().wait_ready()
        second.start().wait_ready()
        self.assertEqual(first.log.find('node_ready'), [])
        first.configure(logging__level='info',
                        discovery__peers=f'[{second.address}]:7420')
        first.signal(signal.SIGHUP)
        first.wait_sees(first, second)
        first.log.wait('peer_live')

    def test_sighup_with_a_mistake_in_the_file_changes_nothing(self):
        first, second = self.mesh.start(2)
        mark = first.log.mark()
        first.configure(logging__level='loud')
        first.signal(signal.SIGHUP)
        wait.until(lambda: any('loud' in str(line)
                               for line in first.log.read()[mark:]),
                   'the mistake to be told')
        first.wait_sees(first, second)
        self.assertEqual(first.log.find('node_draining'), [])

    def test_the_supervisor_is_told_when_it_is_ready_and_when_it_leaves(self):
        path = self.mesh.folder / 'notify'
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
            server.bind(str(path))
            server.settimeout(wait.LIMIT)
            node = self.mesh.node(1)
            node.start(environment={'NOTIFY_SOCKET': str(path)})
            said = server.recv(4096).decode()
            self.assertIn('READY=1', said)
            self.assertEqual(node.report()['state'], 'ready')
            node.signal(signal.SIGTERM)
            while 'STOPPING=1' not in said:
                said = server.recv(4096).decode()
            self.assertEqual(node.wait_exit(), 0)


class Http(NetTest):
    """Probes of orchestrators, and metrics."""

    def test_readyz_is_503_until_listed_peers_are_met_and_healthz_200(self):
        node = self.mesh.node(1, {'join.timeout': '20s'})
        other = self.mesh.node(2)
        self.mesh.list(node, other)
        node.start()
        wait.until(lambda: node.get('/healthz')[0] == 200, 'health')
        status, _, text = node.get('/readyz')
        self.assertEqual(status, 503)
        self.assertNotEqual(text, '')
        other.start()
        wait.until(lambda: node.get('/readyz')[0] == 200, 'readiness')
        node.signal(signal.SIGTERM)
        node.wait_exit()

    def test_other_paths_and_methods_are_refused_properly(self):
        node, = self.mesh.start(1)
        self.assertEqual(node.get('/nothing')[0], 404)
        with socket.create_connection((node.address, 7422), 5) as client:
            client.sendall(b'POST /metrics HTTP/1.1\r\nHost: x\r\n'
                           b'Content-Length: 0\r\nConnection: close\r\n\r\n')
            self.assertRegex(client.recv(4096), rb'^HTTP/1.1 40[45] ')
        chance = b'\x16\x03\x01' + bytes(range(256))
        with socket.create_connection((node.address, 7422), 5) as client:
            client.sendall(chance)
        self.assertEqual(node.get('/healthz')[0], 200)

    def test_metrics_are_well_formed_and_complete(self):
        first, second = self.mesh.start(2)
        session = self.mesh.session(first, 't')
        listener = self.mesh.session(second, 't')
        self.all_hear([session, listener], *session.publish(KEY))
        status, headers, text = first.get('/metrics')
        self.assertEqual(status, 200)
        self.assertIn('text/plain', headers['Content-Type'])
        self.assertIn('version=0.0.4', headers['Content-Type'])
        self.check_exposition(text)
        metrics = first.metrics()
        self.assertEqual(metrics['coherd_events_published_total'], 1)
        self.assertEqual(second.metric('coherd_events_received_total'), 1)
        root = pathlib.Path(process.ROOT)
        for table in ('proto/core/stats.def', 'broker/tally.def'):
            source = (root / table).read_text(encoding='utf-8')
            for name in re.findall(r'^X\(\w+,\s*"(\w+)"', source, re.M):
                self.assertIn(f'coherd_{name}_total', metrics)

    def test_mesh_traffic_is_counted_where_it_leaves_and_arrives(self):
        first, second = self.mesh.start(2)
        listener = self.mesh.session(second, 't')
        before = first.metrics(), second.metrics()
        publisher = self.mesh.session(first)
        self.all_hear([listener], *publisher.publish(
            wire.item(wire.UPDATE, 't', wire.KEY, b'k', bytes(5000))))

        def grew(index, name):
            node = (first, second)[index]
            name = f'coherd_mesh_{name}_total'
            return node.metric(name) - before[index][name]
        self.assertGreaterEqual(grew(0, 'broadcast_sent_bytes'), 5000)
        self.assertGreaterEqual(grew(1, 'broadcast_received_bytes'), 5000)
        for index in (0, 1):
            for kind in ('control_sent', 'control_received',
                         'broadcast_sent', 'broadcast_received'):
                wait.until(lambda i=index, k=kind: grew(i, k) > 2, kind)
                # What is smallest has five fields, what is largest is above.
                each = grew(index, f'{kind}_bytes') / grew(index, kind)
                self.assertGreater(each, 5)
                self.assertLess(each, 6000)
        # Whoever is read later has counted more.
        for sender, receiver in ((first, second), (second, first)):
            for kind in ('control', 'broadcast'):
                for unit in ('', '_bytes'):
                    received = receiver.metric(
                        f'coherd_mesh_{kind}_received{unit}_total')
                    self.assertLessEqual(received, sender.metric(
                        f'coherd_mesh_{kind}_sent{unit}_total'))

    def check_exposition(self, text):
        """Check the text format of Prometheus, as a parser would."""
        self.assertTrue(text.endswith('\n'))
        kinds, helps, seen = {}, {}, set()
        last = None
        closed = set()
        for line in text.splitlines():
            if line.startswith('# HELP '):
                _, _, name, told = line.split(' ', 3)
                self.assertNotIn(name, helps)
                helps[name] = told
                continue
            if line.startswith('# TYPE '):
                _, _, name, kind = line.split(' ')
                self.assertNotIn(name, kinds)
                self.assertIn(kind, ('counter', 'gauge', 'histogram'))
                kinds[name] = kind
                continue
            match = re.fullmatch(
                r'([a-zA-Z_:][a-zA-Z0-9_:]*)'
                r'(\{(?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\.)*",?)*\})? (\S+)', line)
            self.assertIsNotNone(match, line)
            name = match[1]
            base = re.sub(r'_(bucket|sum|count)$', '', name)
            family = base if kinds.get(base) == 'histogram' else name
            self.assertIn(family, kinds, line)
            self.assertIn(family, helps, line)
            self.assertTrue(name.startswith(('coherd_', 'process_')), line)
            self.assertEqual(kinds[family] == 'counter',
                             name.endswith('_total'), line)
            self.assertNotIn((name, match[2]), seen, line)
            seen.add((name, match[2]))
            float(match[3])
            if family != last:
                self.assertNotIn(family, closed, 'a family is in two places')
                closed.add(last)
                last = family
        self.assertEqual(set(kinds), set(helps))

    def test_admin_can_be_turned_off(self):
        node = self.mesh.node(1, {'admin.address': ''})
        self.mesh.list(node)
        node.start().wait_ready()
        self.assertEqual(node.get('/healthz')[0], 0)


class Logs(NetTest):
    """Lines that machines read."""

    def test_logfmt_and_json_lines_parse_and_say_the_same(self):
        nodes = [self.mesh.node(1, {'logging.format': 'logfmt'}),
                 self.mesh.node(2, {'logging.format': 'json'})]
        self.mesh.list(*nodes)
        self.mesh.gather(*nodes)
        for node in nodes:
            self.mesh.session(node, name='a "quoted" \\ name = x')
        for node in nodes:
            line = node.log.wait('session_open',
                                 text='a "quoted" \\ name = x')
            self.assertTrue(line['session'])
            node.terminate()
        keys = []
        for node, is_json in zip(nodes, (False, True)):
            lines = node.log.path.read_text(encoding='utf-8').splitlines()
            for text in lines:
                self.assertEqual(text.startswith('{'), is_json, text)
                line = parse_line(text)
                self.assertRegex(
                    line['ts'], r'^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$')
                self.assertIn(line['level'],
                              ('error', 'warn', 'notice', 'info', 'debug'))
                self.assertRegex(line['event'], r'^[a-z0-9_]+$')
                if is_json:
                    json.loads(text)
            keys.append(list(node.log.find('peer_live')[0]))
        self.assertEqual(*keys)

    def test_a_standard_error_that_nobody_reads_stops_nothing(self):
        node = self.mesh.node(1)
        self.mesh.list(node)
        reader, writer = os.pipe()
        node.process = process.spawn(node.command(), stderr=writer)
        os.close(writer)
        self.addCleanup(os.close, reader)
        node.wait_ready()
        # Each is told, until the pipe is full.
        for number in range(40):
            for _ in range(20):
                node.session(name=f'{number}' + 'x' * 120).close()
        self.assertTrue(node.report())


class Packaging(SharedTest):
    """What surrounds the daemon."""

    @classmethod
    def build(cls, mesh):
        cls.node = mesh.node(1)

    def test_help_and_version_print_and_succeed(self):
        for program in (process.COHERD, process.COHERCTL):
            done = process.run([program, '--help'])
            self.assertEqual(done.returncode, 0)
            self.assertIn('usage', done.stdout.lower())
            done = process.run([program, '--version'])
            self.assertEqual(done.returncode, 0)
            self.assertRegex(done.stdout, r'\d+\.\d+\.\d+')

    def test_the_example_file_is_accepted(self):
        done = process.run([process.COHERD, '--check-config', '--config',
                            process.ROOT / 'deploy/coherd.conf'])
        self.assertEqual(done.returncode, 0, done.stderr)
