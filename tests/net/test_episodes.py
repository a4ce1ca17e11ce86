"""client/examples/episodes: three instances over one database, and the same
without the library."""

import json
import random
import signal
import sqlite3
import unittest
import unittest.mock

from tests.net import process, wait
from tests.net.case import NetTest
from tests.net.episodes import PORT, Answer, Instance, Line, Race, body

JSON = {'Content-Type': 'application/json'}
HOUR_MS = 3600000
READS = 300
EDITS = 60
MAX_STALENESS_MS = 1000


class Episodes(NetTest):
    """Instances of the application."""

    def end(self, instance):
        """End an instance in good order, if it runs."""
        if instance.is_running():
            self.assertEqual(instance.terminate(), 0, instance.said())
        instance.close()
        self.assertNotRegex(instance.said(), 'Sanitizer|runtime error')

    def instance(self, node, **options):
        """Start one beside a node."""
        options.setdefault('ttl', HOUR_MS)
        instance = Instance(node, self.mesh.folder / 'episodes.db', **options)
        self.addCleanup(self.end, instance)
        return instance.start()

    def start(self, count=3, **options):
        """Start sidecars, and an instance beside each."""
        return [self.instance(node, **options)
                for node in self.mesh.start(count)]

    def race(self, *arguments, **options):
        """Make a race."""
        race = Race(*arguments, **options)
        self.addCleanup(race.close)
        return race

    def wait_title(self, instance, title, number=51):
        """Wait until an instance shows a title."""
        wait.until(lambda: instance.title(number) == title,
                   lambda: f'{title} at {instance}: {instance.title(number)}')

    def settled(self, race):
        """End a race: everybody shows the newest, and nothing was wrong."""
        race.settle()
        self.assertEqual(race.faults, [])


