"""A sidecar: its settings, its process, its log and its ports."""

import json
import os
import pathlib
import re
import signal
import urllib.error
import urllib.request

from tests.net import process, wait, wire
from tests.net.namespace import NAME_SERVER, host

ADMIN_PORT = 7422

# Short spans, so that a test sees the end of what takes an operator minutes.
FAST = {
    'ping.interval': '100ms',
    'member.dead_after': '1500ms',
    'discovery.interval': '1s',
    'join.timeout': '3s',
}

# The same in seconds: a node is silent after five pings without a sign.
SILENT_AFTER = 0.5
DEAD_AFTER = 1.5
DNS_INTERVAL = 1.0

# The proxy of whoever runs the tests is not for these addresses.
_HTTP = urllib.request.build_opener(urllib.request.ProxyHandler({}))

_FIELD = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|\S*)')


def parse_line(line: str) -> dict:
    """Read a log line, logfmt or JSON."""
    if line.startswith('{'):
        return json.loads(line)
    fields = {}
    for name, value in _FIELD.findall(line):
        fields[name] = json.loads(value) if value[:1] == '"' else value
    return fields


class Log:
    """What a program wrote so far, read line by line."""

    def __init__(self, path: pathlib.Path):
        self.path = path
        self.lines = []
        self._offset = 0
        self._rest = ''

    def read(self) -> list:
        """Take in what is new and return all lines, parsed."""
        if self.path.exists():
            with open(self.path, encoding='utf-8', errors='replace') as file:
                file.seek(self._offset)
                text = file.read()
                self._offset = file.tell()
            *whole, self._rest = (self._rest + text).split('\n')
            self.lines += [parse_line(line) for line in whole]
        return self.lines

    def mark(self) -> int:
        """Return a position: what is there now lies before it."""
        return len(self.read())

    def find(self, event, since=0, **fields) -> list:
        """Return the lines of an event that have these fields."""
        return [line for line in self.read()[since:]
                if line.get('event') == event and
                all(line.get(name) == str(value)
                    for name, value in fields.items())]

    def wait(self, event, since=0, limit=wait.LIMIT, **fields) -> dict:
        """Wait for such a line and return the first."""
        return wait.until(lambda: self.find(event, since, **fields),
                          f'{event} {fields} in {self.path}', limit)[0]

    def tail(self, count=25) -> str:
        """Return the last lines as they are."""
        if not self.path.exists():
            return '(nothing)\n'
        text = self.path.read_text(encoding='utf-8', errors='replace')
        return ''.join(line + '\n' for line in text.splitlines()[-count:])


