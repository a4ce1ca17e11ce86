"""coherd beside others, in one run.

    python3 -m tests.bench.compare PROGRAM --out DIR [--rounds 5] [--quick]
                                   [--systems a,b] [--works latency,idle]

Runs every work with every system in each round, one after the other and in an
order that rotates, in a network namespace of its own. Writes results.json (all
that was measured), table.txt and plot.svg to DIR, and prints the table.
`--table FILE` prints the table of an earlier results.json instead.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

from tests.bench import machine
from tests.bench.compare import faults, plot, table
from tests.net import namespace

SYSTEMS = ('coherd', 'relay', 'raw', 'redis', 'nats')
PACKAGES = ('redis-server', 'libhiredis0.14', 'nats-server', 'libzmq5',
            'libczmq4', 'gcc')

# name: (the program's work, its arguments, the same for --quick)
WORKS = {
    'idle': ('idle', (10,), (2,)),
    'latency': ('latency', (3000,), (500,)),
    'one': ('throughput', (2000000, 1, 0, 50000), (200000, 1, 0, 50000)),
    'sixteen': ('throughput', (2000000, 16, 0, 50000),
                (200000, 16, 0, 50000)),
    'hot': ('throughput', (2000000, 1, 1000, 0), (200000, 1, 1000, 0)),
    'confirmed': ('confirmed', (3000, 300000, 64), (500, 30000, 64)),
    'unchecked': ('throughput', (2000000, 1, 0, 0), (200000, 1, 0, 0)),
    'faults': None,
}

# Works that not every system can do.
ONLY = {'confirmed': ('coherd',)}


def _measure(program, system, work, arguments):
    # pylint: disable=subprocess-run-check
    done = subprocess.run([program, system, work, *map(str, arguments)],
                          text=True, stdout=subprocess.PIPE, timeout=300)
    if done.returncode != 0:
        raise RuntimeError(f'{system} {work}: status {done.returncode}')
    return {name: float(value) for name, value in
            map(str.split, done.stdout.splitlines())}


def _jobs(options):
    """Yield (name of the result, how to measure it with a system)."""
    for name in options.works.split(','):
        if name == 'faults':
            for fault in faults.FAULTS:
                yield fault, lambda system, fault=fault: faults.measure(
                    [options.program, system], fault)
            continue
        work, slow, quick = WORKS[name]
        yield name, lambda system, work=work, slow=slow, quick=quick: \
            _measure(options.program, system, work,
                     quick if options.quick else slow)


def _run(options):
    systems = options.systems.split(',')
    results = {'begun': time.strftime('%Y-%m-%d %H:%M:%S %z'),
               'machine': machine.describe(),
               'versions': machine.versions(*PACKAGES),
               'rounds': options.rounds, 'quick': options.quick,
               'load_before': os.getloadavg()[0], 'runs': []}
    for number in range(options.rounds):
        for name, measure in _jobs(options):
            for i in range(len(systems)):
                system = systems[(i + number) % len(systems)]
                if system not in ONLY.get(name, systems):
                    continue
                print(f'round {number + 1} of {options.rounds}: {name}, '
                      f'{system}', file=sys.stderr, flush=True)
                results['runs'].append({
                    'round': number, 'work': name, 'system': system,
                    'load': os.getloadavg()[0],
                    **measure(system)})
        _write(options, results)
    return results


def _write(options, results):
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / 'results.json').write_text(
        json.dumps(results, indent=1) + '\n', encoding='utf-8')
    (options.out / 'table.txt').write_text(table.text(results),
                                           encoding='utf-8')
    (options.out / 'plot.svg').write_text(plot.svg(results),
                                          encoding='utf-8')


def main():
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('program', nargs='?')
    parser.add_argument('--out', type=pathlib.Path, default='build/bench')
    parser.add_argument('--rounds', type=int,
                        default=int(os.environ.get('BENCH_ROUNDS', '5')))
    parser.add_argument('--quick', action='store_true',
                        default='BENCH_QUICK' in os.environ)
    parser.add_argument('--systems', default=','.join(SYSTEMS))
    parser.add_argument('--works', default=os.environ.get(
        'BENCH_WORKS', ','.join(WORKS)))
    parser.add_argument('--table', type=pathlib.Path)
    options = parser.parse_args()
    if options.table:
        results = json.loads(options.table.read_text(encoding='utf-8'))
        options.out = options.table.parent
        _write(options, results)
    else:
        namespace.enter()
        results = _run(options)
    print(table.text(results), end='')
    print(f'\nAll of it: {options.out}/results.json, plot.svg')


if __name__ == '__main__':
    main()
