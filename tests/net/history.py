"""Instances that record what they read (reader.c), and the judgement of what
they recorded (history.c)."""

import json
import mmap
import pathlib
import signal
import struct
import time

from tests.net import process, wait

READER = process.TEST_BIN / 'reader'
VERIFIER = process.TEST_BIN / 'history'

# As in history.h.
INSTANCES_MAX = 16
KEYS, CACHES = 256, 2
ROWS, PRICES = range(CACHES)
KEY, TAG, SHELF, ALL, UPDATE = range(5)
LOADED, FINAL = 1, 2
NEVER = 2**64 - 1
UNKNOWN = 2**32 - 1
DATABASE = struct.Struct(f'={1 + 2 * INSTANCES_MAX + CACHES * KEYS}Q')
WRITE = struct.Struct('=QQQQQIHBBB7x')
READ = struct.Struct('=QQIIHBB4x')


def now_ns() -> int:
    """Return the time that records are stamped with."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def verify(folder):
    """Judge a history: what the verifier counts, and what it says."""
    done = process.run([VERIFIER, folder], seconds=120)
    if done.returncode not in (0, 1):
        raise AssertionError(f'{VERIFIER}: {done.returncode} {done.stderr}')
    return json.loads(done.stdout), done.stderr


class Reader:
    """One instance."""

    def __init__(self, node, folder, number, bound=0, lie=False):
        self.node = node
        self.number = number
        self._said = folder / f'said.{number}'
        with open(self._said, 'wb') as output:
            self.process = process.spawn(
                [READER, *(['--bound', bound] if bound else []),
                 *(['--lie'] if lie else []), node.socket, folder, number],
                stdin=-1, stdout=output, bufsize=0)

    def __repr__(self):
        return f'instance {self.number} at {self.node}'

    def tell(self, word) -> None:
        """Give it a command."""
        self.process.stdin.write(f'{word}\n'.encode())

    def said(self, word) -> bool:
        """Tell whether it has said this."""
        if not process.is_running(self.process):
            raise AssertionError(f'{self} ended: {self.process.returncode}')
        return word in self._said.read_text(encoding='ascii').split()

    def freeze(self) -> None:
        """Stop it as a debugger would; returns when all threads stand."""
        self.process.send_signal(signal.SIGSTOP)
        tasks = pathlib.Path(f'/proc/{self.process.pid}/task')
        wait.until(lambda: all(
            (task / 'stat').read_text('ascii').rsplit(')', 1)[1].split()[0]
            in 'Tt' for task in tasks.iterdir()), f'{self} to stand')

    def thaw(self) -> None:
        """Let it go on."""
        self.process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """End it, whatever it does."""
        process.end(self.process)


class History:
    """What the instances of one test write and read."""

    def __init__(self, folder):
        self.folder = folder
        self.readers = []
        self._faults = []
        folder.mkdir()
        (folder / 'database').write_bytes(bytes(DATABASE.size))
        with open(folder / 'database', 'rb') as file:
            self._database = mmap.mmap(file.fileno(), 0,
                                       access=mmap.ACCESS_READ)

    def close(self) -> None:
        """End all instances."""
        for reader in self.readers:
            reader.close()
        self._database.close()

    def open(self, *nodes, each=2, bound=0, lie=False) -> 'History':
        """Start instances beside each node; every second one has the bound,
        if there is one."""
        for _ in range(each):
            for node in nodes:
                number = len(self.readers)
                mine = bound if number // len(nodes) % 2 else 0
                self.readers.append(
                    Reader(node, self.folder, number, mine, lie))
                if mine:
                    self.note('bound', number, mine)
        for reader in self.readers:
            wait.until(lambda r=reader: r.said('running'), f'{reader} to run')
        return self

    def at(self, *nodes) -> list:
        """Return the instances beside these nodes."""
        return [each for each in self.readers if each.node in nodes]

    def note(self, *words) -> None:
        """Note what the verifier has to know of a fault."""
        self._faults.append(' '.join(map(str, words)))

    def kill(self, node) -> None:
        """Kill a sidecar and note what that means."""
        origin = node.report()['node']
        self.note('died', f'{origin:x}', now_ns())
        node.kill()

    def note_apart(self, since, until, here, there) -> None:
        """Note that these nodes had given up those within a time."""
        mask = sum(1 << reader.number for reader in self.at(*here))
        self.note('apart', since, until, f'{mask:x}',
                  ','.join(f'{node.says("node"):x}' for node in there))

    # --- what they have done so far ------------------------------------------

    def done(self, reader) -> tuple:
        """Return how much an instance has read and written."""
        numbers = DATABASE.unpack(self._database)
        return (numbers[1 + reader.number],
                numbers[1 + INSTANCES_MAX + reader.number])

    def work(self, reads=20_000, writes=40, readers=None) -> None:
        """Wait until each of these instances, or of all, has read and written
        so much more."""
        chosen = self.readers if readers is None else readers
        begun = {reader: self.done(reader) for reader in chosen}

        def is_done(reader):
            reader.said('running')
            now = self.done(reader)
            return now[0] - begun[reader][0] >= reads and \
                now[1] - begun[reader][1] >= writes
        for reader in chosen:
            wait.until(lambda r=reader: is_done(r),
                       lambda r=reader: f'{r} to go on: {self.done(r)} '
                                        f'since {begun[r]}', 2 * wait.LIMIT)

    def finish(self) -> None:
        """Let all stop writing, then see everything applied, then end."""
        for word, answer in ('halt', 'halted'), ('settle', 'settled'):
            for reader in self.readers:
                reader.tell(word)
            for reader in self.readers:
                wait.until(lambda r=reader, a=answer: r.said(a),
                           lambda r=reader, a=answer: f'{r} {a}',
                           2 * wait.LIMIT)
        for reader in self.readers:
            reader.tell('quit')
        for reader in self.readers:
            if reader.process.wait(wait.LIMIT) != 0:
                raise AssertionError(f'{reader} did not end well')

    def judge(self):
        """Return what the verifier counts and what it says."""
        (self.folder / 'faults').write_text(
            ''.join(line + '\n' for line in self._faults), encoding='ascii')
        return verify(self.folder)
