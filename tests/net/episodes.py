"""client/examples/episodes: its instances, and races of readers and editors.

A race runs in one thread, so that it is certain what came before what: a read
that is sent after an answer arrived must know at least what that answer knew.
"""

import bisect
import collections
import http.client
import json
import re
import selectors
import signal
import socket
import time

from tests.net import process, wait

PORT = 8080

Answer = collections.namedtuple('Answer', 'status headers text')
Edit = collections.namedtuple('Edit', 'at version')
Old = collections.namedtuple('Old', 'instance version seconds')


def body(title, show='night-train', text='About it.'):
    """Return what a PUT brings."""
    return json.dumps({'show': show, 'title': title, 'text': text}).encode()


def version_of(answer) -> int:
    """Return the version of a page; 0: there is none."""
    return int(answer.headers['etag'].strip('"')) \
        if answer.status == 200 else 0


class Instance:
    """One instance of the application, beside a sidecar."""

    def __init__(self, node, database, plain=False, **options):
        self.node = node
        self.plain = plain
        self._output = node.folder / 'episodes.log'
        self._process = None
        program = process.EPISODES_PLAIN if plain else process.EPISODES
        self._command = [
            program, '--listen', node.address, '--port', PORT, '--database',
            database, '--socket', node.socket]
        for name, value in options.items():
            self._command += [f'--{name.replace("_", "-")}', value]

    def __repr__(self):
        return f'n{self.node.number}'

    # --- the process ---------------------------------------------------------

    def start(self) -> 'Instance':
        """Start it; returns when it listens."""
        self._output.write_text('', encoding='utf-8')
        with open(self._output, 'ab') as output:
            self._process = process.spawn(self._command, stdout=output,
                                          stderr=output)
        wait.until(lambda: 'listening' in self.said() or
                   self._process.poll() is not None, 'episodes to listen')
        if self._process.poll() is not None:
            raise AssertionError(f'episodes at {self}: {self.said()}')
        return self

    def said(self) -> str:
        """Return what it printed."""
        return self._output.read_text(encoding='utf-8')

    def is_running(self) -> bool:
        """Tell whether the process lives."""
        return process.is_running(self._process)

    def terminate(self) -> int:
        """Ask it to end; return its exit status."""
        self.signal(signal.SIGTERM)
        return self.wait_exit()

    def signal(self, number) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def wait_exit(self) -> int:
        """Wait for it to end; return its exit status."""
        return self._process.wait(wait.LIMIT)

    def listens(self) -> bool:
        """Tell whether it takes connections."""
        try:
            socket.create_connection((self.node.address, PORT), 1).close()
            return True
        except OSError:
            return False

    def close(self) -> None:
        """End it, whatever state it is in."""
        process.end(self._process)
        self._process = None

    # --- one request at a time -----------------------------------------------

    def ask(self, method, path, content=None, headers=None) -> Answer:
        """Send a request and return the answer."""
        line = http.client.HTTPConnection(self.node.address, PORT,
                                          timeout=wait.LIMIT)
        try:
            line.request(method, path, content, headers or {})
            answer = line.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, found, answer.read().decode())
        finally:
            line.close()

    def get(self, path='/episodes/51') -> Answer:
        """Read a page."""
        return self.ask('GET', path)

    def title(self, number=51):
        """Return the title of an episode; None: there is no such episode."""
        answer = self.get(f'/episodes/{number}')
        return json.loads(answer.text)['title'] \
            if answer.status == 200 else None

    def titles(self, query='') -> list:
        """Return the titles of a list."""
        return [episode['title'] for episode in
                json.loads(self.get(f'/episodes{query}').text)]

    def put(self, title, number=51, **more) -> Answer:
        """Write an episode."""
        answer = self.ask('PUT', f'/episodes/{number}', body(title, **more),
                          {'Content-Type': 'application/json'})
        if answer.status not in (200, 201):
            raise AssertionError(f'PUT at {self}: {answer}')
        return answer

    def is_cached(self, path='/episodes/51') -> bool:
        """Read a page; tell whether it came out of the cache."""
        return self.get(path).headers.get('x-cache') == 'hit'

    def wait_cached(self, path='/episodes/51') -> None:
        """Read a page until it comes out of the cache."""
        wait.until(lambda: self.is_cached(path),
                   lambda: f'{path} cached at {self}: {self.get(path)} '
                           f'{self.get("/stats").text}')


class Line:
    """A connection that is kept, with one request on it at a time."""

    _HEAD = re.compile(rb'HTTP/1\.1 (\d+)')

    def __init__(self, instance):
        self.instance = instance
        self.number = 0        # of the episode that is asked for
        self.sent_at = 0.0
        self.floor = 0         # what the answer has to know at least
        self.busy = False
        self._data = b''
        self._socket = socket.create_connection(
            (instance.node.address, PORT), wait.LIMIT)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def fileno(self) -> int:
        """For select."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close it."""
        self._socket.close()

    def send(self, method, number, content=b'', floor=0) -> None:
        """Send a request for an episode."""
        more = (f'Content-Type: application/json\r\n'
                f'Content-Length: {len(content)}\r\n') if content else ''
        self.number, self.floor, self.busy = number, floor, True
        self.sent_at = time.monotonic()
        self.say(f'{method} /episodes/{number} HTTP/1.1\r\nHost: x\r\n{more}'
                 '\r\n'.encode() + content)

    def say(self, data) -> None:
        """Send bytes as they are."""
        self._socket.sendall(data)

    def hear(self, count) -> bytes:
        """Return the next bytes as they are."""
        return self._socket.recv(count, socket.MSG_WAITALL)

    def receive(self):
        """Take in what has come; return the answer once it is whole."""
        data = self._socket.recv(65536)
        if not data:
            raise AssertionError(f'{self.instance} hung up')
        self._data += data
        head, end, rest = self._data.partition(b'\r\n\r\n')
        if not end:
            return None
        status, *lines = head.decode().split('\r\n')
        headers = {name.lower(): value for name, value in
                   (line.split(': ', 1) for line in lines)}
        if len(rest) < int(headers['content-length']):
            return None
        self._data, self.busy = b'', False
        return Answer(int(status.split()[1]), headers, rest.decode())


