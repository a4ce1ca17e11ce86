"""Faults between the servers of one system, and what they cost.

The program beside this file publishes a steady load and says when everything
happened; here the network fails for a while, and the record is judged. Packets
are lost by nftables, connections are reset by `ss --kill`, which sends a TCP
reset as a crashed host would, and a node is frozen by SIGSTOP. All of it needs
the network namespace in which the whole benchmark runs.
"""

import os
import re
import signal
import subprocess
import threading
import time

from tests.net.links import socket_inodes

RATE = 500        # events a second: one every 2 ms, as for latency
BEFORE = 1.0      # seconds of load before the fault
DURING = 3.0
AFTER = 3.0
LATE_MS = 100.0   # an event that takes longer was delayed by the fault

_NS = 1e9
_TABLE = 'inet coherd_bench'


def _nft(text):
    subprocess.run(['nft', '-f', '-'], input=text, text=True, check=True)


def _sleep_until(when):
    time.sleep(max(0.0, when - time.monotonic()))


class Run:
    """What the program said: who is who, and what happened when."""

    def __init__(self):
        self.servers = {}
        self.subscribers = {}
        self.ports = []
        self.begun = None
        self.events = []
        self.notices = [[], [], []]
        self.exceeded = [[], [], []]
        self.ended = None
        self.ready = threading.Event()

    def take(self, line):
        """Take in one line."""
        name, *rest = line.split()
        if name == 'port':
            self.ports.append(int(rest[0]))
            return
        numbers = [int(word) for word in rest]
        if name == 'server':
            self.servers[numbers[0]] = numbers[1]
        elif name == 'subscriber':
            self.subscribers[numbers[0]] = numbers[1]
        elif name == 'begun':
            self.begun = numbers[0]
            self.ready.set()
        elif name == 'event':
            self.events.append(numbers[1:])
        elif name == 'notice':
            self.notices[numbers[0]].append(numbers[1])
        elif name == 'exceeded':
            self.exceeded[numbers[0]].append(numbers[1:])
        elif name == 'ended':
            self.ended = numbers[0]


# --- the faults -------------------------------------------------------------

def _lose(run, percent):
    ports = ', '.join(str(port) for port in run.ports)
    _nft(f'table {_TABLE} {{\n chain input {{\n'
         ' type filter hook input priority 0;\n' + ''.join(
             f' tcp {side} {{ {ports} }} numgen random mod 100 < {percent} '
             'counter drop\n' for side in ('dport', 'sport')) + ' }\n}\n')


def _heal():
    done = subprocess.run(['nft', 'list', 'table', *_TABLE.split()],
                          text=True, check=True, stdout=subprocess.PIPE)
    _nft(f'delete table {_TABLE}\n')
    return sum(int(count) for count in
               re.findall(r'counter packets (\d+)', done.stdout))


def _loss(percent):
    def fail(run, end):
        _lose(run, percent)
        _sleep_until(end)
        return _heal()
    return fail


def _freeze(run, end):
    """The last node; of a system with one server, that one."""
    pid = run.servers[max(run.servers)]
    os.kill(pid, signal.SIGSTOP)
    _sleep_until(end)
    os.kill(pid, signal.SIGCONT)
    return 1


def _connections(pid):
    """Return the established TCP connections of a process, as port pairs."""
    inodes = socket_inodes(pid)
    found = set()
    with open('/proc/self/net/tcp6', encoding='ascii') as table:
        for row in list(table)[1:]:
            words = row.split()
            if words[9] in inodes and words[3] == '01':
                found.add(tuple(int(words[i].rsplit(':', 1)[1], 16)
                                for i in (1, 2)))
    return found


def _victim(run):
    """Return the connection that carries A's events to C, if it is up."""
    last = max(run.servers)
    there = run.servers[last] if last > 0 else run.subscribers[2]
    mirrored = {(b, a) for a, b in _connections(there)}
    pairs = [pair for pair in _connections(run.servers[0]) & mirrored
             if set(pair) & set(run.ports)]
    return min(pairs, key=lambda pair: run.ports[0] not in pair, default=None)


def _reset(run, end):
    """One connection each second."""
    count = 0
    while (now := time.monotonic()) < end:
        pair = _victim(run)
        if pair is not None:
            subprocess.run(['ss', '-K', '-6', '-t', 'src',
                            f'[::1]:{pair[0]}', 'dst', f'[::1]:{pair[1]}'],
                           check=True, stdout=subprocess.DEVNULL)
            if pair in _connections(run.servers[0]):
                raise RuntimeError('this kernel cannot kill a connection: '
                                   'CONFIG_INET_DIAG_DESTROY is missing')
            count += 1
        _sleep_until(min(end, now + 1.0))
    return count


FAULTS = {
    'loss 1 %': _loss(1),
    'loss 10 %': _loss(10),
    'frozen 3 s': _freeze,
    'a reset a second': _reset,
}


# --- the judgement ----------------------------------------------------------

def _first_from(times, since):
    return min((when for when in times if when >= since), default=0)


def _last_readable(sent, until, exceeded):
    """Return the last moment in [sent, until] outside all spans in which the
    subscriber knew that it might be stale; sent if there is none."""
    last = until
    for begin, end in sorted(exceeded, reverse=True):
        if begin <= last and (end == 0 or end >= last):
            last = begin
    return max(sent, last)


def judge(run, fault_end):
    """Return what a fault did, times in milliseconds; None: for ever."""
    silent = reported = 0
    stale = guarded = late_until = 0.0
    for sent, *received in run.events:
        for node, arrived in enumerate(received):
            told = _first_from(run.notices[node], sent)
            coherent = min(filter(None, (arrived, told)), default=0)
            if not arrived:
                silent += not told
                reported += bool(told)
            until = coherent or run.ended
            span = (until - sent) / 1e6
            stale = max(stale, span)
            guarded = max(guarded, (_last_readable(
                sent, until, run.exceeded[node]) - sent) / 1e6)
            if span > LATE_MS:
                late_until = max(late_until, (until - fault_end) / 1e6)
    forever = silent > 0
    return {
        'published': len(run.events),
        'lost_silently': silent,
        'lost_reported': reported,
        'coherent_ms': None if forever else late_until,
        'stale_ms': None if forever else stale,
        'stale_bounded_ms': guarded if any(run.exceeded) else
        (None if forever else stale),
    }


def measure(command, name):
    """Run one system under one fault and return the judgement."""
    seconds = BEFORE + DURING + AFTER
    run = Run()
    with subprocess.Popen([*command, 'faults', str(RATE), str(int(seconds))],
                          stdout=subprocess.PIPE, text=True) as process:
        reader = threading.Thread(
            target=lambda: [run.take(line) for line in process.stdout])
        reader.start()
        try:
            if not run.ready.wait(90):
                raise RuntimeError(f'{command}: does not begin')
            begun = run.begun / _NS + BEFORE
            _sleep_until(begun)
            bites = FAULTS[name](run, begun + DURING)
            fault_end = time.monotonic_ns()
            if process.wait(90) != 0:
                raise RuntimeError(f'{command}: status {process.returncode}')
        except BaseException:
            process.kill()
            raise
        finally:
            reader.join(5)
    return {**judge(run, fault_end), 'bites': bites}