class Coherent(Episodes):
    """With the library's cache."""

    def test_an_edit_at_one_is_read_at_all(self):
        instances = self.start()
        first, second, third = instances
        self.assertEqual(first.put('One').status, 201)
        for instance in instances:
            instance.wait_cached()
            self.assertEqual(instance.title(), 'One')
        edited = second.put('Two')
        self.assertEqual(edited.status, 200)
        self.assertEqual(edited.headers['x-invalidation'], 'accepted')
        self.assertEqual(second.title(), 'Two')
        for instance in (first, third):
            self.wait_title(instance, 'Two')
            instance.wait_cached()
            self.assertEqual(instance.title(), 'Two')

    def test_no_reader_goes_back_while_several_edit(self):
        instances = self.start()
        race = self.race(instances * 2, instances, numbers=(51, 52))
        race.run(lambda: all(len(race.edits[number]) >= EDITS
                             for number in race.numbers)
                 and race.reads >= READS)
        self.settled(race)

    def test_everybody_shows_each_edit_before_the_next(self):
        instances = self.start()
        race = self.race(instances, instances[1:2])
        race.run(lambda: len(race.edits[51]) >= EDITS,
                 race.everybody_shows_the_newest)
        self.settled(race)
        hits = sum(json.loads(instance.get('/stats').text)['hits']
                   for instance in instances)
        self.assertGreater(hits, 0)

    def test_an_episode_that_did_not_exist_is_found_when_it_does(self):
        first, second, _ = self.start()
        wait.until(lambda: second.is_cached('/episodes/7'), 'a cached absence')
        self.assertEqual(second.get('/episodes/7').status, 404)
        self.assertEqual(first.put('New', 7).status, 201)
        self.wait_title(second, 'New', 7)

    def test_a_list_is_dropped_by_the_tag_of_its_show(self):
        instances = self.start()
        first, second, third = instances
        first.put('A1', 1, show='a')
        first.put('B2', 2, show='b')
        paths = '/episodes?show=a', '/episodes?show=b', '/episodes', \
            '/episodes?show=a&after=1'
        for instance in instances:
            for path in paths:
                instance.wait_cached(path)
        second.put('A3', 3, show='a')
        for instance in instances:
            wait.until(lambda i=instance: i.titles('?show=a') == ['A1', 'A3'],
                       'the list of the show')
            wait.until(lambda i=instance: i.titles() == ['A1', 'B2', 'A3'],
                       'the list of all')
            wait.until(lambda i=instance: i.titles('?show=a&after=1') ==
                       ['A3'], 'what comes after')
            self.assertTrue(instance.is_cached('/episodes?show=b'),
                            'a list that nothing happened to')
        third.put('B3', 3, show='b')
        for instance in instances:
            wait.until(lambda i=instance: i.titles('?show=a') == ['A1'],
                       'it is gone from the show it was in')
            wait.until(lambda i=instance: i.titles('?show=b') == ['B2', 'B3'],
                       'it is in the show that it went to')

    def test_a_list_ends_after_twenty(self):
        first, = self.start(1)
        for number in range(1, 26):
            first.put(f'T{number}', number)
        self.assertEqual(len(first.titles()), 20)
        self.assertEqual(first.titles('?after=20'),
                         [f'T{number}' for number in range(21, 26)])
        self.assertEqual(first.titles('?show=nobody'), [])

    def test_an_instance_is_restarted(self):
        first, second, third = self.start()
        first.put('One')
        third.wait_cached()
        self.assertEqual(third.terminate(), 0)
        second.put('Two')
        third.start()
        self.assertEqual(third.title(), 'Two')
        third.wait_cached()
        first.put('Three')
        self.wait_title(third, 'Three')

    def test_an_instance_is_killed_and_restarted_in_a_race(self):
        first, second, third = self.start()
        race = self.race([first, second], [first, second])
        race.run(lambda: len(race.edits[51]) >= EDITS)
        third.close()
        race.run(lambda: len(race.edits[51]) >= 2 * EDITS)
        third.start()
        late = self.race([third], [first])
        late.run(lambda: len(late.edits[51]) >= EDITS)
        self.settled(late)
        self.settled(race)

    def test_without_its_sidecar_an_instance_is_slow_but_right(self):
        first, second, third = self.start(max_staleness=MAX_STALENESS_MS)
        first.put('One')
        third.wait_cached()
        race = self.race([third, first], [first])
        race.run(lambda: len(race.edits[51]) >= EDITS)
        third.node.kill()
        # From a while after, every page is read anew, and so is the newest.
        wait.until(lambda: int(third.get().headers['x-staleness-ms']) >
                   MAX_STALENESS_MS, 'it to fall behind')
        for number in range(20):
            second.put(f'edit {number}')
            answer = third.get()
            self.assertEqual(answer.headers['x-cache'], 'miss')
            self.assertGreater(int(answer.headers['x-staleness-ms']),
                               MAX_STALENESS_MS)
            self.assertEqual(json.loads(answer.text)['title'],
                             f'edit {number}')
        # What is written here meanwhile is told when there is a sidecar.
        second.wait_cached()
        edited = third.put('told late')
        self.assertEqual(edited.headers['x-invalidation'], 'queued')
        self.assertEqual(third.title(), 'told late')
        third.node.start()
        self.wait_title(second, 'told late')
        third.wait_cached()
        race.run(lambda: len(race.edits[51]) >= 2 * EDITS)
        self.settled(race)

    def test_a_failing_database_is_told_and_stale_pages_are_served(self):
        first, = self.start(1)
        first.put('One')
        first.wait_cached()
        with sqlite3.connect(self.mesh.folder / 'episodes.db') as database:
            database.execute('ALTER TABLE episodes RENAME TO gone')
        self.assertEqual(first.get('/healthz').status, 503)
        self.assertEqual(first.get('/episodes/52').status, 503)
        self.assertEqual(first.title(), 'One')
        first.node.control('invalidate', 'episodes', '--key', '51', '--soft')
        wait.until(lambda: first.get().headers['x-cache'] == 'stale', 'stale')
        self.assertEqual(first.title(), 'One')
        first.node.control('invalidate', 'episodes', '--key', '51')
        wait.until(lambda: first.get().status == 503, 'no page at all')
        refused = first.ask('PUT', '/episodes/51', body('Two'), JSON)
        self.assertEqual(refused.status, 503)
        self.assertEqual(refused.headers['retry-after'], '1')
        with sqlite3.connect(self.mesh.folder / 'episodes.db') as database:
            database.execute('ALTER TABLE gone RENAME TO episodes')
        self.assertEqual(first.title(), 'One')
        self.assertEqual(first.get('/healthz').status, 200)

    def test_what_was_begun_is_answered_before_the_end(self):
        first, second = self.start(2)
        first.put('One')
        second.wait_cached()
        line = Line(first)
        self.addCleanup(line.close)
        content = body('Two')
        line.say(b'PUT /episodes/51 HTTP/1.1\r\nHost: x\r\n'
                 b'Content-Type: application/json\r\n'
                 b'Expect: 100-continue\r\n'
                 b'Content-Length: %d\r\n\r\n' % len(content))
        self.assertEqual(line.hear(25), b'HTTP/1.1 100 Continue\r\n\r\n')
        first.signal(signal.SIGTERM)
        wait.until(lambda: not first.listens(), 'it to listen no more')
        self.assertTrue(first.is_running())
        line.say(content)
        answer = wait.until(line.receive, 'the answer')
        self.assertEqual(answer.headers['x-invalidation'], 'accepted')
        self.assertEqual(first.wait_exit(), 0)
        self.wait_title(second, 'Two')

    def test_many_start_at_once_on_a_database_that_is_not_there(self):
        node, = self.mesh.start(1)
        for number in range(5):
            processes = [process.spawn(
                [process.EPISODES, '--listen', node.address, '--port',
                 PORT + each, '--socket', node.socket, '--database',
                 self.mesh.folder / f'fresh{number}.db'], stdout=-1)
                for each in range(8)]
            try:
                for each in processes:
                    self.assertIn(b'listening', each.stdout.readline())
            finally:
                for each in processes:
                    process.end(each)


