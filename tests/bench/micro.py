"""Instructions that single operations of the core take, and whether that has
changed.

    python3 -m tests.bench.micro PROGRAM           compare with the baseline
    python3 -m tests.bench.micro PROGRAM --store   make what it is the baseline

Counted by callgrind, as the difference of two runs, which differ only in how
often the operation is done. Unlike times, such counts do not depend on what
else the machine does; but they depend on the compiler, the C library and the
architecture, so that a baseline of others is not compared with. An operation
that takes TOLERANCE more fails, and so does one that takes so much less: store
the baseline with the change that improved it, or a later one can undo it unseen.
"""

import argparse
import concurrent.futures
import os
import pathlib
import platform
import re
import subprocess
import sys

TOLERANCE = 0.03
COUNTS = (1024, 3072)
BASELINE = pathlib.Path(__file__).with_name('micro.baseline')

# What the C library picks by the processor must not differ between machines.
_PLAIN = 'glibc.cpu.hwcaps=-AVX2,-AVX512F,-AVX512VL,-AVX512BW,-ERMS,-FSRM,' \
    '-RTM,-BMI2,-LZCNT,-MOVBE,-AVX_Fast_Unaligned_Load'


def _count(program, name, times):
    done = subprocess.run(
        ['valgrind', '--tool=callgrind', '--callgrind-out-file=/dev/null',
         program, name, str(times)], check=False, text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        env={'PATH': os.environ['PATH'], 'GLIBC_TUNABLES': _PLAIN})
    total = re.search(r'Collected : (\d+)', done.stderr)
    if done.returncode != 0 or total is None:
        sys.exit(f'micro: {name}: {done.stderr}')
    return int(total.group(1))


def _measure(program, name):
    few, many = (_count(program, name, times) for times in COUNTS)
    return (many - few) / (COUNTS[1] - COUNTS[0])


def _tools():
    gcc = subprocess.run(['gcc', '-dumpfullversion'], check=True, text=True,
                         stdout=subprocess.PIPE).stdout.strip()
    return f'gcc {gcc}, {" ".join(platform.libc_ver())}, {platform.machine()}'


def _read():
    """Return the tools of the baseline, and its counts by name."""
    tools, found = '', {}
    for line in BASELINE.read_text(encoding='ascii').splitlines():
        if line.startswith('# made by '):
            tools = line.removeprefix('# made by ')
        elif not line.startswith('#'):
            name, count = line.split()
            found[name] = float(count)
    return tools, found


def _store(found):
    BASELINE.write_text(
        '# Instructions of one operation; see micro.py.\n'
        f'# made by {_tools()}\n' + ''.join(
            f'{name} {count:.1f}\n' for name, count in found.items()),
        encoding='ascii')


def _compare(found):
    """Print the table and return how many are too different."""
    tools, baseline = _read()
    comparable = tools == _tools()
    failed = 0
    for name in sorted(found.keys() | baseline.keys()):
        if name not in found or name not in baseline:
            print(f'{name:18} only in '
                  f'{"the program" if name in found else "the baseline"}')
            failed += comparable
            continue
        change = found[name] / baseline[name] - 1
        verdict = 'ok' if abs(change) <= TOLERANCE else \
            'SLOWER' if change > 0 else 'faster: make bench-baseline'
        print(f'{name:18} {found[name]:10.1f} instructions, baseline '
              f'{baseline[name]:10.1f}, {100 * change:+6.1f} %  '
              f'{verdict if comparable else ""}')
        failed += comparable and verdict != 'ok'
    if not comparable:
        print(f'not compared: the baseline is of {tools}, this is {_tools()}')
        return 0
    print(f'{len(found) - failed} passed, {failed} failed '
          f'(tolerance {100 * TOLERANCE:.0f} %)')
    return failed


def main():
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('program')
    parser.add_argument('--store', action='store_true')
    options = parser.parse_args()
    names = subprocess.run([options.program, '--list'], check=True, text=True,
                           stdout=subprocess.PIPE).stdout.split()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        found = dict(zip(names, pool.map(
            lambda name: _measure(options.program, name), names)))
    if options.store:
        _store(found)
    sys.exit(_compare(found) > 0)


if __name__ == '__main__':
    main()
