"""An application that uses libcoherd: tests/net/probe.c, driven by lines.

Its standard output is a file, so that it never waits for us to read. What it
heard has the form that wire.Session gives it, for the same checks.
"""

import json

from tests.net import process, wait, wire

_KINDS = {'invalidate': wire.INVALIDATE, 'update': wire.UPDATE,
          'message': wire.MESSAGE}
_TARGETS = {'none': wire.NONE, 'key': wire.KEY, 'tag': wire.TAG,
            'prefix': wire.PREFIX, 'all': wire.ALL}
_TARGET_NAMES = {kind: name for name, kind in _TARGETS.items()}
_REASONS = {'subscribed': wire.RESET_SUBSCRIBED, 'lost': wire.RESET_LOST,
            'slow': wire.RESET_SLOW, 'joined': wire.RESET_JOINED}


class Probe:
    """One application beside one sidecar."""

    def __init__(self, path, socket, polled=False, window=0, bound=0,
                 closed=False, name=''):
        self.heard = []    # events and resets, in order
        self.states = []   # connections made and lost
        self.bounds = []   # crossings of the bound: exceeded or not
        self.done = []     # outcomes of commands
        self.receipts = []  # of what was published with "later"
        self._asked = 0
        self._offset = 0
        self._rest = b''
        self._output = path
        with open(path, 'wb') as output:
            self._process = process.spawn(
                [process.PROBE, '--socket', socket,
                 *(['--window', str(window)] if window else []),
                 *(['--polled'] if polled else []),
                 *(['--bound', str(bound)] if bound else []),
                 *(['--closed'] if closed else []),
                 *(['--name', name] if name else [])],
                stdin=-1, stdout=output, bufsize=0)

    def __repr__(self):
        return self._output.name

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def close(self) -> None:
        """End it as programs end."""
        if process.is_running(self._process):
            try:
                self._process.stdin.write(b'quit\n')
                self._process.wait(5)
            except (OSError, process.subprocess.TimeoutExpired):
                pass
        process.end(self._process)

    def kill(self) -> None:
        """End it as crashes do."""
        process.end(self._process)

    # --- saying --------------------------------------------------------------

    def tell(self, *words) -> int:
        """Give it a command; returns the number that its outcome will have."""
        line = ' '.join(str(word) for word in words) + '\n'
        self._process.stdin.write(line.encode('latin-1'))
        self._asked += 1
        return self._asked

    def do(self, *words, limit=wait.LIMIT) -> dict:
        """Give it a command and wait for the outcome."""
        number = self.tell(*words)
        wait.until(lambda: len(self.pump().done) >= number,
                   lambda: f'{self} to have done {words}', limit)
        return self.done[number - 1]

    def subscribe(self, *topics) -> 'Probe':
        """Subscribe; returns when the library has taken note."""
        for topic in topics:
            self.tell('subscribe', topic)
        self.do('echo')
        return self

    def wait_subscribed(self, *topics) -> 'Probe':
        """Subscribe, and wait for the RESET that each begins with."""
        self.subscribe(*topics)
        wait.until(
            lambda: set(topics) <= {
                topic for entry in self.pump().resets()
                for topic in entry['topics'] or topics},
            lambda: f'{self} to be subscribed to {topics}')
        return self

    def invalidate(self, topic, key) -> None:
        """Invalidate a key, as an application does: without waiting."""
        self.tell('invalidate', topic, 'key', key)

    def offer(self, item) -> int:
        """Publish an item of wire.item() without waiting, as a session
        does. What it names must be text."""
        kind, _, topic, target_kind, target, value = item
        if kind == wire.MESSAGE:
            return self.tell('publish', topic, value.decode())
        if kind == wire.UPDATE:
            return self.tell('update', topic, target.decode(), value.decode())
        return self.tell('invalidate', topic, _TARGET_NAMES[target_kind],
                         target.decode())

    def refused(self) -> list:
        """Return the outcomes of commands that were not done."""
        return [line for line in self.pump().done
                if line['result'] != 'COHERD_OK']

    def pause(self) -> None:
        """Let its next callback never return, until resume()."""
        self.do('pause')

    def resume(self) -> None:
        """Let it go on."""
        self.do('resume')

    # --- hearing -------------------------------------------------------------

    def pump(self) -> 'Probe':
        """Take in what it has written."""
        with open(self._output, 'rb') as output:
            output.seek(self._offset)
            data = output.read()
        self._offset += len(data)
        *lines, self._rest = (self._rest + data).split(b'\n')
        for line in lines:
            self._hear(json.loads(line))
        return self

    def _hear(self, line) -> None:
        event = line['event']
        if event in _KINDS:
            self.heard.append({
                'kind': _KINDS[event], 'flags': int(line['soft']),
                'topic': line['topic'],
                'target_kind': _TARGETS[line['target']],
                'target': line['name'].encode('latin-1'),
                'value': line.get('value', '').encode('latin-1'),
                'origin': int(line['origin'], 16), 'seq': line['seq'],
                'hlc': line['hlc'], 'at': line['t']})
        elif event == 'reset':
            topic = line['topic']
            self.heard.append({'reset': _REASONS[line['reason']],
                               'topics': topic and [topic], 'at': line['t']})
        elif event == 'state':
            self.states.append(line)
        elif event == 'receipt':
            self.receipts.append(line)
        elif event == 'staleness':
            self.bounds.append(line['exceeded'])
        elif event == 'done':
            self.done.append(line)

    def events(self) -> list:
        """Return the events heard so far."""
        return [entry for entry in self.heard if 'seq' in entry]

    def resets(self) -> list:
        """Return the resets heard so far."""
        return [entry for entry in self.heard if 'reset' in entry]

    def staleness(self) -> int:
        """Return what coherd_staleness says, in milliseconds."""
        return self.do('staleness')['count']

    def connected(self) -> bool:
        """Tell whether the library says that it is connected."""
        self.pump()
        return bool(self.states) and self.states[-1]['connected']