class Requests(Episodes):
    """What is not a good request."""

    PUTS = (
        (b'', 'not JSON'), (b'{', 'not JSON'), (b'[]', 'an object'),
        (b'"text"', 'an object'), (b'null', 'an object'), (b'{}', 'an object'),
        (b'\xef\xbb\xbf{}', 'not JSON'), (body('a') + b'x', 'not JSON'),
        (body('a') + b'\0', 'UTF-8'), (b'\xff' + body('a'), 'UTF-8'),
        (body('a').replace(b'"a"', b'"\xc0\xaf"'), 'UTF-8'),
        (body('a').replace(b'"a"', b'"\xed\xa0\x80"'), 'UTF-8'),
        (body('a').replace(b'"a"', b'"\\ud800"'), 'UTF-8'),
        (body('a').replace(b'"a"', b'"a\\u0000b"'), 'UTF-8'),
        (body('a').replace(b'"a"', b'"a\\u0007b"'), 'UTF-8'),
        (body('a').replace(b'"a"', b'7'), 'an object'),
        (body('a').replace(b'"a"', b'null'), 'an object'),
        (body('a').replace(b'"a"', b'["a"]'), 'an object'),
        (body('a').replace(b'"title"', b'"headline"'), 'an object'),
        (body('a').replace(b'{', b'{"title": "b", '), 'an object'),
        (body('a').replace(b'{', b'{"more": "b", '), 'an object'),
        (body(''), 'A title'), (body('a' * 201), 'A title'),
        (body('a', text=''), 'A text'), (body('a', text='b' * 8193), 'A text'),
        (body('a', show=''), 'A show'), (body('a', show='s' * 41), 'A show'),
        (body('a', show='Night Train'), 'A show'),
        (body('a', show='n\u00e4cht'), 'A show'),
        (b'[' * 16000, 'not JSON'),
    )
    IDS = ('0', '-1', '+1', '051', '1000000000', '99999999999999999999', 'x',
           '51x', '5%31', '51/', '51%00', '', ' 51', '5.1', '٥')
    OTHERS = (
        ('GET', '/', 404), ('GET', '/nothing', 404), ('GET', '/episodesx', 404),
        ('GET', '/episodes?show=', 400), ('GET', '/episodes?show=A', 400),
        ('GET', '/episodes?show=a&show=b', 400),
        ('GET', '/episodes?show', 400), ('GET', '/episodes?after=0', 400),
        ('GET', '/episodes?after=x', 400), ('GET', '/episodes?more=1', 400),
        ('GET', '/episodes?show=' + 'a' * 41, 400),
        ('DELETE', '/episodes/51', 405), ('POST', '/episodes', 405), ('BREW', '/stats', 405),
        ('PATCH', '/episodes/51', 405), ('OPTIONS', '/episodes/51', 405),
        ('HEAD', '/episodes/51', 200), ('HEAD', '/stats', 200),
        ('HEAD', '/episodes/52', 404),
    )

    def setUp(self):
        super().setUp()
        self.one, = self.start(1)
        self.one.put('kept')

    def tearDown(self):
        # Whatever was asked, the service lives and nothing has changed.
        self.assertEqual(self.one.title(), 'kept')
        self.assertEqual(self.one.titles(), ['kept'])
        self.assertEqual(self.one.get('/healthz').status, 200)
        self.assertEqual(self.one.terminate(), 0)
        super().tearDown()

    def check(self, answer, status, part=''):
        """Check an answer that says what is wrong."""
        self.assertEqual(answer.status, status, answer)
        self.assertIn(part, json.loads(answer.text)['error'])
        self.assertEqual(answer.headers['content-type'], 'application/json')

    def test_bad_bodies(self):
        for content, part in self.PUTS:
            with self.subTest(body=content[:60]):
                self.check(self.one.ask('PUT', '/episodes/51', content, JSON),
                           400, part)

    def test_bad_ids(self):
        for number in self.IDS:
            path = f'/episodes/{number}'.encode().decode('latin-1')
            with self.subTest(path=path):
                if ' ' not in path and path.isascii():
                    self.check(self.one.get(path), 400, 'An id')
                    self.check(self.one.ask('PUT', path, body('x'), JSON),
                               400, 'An id')
                else:
                    self.assertEqual(self.raw(f'GET {path} HTTP/1.1'), 400)

    def raw(self, head, content=b'') -> int:
        """Send what http.client would not; return the status."""
        line = Line(self.one)
        self.addCleanup(line.close)
        line.say(f'{head}\r\nHost: x\r\nConnection: close\r\n\r\n'
                 .encode('latin-1') + content)
        return wait.until(line.receive, 'an answer').status

    def test_other_paths_and_methods(self):
        for method, path, status in self.OTHERS:
            with self.subTest(method=method, path=path):
                answer = self.one.ask(method, path)
                self.assertEqual(answer.status, status)
                self.assertEqual(status == 405, 'allow' in answer.headers)
        for path in ('/stats', '/healthz', '/episodes'):
            answer = self.one.ask('PUT', path, body('x'), JSON)
            self.check(answer, 405)
            self.assertEqual(answer.headers['allow'], 'GET, HEAD')

    def test_bodies_of_another_type(self):
        path = '/episodes/51'
        self.check(self.one.ask('PUT', path, body('x')), 415)
        for kind in ('text/plain', 'application/jsonx', 'application/jso', ''):
            self.check(self.one.ask('PUT', path, body('x'),
                                    {'Content-Type': kind}), 415)

    def test_bodies_that_are_not_even_read(self):
        for head, status in (('Transfer-Encoding: chunked', 411),
                             ('Content-Length: 16385', 413),
                             (f'Content-Length: {2**31}', 413),
                             (f'Content-Length: {2**63}', 413),
                             (f'Content-Length: {2**64}', 413),
                             ('Content-Length: -1', 400),
                             ('Content-Length: x', 400)):
            for method in 'PUT', 'GET', 'POST':
                with self.subTest(head=head, method=method):
                    self.assertEqual(self.raw(
                        f'{method} /episodes/51 HTTP/1.1\r\n'
                        f'Content-Type: application/json\r\n{head}'), status)
        self.assertEqual(self.raw('GET /episodes/51 HTTP/9.9'), 505)

    def test_the_largest_and_strangest_that_are_good(self):
        good = {'Content-Type': 'application/json; charset=utf-8'}
        title = '"\\\u00e4\u20ac\U0001f4fb\\u0000 \t'
        for number in (1, 999999999):
            content = body(title, show='a' * 40, text='\n' * 8192)
            self.assertLessEqual(len(content), 16500)
            content = json.dumps(
                {'text': '\u00e4' * 4096, 'show': 'a' * 40, 'title': title},
                ensure_ascii=False).encode()
            self.assertEqual(self.one.ask('PUT', f'/episodes/{number}',
                                          content, good).status, 201)
            page = json.loads(self.one.get(f'/episodes/{number}').text)
            self.assertEqual(page['title'], title)
            self.assertEqual(page['text'], '\u00e4' * 4096)
        with sqlite3.connect(self.mesh.folder / 'episodes.db') as database:
            database.execute('DELETE FROM episodes WHERE id <> 51')
        self.one.node.control('invalidate', 'episodes', '--all')
        wait.until(lambda: self.one.titles() == ['kept'], 'them gone')

    def test_who_has_the_page_is_told_so(self):
        tag = self.one.get().headers['etag']
        same = self.one.ask('GET', '/episodes/51', None,
                            {'If-None-Match': tag})
        self.assertEqual((same.status, same.text), (304, ''))
        other = self.one.ask('GET', '/episodes/51', None,
                             {'If-None-Match': '"0"'})
        self.assertEqual(other.status, 200)
        self.assertEqual(other.headers['cache-control'], 'no-cache')

    def test_any_bytes(self):
        chance = random.Random(1)
        pieces = (b'GET ', b'PUT ', b'/episodes/51', b' HTTP/1.1', b'\r\n',
                  b'Content-Length: ', b'5', b'\0', b'\xff', b'%', b':', b'{',
                  b'Content-Type: application/json', b'Expect: 100-continue',
                  b'Transfer-Encoding: chunked', b' ', b'?show=', b'&')
        for _ in range(200):
            line = Line(self.one)
            line.say(b''.join(chance.choice(pieces) for _ in range(30)) +
                     b'\r\n\r\n')
            line.close()

    def test_bad_options(self):
        for options in (['--ttl', '0'], ['--ttl', 'x'], ['--nothing'],
                        ['more'], ['--max-staleness', '-1'], ['--port']):
            done = process.run([process.EPISODES, *options])
            self.assertEqual(done.returncode, 2, options)
            self.assertIn('usage: episodes', done.stderr)
        for options in (['--listen', 'localhost'], ['--port', 'x'],
                        ['--listen', '2001:db8::1'],
                        ['--database', '/nowhere/at/all'],
                        ['--listen', self.one.node.address]):
            done = process.run([process.EPISODES, '--database', ':memory:',
                                *options])
            self.assertEqual(done.returncode, 1, options)
            self.assertIn('episodes: ', done.stderr)