class Node:
    """One sidecar of a mesh, on an address of its own."""

    def __init__(self, folder: pathlib.Path, number: int, settings=None,
                 program=None):
        self.number = number
        self.address = host(number)
        self.folder = folder
        self.program = program or process.COHERD
        self.socket = folder / 'socket'
        self.admin = f'http://[{self.address}]:{ADMIN_PORT}'
        self.log = Log(folder / 'log')
        self.process = None
        self.settings = {
            'node.name': f'n{number}',
            'mesh.address': self.address,
            'local.socket': self.socket,
            'admin.address': f'[{self.address}]:{ADMIN_PORT}',
            'discovery.servers': f'[{NAME_SERVER}]:53',
            'logging.level': 'debug',
            **FAST,
            **(settings or {}),
        }
        self.versions = (2, 2) if self.program == process.FAR else (1, 1)
        self._control = None
        folder.mkdir()
        self.configure()

    def __repr__(self):
        return f'n{self.number}'

    # --- the process ---------------------------------------------------------

    def configure(self, **settings) -> None:
        """Write the file of settings; dots are written as two underscores."""
        for name, value in settings.items():
            self.settings[name.replace('__', '.')] = value
        (self.folder / 'conf').write_text(
            ''.join(f'{name} = {value}\n'
                    for name, value in self.settings.items()),
            encoding='utf-8')

    def command(self, *flags) -> list:
        """Return the command line."""
        return [self.program, '--config', self.folder / 'conf', *flags]

    def start(self, *flags, environment=None) -> 'Node':
        """Start it, without waiting for anything."""
        with open(self.log.path, 'ab') as log:
            self.process = process.spawn(
                self.command(*flags), stdout=log, stderr=log,
                env={**process.ENVIRONMENT, **(environment or {})})
        return self

    def signal(self, number) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """Kill it: no goodbye."""
        self.forget_control()
        process.end(self.process)
        self.process = None

    def crashed(self) -> bool:
        """Tell whether it ended by a signal that was not ours, or badly."""
        if self.process is None:
            return False
        code = self.process.poll()
        text = self.log.tail(200)
        return code is not None and code < 0 or 'Sanitizer' in text or \
            'runtime error:' in text

    def freeze(self) -> None:
        """Stop it as a debugger, or a machine without breath, would."""
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self.signal(signal.SIGCONT)

    def terminate(self) -> int:
        """Ask it to leave; return its exit status."""
        self.signal(signal.SIGTERM)
        return self.wait_exit()

    def wait_exit(self) -> int:
        """Wait for it to end; return its exit status."""
        wait.until(lambda: self.process.poll() is not None,
                   f'{self} to exit')
        self.forget_control()
        return self.process.returncode

    def close(self) -> None:
        """Clean up, whatever state it is in."""
        self.forget_control()
        process.end(self.process)

    @property
    def pid(self) -> int:
        """The process id."""
        return self.process.pid

    def is_running(self) -> bool:
        """Tell whether the process lives."""
        return process.is_running(self.process)

    # --- what it says of itself ----------------------------------------------

    def forget_control(self) -> None:
        """Close the session that report() uses."""
        if self._control is not None:
            self._control.close()
            self._control = None

    def report(self) -> dict:
        """Return its STATUS; empty while it does not answer."""
        try:
            if self._control is None or self._control.closed:
                self._control = self.session(name='report')
            return self._control.report(limit=2)
        except (OSError, wire.Closed, AssertionError):
            self.forget_control()
            return {}

    def says(self, field):
        """Return one field of its STATUS, None while it does not answer."""
        return self.report().get(field)

    def members(self) -> dict:
        """Return what it says of the others, by address."""
        return {member['address']: member
                for member in self.report().get('members', [])}

    def member(self, other) -> dict:
        """Return what it says of another node; empty if nothing."""
        return self.members().get(other.address, {})

    def must_run(self) -> 'Node':
        """Fail at once if it has ended: there is nothing to wait for."""
        if not self.is_running():
            raise AssertionError(f'{self} is not running')
        return self

    def wait_ready(self) -> 'Node':
        """Wait until it calls itself ready."""
        wait.until(lambda: self.must_run().says('state') == 'ready',
                   lambda: f'{self} ready: {self.report()}')
        return self

    def wait_member(self, other, state) -> dict:
        """Wait until another node is in this state, as this one sees it."""
        return wait.until(
            lambda: state == (member := self.member(other)).get('state')
            and member, lambda: f'{other} {state} at {self}; it says '
                                f'{self.member(other)}')

    def sees(self, *others) -> bool:
        """Tell whether exactly these others are live, and hear it, and have
        answered a PING: then there is every link that it dials."""
        live = {address for address, member in self.members().items()
                if member['state'] == 'live' and member['hears_us']
                and member['rtt_us'] > 0}
        return live == {other.address for other in others} - {self.address}

    def wait_sees(self, *others) -> None:
        """Wait for that."""
        wait.until(lambda: self.must_run().sees(*others),
                   lambda: f'{self} to see {others}, it sees '
                           f'{self.members()}')

    def wait_unknown(self, other) -> None:
        """Wait until it says nothing of another node any more."""
        wait.until(lambda: self.report() and not self.member(other),
                   lambda: f'{self} to forget {other}: {self.member(other)}')

    def wait_received(self, origin, seq) -> None:
        """Wait until an event, and all before it, have arrived here."""
        def has_it():
            report = self.report()
            if report.get('node') == origin:
                return report['head'] >= seq
            return any(member['node'] == origin and member['received'] >= seq
                       for member in report.get('members', []))
        wait.until(has_it, lambda: f'{seq} of {origin} at {self}: '
                                   f'{self.report()}')

    # --- its local socket and its port ---------------------------------------

    def session(self, *topics, **options) -> wire.Session:
        """Open a session, subscribed to these topics."""
        options.setdefault('versions', self.versions)
        session = wire.Session(self.socket, **options)
        return session.subscribe(*topics) if topics else session

    def get(self, path):
        """Fetch a page of its HTTP port: (status, headers, text)."""
        try:
            with _HTTP.open(self.admin + path, timeout=5) as page:
                return page.status, page.headers, page.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read().decode()
        except OSError:
            return 0, {}, ''

    def metrics(self) -> dict:
        """Return its metrics, by name with labels; empty if unreachable."""
        found = {}
        for line in self.get('/metrics')[2].splitlines():
            if line and not line.startswith('#'):
                name, value = line.rsplit(' ', 1)
                found[name] = float(value)
        return found

    def metric(self, name) -> float:
        """Return one metric, 0 where it does not exist."""
        return self.metrics().get(name, 0.0)

    def descriptors(self) -> int:
        """Count its open descriptors."""
        return len(os.listdir(f'/proc/{self.pid}/fd'))

    # --- coherctl ------------------------------------------------------------

    def control(self, *arguments, **options):
        """Run coherctl beside it."""
        environment = {**process.ENVIRONMENT,
                       'COHERD_LOCAL_SOCKET': str(self.socket)}
        return process.run([process.COHERCTL, *arguments], env=environment,
                           **options)

    def control_json(self, *arguments):
        """Run coherctl --json and return what it printed."""
        done = self.control(*arguments, '--json')
        if done.returncode != 0:
            raise AssertionError(f'coherctl {arguments}: {done.stderr}')
        return json.loads(done.stdout)
