"""coherctl: what it prints, and what its exit status says."""

import json
import socket
import time

import msgpack

from tests.net import process, wait, wire
from tests.net.case import SharedTest

DONE, FAILED, USAGE, UNREACHABLE, UNCONFIRMED = range(5)


class Coherctl(SharedTest):
    """Two nodes, looked at and spoken through by coherctl."""

    @classmethod
    def build(cls, mesh):
        cls.nodes = mesh.start(2)
        cls.first, cls.second = cls.nodes
        cls.listener = mesh.session(cls.second, 'episodes', 'news')

    def arrives(self, done):
        """Check that what coherctl --json says it published arrives."""
        self.assertEqual(done.returncode, DONE, done.stderr)
        said = json.loads(done.stdout)
        return self.all_hear([self.listener], int(said['origin'], 16),
                             said['seq'])[0]

    def targets_after(self, mark):
        """Return what the listener heard since: (target kind, target)."""
        return [(event['target_kind'], event['target'])
                for event in self.listener.events()[mark:]]

    def test_invalidate_takes_every_kind_of_target(self):
        mark = len(self.listener.events())
        self.arrives(self.first.control(
            'invalidate', 'episodes', '--key', '51', '--key', '52', '--tag',
            'home', '--prefix', '5', '--all', '--json'))
        self.assertEqual(self.targets_after(mark), [
            (wire.KEY, b'51'), (wire.KEY, b'52'), (wire.TAG, b'home'),
            (wire.PREFIX, b'5'), (wire.ALL, b'')])

    def test_soft_invalidations_are_soft(self):
        event = self.arrives(self.first.control(
            'invalidate', 'episodes', '--key', 'soft', '--soft', '--json'))
        self.assertEqual(event['flags'], wire.SOFT)

    def test_demands_travel_with_the_invalidation(self):
        event = self.arrives(self.first.control(
            'invalidate', 'episodes', '--key', '51', '--version', '90210',
            '--again-after', '1.5s', '--json'))
        self.assertEqual((event['version'], event['again_ms']), (90210, 1500))
        for option, value in (('--version', '0'), ('--version', '1x'),
                              ('--again-after', '2'), ('--again-after', '2h'),
                              ('--again-after', '0s')):
            done = self.first.control('invalidate', 'episodes', '--all',
                                      option, value)
            self.assertEqual(done.returncode, USAGE, option)
            self.assertIn(value, done.stderr)

    def test_keys_from_standard_input_all_arrive(self):
        mark = len(self.listener.events())
        keys = [f'episode {number}' for number in range(3000)]
        self.arrives(self.first.control(
            'invalidate', 'episodes', '-', '--json',
            input='\n'.join(keys) + '\n\n'))
        self.assertEqual(self.targets_after(mark),
                         [(wire.KEY, key.encode()) for key in keys])

    def test_no_keys_on_standard_input_is_nothing_to_do(self):
        done = self.first.control('invalidate', 'episodes', '-', input='')
        self.assertEqual(done.returncode, DONE)
        self.assertNotEqual(done.stderr, '')

    def test_publish_sends_messages_and_updates(self):
        event = self.arrives(self.first.control('publish', 'news', 'hello',
                                                '--json'))
        self.assertEqual((event['kind'], event['value']),
                         (wire.MESSAGE, b'hello'))
        event = self.arrives(self.first.control(
            'publish', 'news', '-', '--key', 'k', '--json', input='from afar'))
        self.assertEqual(
            (event['kind'], event['target'], event['value']),
            (wire.UPDATE, b'k', b'from afar'))

    def test_what_it_prints_for_people_says_what_was_done(self):
        done = self.first.control('invalidate', 'episodes', '--key', '51')
        self.assertEqual(done.returncode, DONE)
        self.assertRegex(done.stdout, r'episodes.* 1 .*[0-9a-f]{16}:\d+')

    def test_status_and_peers_agree_as_text_and_as_json(self):
        status = self.first.control_json('status')
        self.assertEqual(status['node']['name'], 'n1')
        self.assertEqual(status['node']['state'], 'ready')
        self.assertEqual(status['node']['dns'], 'answer')
        self.assertEqual(status['node']['address'], self.first.address)
        peers = self.first.control_json('peers')
        member, = peers['members']
        self.assertEqual(member['name'], 'n2')
        self.assertEqual(member['state'], 'live')
        self.assertEqual(member['address'], self.second.address)
        self.assertIs(member['hears_us'], True)
        for command in ('status', 'peers'):
            done = self.first.control(command)
            self.assertEqual(done.returncode, DONE)
            self.assertRegex(done.stdout, r'n2 .*\blive\b')
            self.assertIn(f'[{self.second.address}]:7420', done.stdout)

    def test_watch_shows_events_of_every_kind_as_they_happen(self):
        path = self.mesh.folder / 'watch'
        with open(path, 'wb') as output:
            watcher = process.spawn(
                [process.COHERCTL, '--socket', self.second.socket, 'watch',
                 'episodes', '--prefix', 'ne', '--count', '3', '--json'],
                stdout=output)
        self.addCleanup(process.end, watcher)
        wait.until(lambda: path.read_text().count('"reset"') >= 2,
                   'the RESETs that subscriptions begin with')
        self.first.control('invalidate', 'episodes', '--key', 'a"b\nc')
        self.first.control('publish', 'news', 'hello')
        self.first.control('publish', 'others', 'unheard')
        with self.first.session() as publisher:
            publisher.publish(wire.item(wire.UPDATE, 'new', wire.KEY,
                                        b'\xff\xfe', b'\0'))
        wait.until(lambda: watcher.poll() is not None, 'the third event')
        self.assertEqual(watcher.returncode, DONE)
        shown = [json.loads(line) for line in path.read_text().splitlines()]
        shown = [line for line in shown if line['event'] != 'reset']
        self.assertEqual([line['event'] for line in shown],
                         ['invalidate', 'message', 'update'])
        self.assertEqual(shown[0]['name'], 'a"b\nc')
        self.assertEqual(shown[1]['value'], 'hello')
        self.assertEqual(shown[2]['name_base64'], '//4=')

    def test_wrong_arguments_exit_with_2_and_say_why(self):
        for words in ([], ['frobnicate'], ['--frobnicate', 'status'],
                      ['invalidate'], ['invalidate', 'episodes'],
                      ['invalidate', 'episodes', 'news', '--all'],
                      ['invalidate', 'episodes', '--key', ''],
                      ['invalidate', 'episodes', '--key', 'x' * 1025],
                      ['publish', 'news'], ['status', 'me'],
                      ['status', '--timeout', 'soon'],
                      ['watch', '--count', '0']):
            with self.subTest(words[:2]):
                done = self.first.control(*words)
                self.assertEqual(done.returncode, USAGE, done.stdout)
                self.assertNotEqual(done.stderr, '')
                self.assertEqual(done.stdout, '')

    def test_what_the_library_refuses_exits_with_1_or_2(self):
        for words, status in ((['invalidate', 'x' * 256, '--all'], USAGE),
                              (['invalidate', 'a\nb', '--all'], USAGE),
                              (['publish', 'news', 'x' * 65537], FAILED)):
            with self.subTest(words[0]):
                done = self.first.control(*words)
                self.assertEqual(done.returncode, status, done.stderr)
                self.assertNotEqual(done.stderr, '')

    def test_a_sidecar_that_is_not_there_exits_with_3_and_soon(self):
        for words in (['status'], ['peers'], ['watch'],
                      ['invalidate', 'episodes', '--all'],
                      ['publish', 'news', 'hello']):
            with self.subTest(words[0]):
                begun = time.monotonic()
                done = process.run([process.COHERCTL, '--socket',
                                    self.mesh.folder / 'nothing', *words])
                self.assertEqual(done.returncode, UNREACHABLE)
                self.assertIn('nothing', done.stderr)
                self.assertLess(time.monotonic() - begun, 3)

    def test_a_sidecar_that_does_not_answer_exits_with_3_or_4(self):
        self.addCleanup(self.first.thaw)
        self.first.freeze()
        done = self.first.control('invalidate', 'episodes', '--key', 'late',
                                  '--timeout', '300ms')
        self.assertIn(done.returncode, (UNREACHABLE, UNCONFIRMED))
        self.first.thaw()
        for node in self.nodes:
            node.wait_sees(*self.nodes)

    def test_what_is_not_confirmed_in_time_exits_with_4(self):
        path = self.mesh.folder / 'forgetful'
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
            server.listen()
            control = process.spawn(
                [process.COHERCTL, '--socket', path, 'invalidate', 'episodes',
                 '--key', '51', '--timeout', '1s'], stderr=-1)
            self.addCleanup(process.end, control)
            self.welcome_and_forget(server, control)
        self.assertEqual(control.returncode, UNCONFIRMED)
        self.assertNotEqual(control.stderr.read(), b'')

    def welcome_and_forget(self, server, control):
        """Be a sidecar that answers HELLO and nothing else."""
        server.settimeout(wait.LIMIT)
        connection, _ = server.accept()
        with connection:
            hello = msgpack.unpackb(connection.recv(4096)[4:])
            self.assertEqual(hello[0], wire.HELLO)
            connection.sendall(wire.pack(
                wire.WELCOME, 1, 1, 'forgetful', '', 'default', 0, 1 << 20,
                1 << 16, 500))
            wait.until(lambda: control.poll() is not None, 'coherctl to end')

    def test_a_sidecar_of_another_version_exits_with_3_and_says_so(self):
        path = self.mesh.folder / 'newer'
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
            server.listen()
            server.settimeout(wait.LIMIT)
            control = process.spawn(
                [process.COHERCTL, '--socket', path, 'status', '--timeout',
                 '500ms'], stderr=-1)
            self.addCleanup(process.end, control)
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(wire.pack(
                    wire.ERROR, wire.ERROR_VERSION, 'upgrade the library'))
            wait.until(lambda: control.poll() is not None, 'coherctl to end')
        self.assertEqual(control.returncode, UNREACHABLE)
        self.assertRegex(control.stderr.read().decode(), 'version|upgrade')

    def test_the_completion_for_bash_loads_and_completes(self):
        script = process.ROOT / 'client/cli/coherctl.bash'
        done = process.run(['bash', '-euc', f"""
            source {script}
            complete -p coherctl
            for line in 'coherctl inv' 'coherctl invalidate --t'; do
                COMP_WORDS=($line)
                COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
                _coherctl
                echo "${{COMPREPLY[@]}}"
            done
        """])
        self.assertEqual(done.returncode, 0, done.stderr)
        _, command, options = done.stdout.splitlines()
        self.assertEqual(command.split(), ['invalidate'])
        self.assertEqual(set(options.split()), {'--tag', '--timeout'})

    def test_the_completion_offers_levels_as_part_of_wait_only(self):
        script = process.ROOT / 'client/cli/coherctl.bash'
        done = process.run(['bash', '-euc', f"""
            source {script}
            for line in '--wait app' '--wait=app' '--wait = app' '--wait =' \\
                        '--wait=applied --wait'; do
                COMP_WORDS=(coherctl invalidate t $line)
                COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
                _coherctl
                echo "${{COMPREPLY[@]}}"
            done
        """])
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.splitlines(), [
            '', '--wait=applied', 'applied', 'accepted replicated applied',
            '--wait'])

    def test_the_completion_knows_every_command(self):
        script = (process.ROOT / 'client/cli/coherctl.bash').read_text()
        listed = process.run([process.COHERCTL, '--help']).stdout
        for line in listed.splitlines():
            words = line.split()
            if line.startswith('  ') and words and words[0].isalpha() and \
                    line[2] != ' ':
                self.assertIn(words[0], script)