class Plain(Episodes):
    """The same without the library: that the problem shows is what makes the
    tests above worth something."""

    def test_it_has_nothing_of_the_library(self):
        symbols = process.run(['nm', process.EPISODES_PLAIN]).stdout
        self.assertIn('pages_get', symbols)
        self.assertNotIn('coherd', symbols)
        self.assertIn('coherd', process.run(['nm', process.EPISODES]).stdout)

    def test_others_show_the_old_page_after_an_edit(self):
        instances = self.start(plain=True)
        first, second, third = instances
        first.put('One')
        for instance in instances:
            instance.wait_cached()
        self.assertEqual(second.put('Two').headers['x-invalidation'], 'none')
        self.assertEqual(second.title(), 'Two')
        race = self.race([first, third], [])
        race.note_edit(second, 51, 2, 0.0)
        race.run(lambda: race.reads >= READS)
        self.assertEqual(len(race.old), race.reads)
        self.assertEqual(first.title(), 'One')
        self.assertEqual(third.title(), 'One')
        self.assertEqual(first.titles(), ['Two'])

    def test_only_the_time_to_live_ends_that(self):
        first, second, _ = self.start(plain=True, ttl=1000)
        first.put('One')
        second.wait_cached()
        first.put('Two')
        self.wait_title(second, 'Two')

    def test_a_race_shows_it(self):
        instances = self.start(plain=True)
        race = self.race(instances, instances[1:2])
        race.run(lambda: race.reads >= READS and len(race.edits[51]) >= EDITS)
        self.assertFalse(race.everybody_shows_the_newest())
        self.assertGreater(len(race.old), 0)


