"""The cache of the library: a program on each of two nodes reads files."""

from tests.net import process, wait
from tests.net.case import NetTest


class Reader:
    """client/examples/readthrough.c, driven by lines."""

    def __init__(self, mesh, node, files):
        self._output = mesh.folder / f'reader{node.number}'
        with open(self._output, 'wb') as output:
            self._process = process.spawn(
                [process.READTHROUGH, files], stdin=-1, stdout=output,
                bufsize=0, env={**process.ENVIRONMENT,
                                'COHERD_LOCAL_SOCKET': str(node.socket)})

    def ask(self, line) -> str:
        """Give a command, return its answer."""
        count = len(self.lines())
        self._process.stdin.write(f'{line}\n'.encode())
        wait.until(lambda: len(self.lines()) > count, f'an answer to {line}')
        return self.lines()[count]

    def lines(self) -> list:
        """Return the answers so far."""
        return self._output.read_text(encoding='utf-8').split('\n')[:-1]

    def close(self) -> None:
        """End it."""
        process.end(self._process)


class Cache(NetTest):
    """Caches on two nodes."""

    def setUp(self):
        super().setUp()
        self.nodes = self.mesh.start(2)
        self.files = self.mesh.folder / 'files'
        self.files.mkdir()
        self.readers = []
        for node in self.nodes:
            self.readers.append(Reader(self.mesh, node, self.files))
            self.addCleanup(self.readers[-1].close)

    def cached(self, reader, name) -> str:
        """Return what a reader serves from its cache, once it does."""
        answer = []

        def is_cached():
            answer[:] = [reader.ask(f'get {name}')]
            return not answer[0].startswith('(loaded)')
        wait.until(is_cached, f'{name} to be cached')
        return answer[0]

    def test_a_change_on_one_node_reaches_the_cache_of_the_other(self):
        first, second = self.readers
        (self.files / 'a').write_text('one', encoding='utf-8')
        for reader in self.readers:
            self.assertEqual(self.cached(reader, 'a'), 'one')
        for number in range(20):
            self.assertEqual(first.ask(f'put a {number}'), 'a: written')
            self.assertIn(first.ask('get a'), (f'(loaded) {number}',
                                               str(number)))
            wait.until(lambda n=number: self.cached(second, 'a') == str(n),
                       f'{number} on the other node')

    def test_a_file_that_did_not_exist_is_found_when_it_does(self):
        first, second = self.readers
        missing = 'b: the source has nothing under this key'
        self.assertEqual(second.ask('get b'), missing)
        self.assertEqual(first.ask('put b new'), 'b: written')
        wait.until(lambda: second.ask('get b') != missing, 'the new file')

    def test_a_change_by_hand_is_told_by_coherctl(self):
        (self.files / 'c').write_text('one', encoding='utf-8')
        for reader in self.readers:
            self.assertEqual(self.cached(reader, 'c'), 'one')
        (self.files / 'c').write_text('two', encoding='utf-8')
        for reader in self.readers:
            self.assertEqual(reader.ask('get c'), 'one')
        self.nodes[0].control('invalidate', 'files', '--key', 'c')
        for reader in self.readers:
            wait.until(lambda r=reader: self.cached(r, 'c') == 'two', 'two')

    def test_it_is_applied_again_when_asked_for(self):
        (self.files / 'd').write_text('one', encoding='utf-8')
        for reader in self.readers:
            self.assertEqual(self.cached(reader, 'd'), 'one')
        self.nodes[0].control('invalidate', 'files', '--key', 'd',
                              '--again-after', '1s')

        def dropped_twice(reader):
            reader.ask('get d')
            # Dropped once, and loaded; then dropped a second time.
            return 'dropped by key 2' in reader.ask('stats')
        wait.until(lambda: all([dropped_twice(r) for r in self.readers]),
                   'the second time')

    def test_an_old_version_is_not_cached(self):
        (self.files / 'e').write_text('one', encoding='utf-8')
        for reader in self.readers:
            self.assertEqual(self.cached(reader, 'e'), 'one')
        self.nodes[1].control('invalidate', 'files', '--key', 'e',
                              '--version', '7')
        for reader in self.readers:
            wait.until(lambda r=reader: r.ask('get e').startswith('(loaded)'),
                       'the entry dropped')
            for _ in range(5):
                self.assertEqual(reader.ask('get e'), '(loaded) one')
