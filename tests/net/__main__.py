"""Real sidecars on a real IPv6 network of their own, with a real DNS server.

    python3 -m tests.net                 all tests
    python3 -m tests.net scale dns       those whose name contains a word
    python3 -m tests.net --list          only print the names
    python3 -m tests.net --fail-fast     stop at the first failure

The long tests of test_faults run beside all others, in a network of their own.

Needs nothing but what deploy/install-deps installs, and no rights: without
root, a user namespace is made.
"""

import argparse
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
import unittest

from tests.net import namespace, process

# Tests of this module are a lane of their own.
LONG = 'tests.net.test_faults.'

_LANE = 'CHD_NET_LANE'

# Ends what a lane has to say about one test.
_END = '\x1e\n'


class Result(unittest.TextTestResult):
    """Print each test as it ends, with the time it took and, when it failed,
    the end of every sidecar's log."""

    def startTest(self, test):
        self._started = time.monotonic()
        unittest.TestResult.startTest(self, test)

    def getDescription(self, test):
        if not isinstance(test, unittest.TestCase):
            return str(test)
        words = test.id().split('.')
        return f'{words[-3].removeprefix("test_")}: ' + \
            words[-1].removeprefix('test_').replace('_', ' ')

    def stopTest(self, test):
        unittest.TestResult.stopTest(self, test)
        if _LANE in os.environ:
            self.stream.write(_END)
            self.stream.flush()

    def _tell(self, test, verdict):
        seconds = time.monotonic() - getattr(self, '_started',
                                             time.monotonic())
        self.stream.writeln(f'{verdict:4} {seconds:5.1f} s  '
                            f'{self.getDescription(test)}')
        self.stream.flush()

    def _tell_logs(self, test, error):
        self._tell(test, 'FAIL')
        self.stream.writeln(self._exc_info_to_string(error, test))
        mesh = getattr(test, 'mesh', None)
        if mesh is not None:
            self.stream.writeln(mesh.tails())

    def addSuccess(self, test):
        unittest.TestResult.addSuccess(self, test)
        self._tell(test, 'ok')

    def addSkip(self, test, reason):
        unittest.TestResult.addSkip(self, test, reason)
        self._tell(test, 'skip')

    def addFailure(self, test, err):
        unittest.TestResult.addFailure(self, test, err)
        self._tell_logs(test, err)

    def addError(self, test, err):
        unittest.TestResult.addError(self, test, err)
        self._tell_logs(test, err)

    def addSubTest(self, test, subtest, err):
        unittest.TestResult.addSubTest(self, test, subtest, err)
        if err is not None:
            self.stream.writeln(subtest._subDescription())
            self._tell_logs(test, err)

    def printErrors(self):
        """They were printed when they happened."""


def flatten(suite):
    """Yield the tests of a suite."""
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from flatten(test)
        else:
            yield test


class Lane(threading.Thread):
    """Another of us that runs a part of the tests; what it says of a test is
    printed when that has ended."""

    def __init__(self, tests, options):
        super().__init__()
        self.count = len(tests)
        flags = ['--fail-fast'] if options.fail_fast else []
        self.process = process.spawn(
            [sys.executable, '-m', 'tests.net', *flags, '--exactly',
             *(test.id() for test in tests)],
            env={**os.environ, _LANE: '1'}, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True)
        self.bad = None
        self.start()

    def run(self):
        text = ''
        for line in self.process.stdout:
            if line == _END:
                self._print(text)
                text = ''
            elif line.startswith(_END[0]):
                self.bad = int(line[1:])
            else:
                text += line
        self._print(text)
        self.process.wait()
        if self.bad is None:
            self.bad = self.count

    @staticmethod
    def _print(text):
        # One call, so that lanes do not mix.
        sys.stdout.write(text)
        sys.stdout.flush()


def run_lanes(tests, options) -> int:
    """Run the long tests beside the others, then count."""
    lanes = []
    try:
        for part in ([t for t in tests if t.id().startswith(LONG)],
                     [t for t in tests if not t.id().startswith(LONG)]):
            lanes.append(Lane(part, options))
        for lane in lanes:
            lane.join()
    except KeyboardInterrupt:
        for lane in lanes:
            lane.process.terminate()
        for lane in lanes:
            lane.join()
        print('interrupted')
        return 130
    bad = sum(lane.bad for lane in lanes)
    print(f'{len(tests) - bad} passed, {bad} failed')
    return 1 if bad else 0


def run(tests, options) -> int:
    """Run tests one after the other."""
    namespace.enter()
    runner = unittest.TextTestRunner(
        stream=sys.stdout, resultclass=Result, failfast=options.fail_fast,
        verbosity=1)
    try:
        done = runner.run(unittest.TestSuite(tests))
    except KeyboardInterrupt:
        print('interrupted')
        return 130
    if _LANE in os.environ:
        bad = len(done.failures) + len(done.errors) + \
            len(done.unexpectedSuccesses)
        print(f'{_END[0]}{bad}')
    return 0 if done.wasSuccessful() else 1


def main() -> int:
    """Run the tests that the command line names."""
    parser = argparse.ArgumentParser(prog='python3 -m tests.net')
    parser.add_argument('--list', action='store_true')
    parser.add_argument('--fail-fast', action='store_true')
    parser.add_argument('--exactly', action='store_true',
                        help='words are whole names')
    parser.add_argument('words', nargs='*')
    options = parser.parse_args()

    here = pathlib.Path(__file__).resolve().parent
    found = unittest.defaultTestLoader.loadTestsFromNames(
        sorted(f'tests.net.{path.stem}' for path in here.glob('test_*.py')))
    tests = [test for test in flatten(found)
             if not options.words
             or options.exactly and test.id() in options.words
             or not options.exactly and any(word in test.id()
                                            for word in options.words)
             or 'FailedTest' in test.id()]
    if options.list:
        print('\n'.join(test.id() for test in tests))
        return 0
    if not tests:
        print('no test is called so', file=sys.stderr)
        return 2
    # Whoever stops us wants us to clean up.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    long = sum(test.id().startswith(LONG) for test in tests)
    if 0 < long < len(tests):
        return run_lanes(tests, options)
    return run(tests, options)


if __name__ == '__main__':
    sys.exit(main())