class Racing(unittest.TestCase):
    """That a race notices what is wrong."""

    def note(self, race, version, sent_at=1.0, staleness='unknown',
             cache='hit', floor=0):
        """Let a reader read something."""
        line = unittest.mock.Mock(instance='n1', number=51, sent_at=sent_at,
                                  floor=floor)
        race.note_read(line, Answer(200, {
            'etag': f'"{version}"', 'x-cache': cache,
            'x-staleness-ms': staleness}, ''), sent_at + 0.5)
        return race.faults

    def race(self):
        """Make a race in which version 7 was answered at 10 s."""
        race = Race([], [])
        race.note_edit('n2', 51, 7, 10.0)
        return race

    def test_right_reads_are_right(self):
        race = self.race()
        self.assertEqual(self.note(race, 6, 9.6), [])
        self.assertEqual(self.note(race, 6, 9.9, cache='miss'), [])
        self.assertEqual(self.note(race, 6, 10.1, '100'), [])
        self.assertEqual(self.note(race, 7, 10.2, '100', 'miss', 7), [])
        self.assertEqual([old.version for old in race.old], [7] * 3)

    def test_a_reader_that_goes_back(self):
        race = self.race()
        self.note(race, 7)
        self.assertEqual(race.floor('n1', 51), 7)
        self.assertIn('went back', self.note(race, 6, floor=7)[0])

    def test_an_old_page_that_says_it_was_read(self):
        self.assertIn('read the database',
                      self.note(self.race(), 6, 10.1, cache='miss')[0])

    def test_a_page_that_is_older_than_it_says(self):
        self.assertIn('at most 50 ms behind',
                      self.note(self.race(), 6, 10.1, '50')[0])

    def test_the_editor_reads_what_it_wrote(self):
        self.assertEqual(self.race().floor('n2', 51), 7)

    def test_windows(self):
        race = self.race()
        self.assertEqual(race.windows(), [0])
        self.note(race, 6, 10.1)
        self.note(race, 6, 10.3)
        self.assertAlmostEqual(race.windows()[0], 0.8)