class Race:
    """Readers at some instances, who read as fast as they can, editors at
    some, and what of it must not be."""

    def __init__(self, readers, editors, numbers=(51,)):
        """readers and editors: an instance may be named several times."""
        self.numbers = numbers
        self.reads = self.hits = 0
        self.edits = {number: [] for number in numbers}  # as answered
        self.faults = []
        self.old = []              # reads that showed what an answer replaced
        self.shown = {}            # (instance, number): version last read
        self._floors = collections.Counter()
        self._newest = {number: [] for number in numbers}  # up to each edit
        self._readers = [Line(instance) for instance in readers]
        self._editors = [Line(instance) for instance in editors]
        self._turn = 0

    def close(self) -> None:
        """Close the connections."""
        for line in self._readers + self._editors:
            line.close()

    # --- what is noted, and checked ------------------------------------------

    def newest(self, number) -> int:
        """Return the highest version that a PUT was answered with."""
        return self._newest[number][-1] if self._newest[number] else 0

    def note_edit(self, instance, number, version, at) -> None:
        """A PUT was answered: there, nobody may read less from now on."""
        self.edits[number].append(Edit(at, version))
        self._newest[number].append(max(self.newest(number), version))
        key = instance, number
        self._floors[key] = max(self._floors[key], version)

    def floor(self, instance, number) -> int:
        """Return what a read that is sent now has to know."""
        return self._floors[instance, number]

    def answered_before(self, number, at) -> int:
        """Return the highest version that was answered before a time."""
        count = bisect.bisect_left(self.edits[number], (at,))
        return self._newest[number][count - 1] if count else 0

    def note_read(self, line, answer, at) -> None:
        """A read was answered."""
        instance, number = line.instance, line.number
        version = version_of(answer)
        key = instance, number
        self.reads += 1
        self.hits += answer.headers['x-cache'] == 'hit'
        self.shown[key] = version
        self._floors[key] = max(self._floors[key], version)
        if version < line.floor:
            self.faults.append(f'{instance} went back from {line.floor} to '
                               f'{version}')
        if answer.headers['x-cache'] == 'miss':
            self._demand(line, version, line.sent_at, 'it read the database')
        staleness = answer.headers['x-staleness-ms']
        if staleness != 'unknown':
            self._demand(line, version, line.sent_at - int(staleness) / 1000,
                         f'it is at most {staleness} ms behind')
        for edit in reversed(self.edits[number]):
            if edit.version <= version:
                break
            self.old.append(Old(instance, edit.version, at - edit.at))

    def _demand(self, line, version, at, why) -> None:
        least = self.answered_before(line.number, at)
        if version < least:
            self.faults.append(f'{line.instance} shows {version} instead of '
                               f'{least}, and says that {why}')

    def everybody_shows_the_newest(self) -> bool:
        """Tell whether each reader's instance showed the last edits when it
        was last read."""
        return all(self.shown.get((line.instance, number), -1) >=
                   self.newest(number)
                   for line in self._readers for number in self.numbers)

    def windows(self) -> list:
        """Return, for each edit that was answered, for how long afterwards
        somebody still read what it replaced; 0: nobody did."""
        last = collections.Counter()
        for old in self.old:
            last[old.version] = max(last[old.version], old.seconds)
        return sorted(last[edit.version] for edits in self.edits.values()
                      for edit in edits)

    # --- running -------------------------------------------------------------

    def _send(self, line) -> None:
        self._turn += 1
        number = self.numbers[self._turn % len(self.numbers)]
        if line in self._readers:
            line.send('GET', number, floor=self.floor(line.instance, number))
        else:
            line.send('PUT', number, body(f'edit {self._turn}'))

    def _take(self, line) -> None:
        answer = line.receive()
        at = time.monotonic()
        if answer is None:
            return
        if answer.status not in (200, 201, 404):
            raise AssertionError(f'{line.instance} answers {answer}')
        if line in self._readers:
            self.note_read(line, answer, at)
        else:
            self.note_edit(line.instance, line.number,
                           json.loads(answer.text)['version'], at)

    def run(self, done, may_edit=lambda: True, limit=wait.LIMIT) -> None:
        """Read, and edit while may_edit(), until done() and no answer is
        awaited any more."""
        deadline = time.monotonic() + limit
        lines = self._readers + self._editors
        with selectors.DefaultSelector() as selector:
            for line in lines:
                selector.register(line, selectors.EVENT_READ)
            while True:
                over = done()
                for line in lines:
                    if not line.busy and not over and (
                            line in self._readers or may_edit()):
                        self._send(line)
                if not any(line.busy for line in lines):
                    return
                for key, _ in selector.select(1):
                    self._take(key.fileobj)
                if time.monotonic() > deadline:
                    raise AssertionError(
                        f'not within {limit:g} s: a race of {self.reads} '
                        f'reads; shown {self.shown}, faults {self.faults[:3]}')

    def settle(self) -> None:
        """Read until everybody shows the newest."""
        self.run(self.everybody_shows_the_newest, lambda: False)
