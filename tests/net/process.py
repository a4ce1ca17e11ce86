"""Processes that do not outlive us."""

import os
import pathlib
import signal
import subprocess

from tests.net import wait

DEVNULL = subprocess.DEVNULL

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get('BUILD', 'build')
BIN = ROOT / os.environ.get('CHD_BIN', BUILD / 'bin')
TEST_BIN = ROOT / os.environ.get('CHD_TEST_BIN', BUILD / 'release/bin')

COHERD = BIN / 'coherd'
COHERCTL = BIN / 'coherctl'
NEXT = BUILD / 'test/coherd-next'
FAR = BUILD / 'test/coherd-far'
PROBE = TEST_BIN / 'probe'
HASHMAP = BUILD / 'examples/hashmap'
READTHROUGH = BUILD / 'examples/readthrough'
EPISODES = BIN.parent / 'examples/episodes'
EPISODES_PLAIN = BIN.parent / 'examples/episodes-plain'

# What the programs see; nothing of whoever runs the tests changes a result.
ENVIRONMENT = {'PATH': '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:'
                       '/sbin:/bin',
               'LC_ALL': 'C.UTF-8',
               **{name: value for name, value in os.environ.items()
                  if name.endswith('SAN_OPTIONS')}}


def spawn(command, **options) -> subprocess.Popen:
    """Start a program in a group of its own; it dies when we do."""
    words = ['setpriv', '--pdeathsig', 'KILL', '--', *map(str, command)]
    options.setdefault('env', ENVIRONMENT)
    options.setdefault('stdin', DEVNULL)
    return subprocess.Popen(words, start_new_session=True, **options)


def run(command, seconds=wait.LIMIT, **options):
    """Run a program to its end and return what it said."""
    options.setdefault('env', ENVIRONMENT)
    if 'input' not in options:
        options.setdefault('stdin', DEVNULL)
    return subprocess.run([str(word) for word in command], check=False,
                          text=True, timeout=seconds,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          **options)


def is_running(process) -> bool:
    """Tell whether a program was started and has not ended."""
    return process is not None and process.poll() is None


def end(process) -> None:
    """Kill a program and all that it started."""
    if process is None:
        return
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            try:
                stream.close()
            except BrokenPipeError:
                pass


def processor_seconds(pid: int) -> float:
    """Return the processor time that a process has used."""
    stat = pathlib.Path(f'/proc/{pid}/stat').read_text(encoding='ascii')
    fields = stat.rsplit(')', 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def resident_bytes(pid: int) -> int:
    """Return the memory that a process occupies."""
    statm = pathlib.Path(f'/proc/{pid}/statm').read_text(encoding='ascii')
    return int(statm.split()[1]) * os.sysconf('SC_PAGE_SIZE')
