"""What a sidecar costs when there are many.

    python3 -m tests.bench.scale PROGRAM --out FILE [--sizes 3,10] [--quick]

For each size so many sidecars are started in a network namespace, each on an
address of its own, with a name server that lists them all. Writes all that was
measured to FILE and prints the table. PROGRAM is what tests/bench/reach.c
becomes. `--table FILE` prints the table of an earlier run instead.
"""

import argparse
import json
import os
import pathlib
import sys
import time

from tests.bench import machine
from tests.bench.scale import fleet, measure, table
from tests.net import namespace

SIZES = (3, 10, 30, 60, 100)
QUICK_SIZES = (3, 10)
PACKAGES = ('libzmq5', 'libczmq4', 'dnsmasq-base', 'gcc')

# Nothing of this should be said while nobody does anything to anybody.
TROUBLE = ('peer_silent', 'peer_dead', 'peer_redialled', 'peer_deaf_to_us',
           'node_degraded', 'events_repaired', 'events_lost', 'dial_failed',
           'dns_unknown')


def _say(*words):
    print(*words, file=sys.stderr, flush=True)


def _measure(options, count):
    mesh = fleet.Fleet(count)
    try:
        _say(f'{count} sidecars: all at once')
        begun = time.monotonic()
        start_ready, start_live = mesh.start()
        time.sleep(measure.SETTLE)
        _say(f'{count} sidecars: idle')
        found = measure.idle(mesh, 4 if options.quick else 20)
        found |= measure.memory(mesh.nodes, 'early')
        _say(f'{count} sidecars: events')
        found |= measure.latency(options.program, mesh.nodes,
                                 100 if options.quick else 500)
        _say(f'{count} sidecars: memory')
        if not options.quick:
            time.sleep(max(0.0, begun + measure.AGE - time.monotonic()))
        found |= measure.memory(mesh.nodes, 'late')
        _say(f'{count} sidecars: one more')
        join_ready, join_live = mesh.replace_last()
        return {'sidecars': count, 'load': os.getloadavg()[0],
                'start_ready_s': start_ready, 'start_live_s': start_live,
                'join_ready_s': join_ready, 'join_live_s': join_live,
                'trouble': mesh.said(*TROUBLE), **found}
    except BaseException:
        _say(mesh.mesh.tails()[-4000:])
        raise
    finally:
        mesh.close()


def _run(options):
    sizes = [int(size) for size in options.sizes.split(',')]
    fleet.prepare(max(sizes))
    results = {'begun': time.strftime('%Y-%m-%d %H:%M:%S %z'),
               'machine': machine.describe(),
               'versions': machine.versions(*PACKAGES),
               'quick': options.quick, 'load_before': os.getloadavg()[0],
               'sizes': []}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    for size in sizes:
        results['sizes'].append(_measure(options, size))
        options.out.write_text(json.dumps(results, indent=1) + '\n',
                               encoding='utf-8')
    return results


def main():
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('program', nargs='?')
    parser.add_argument('--out', type=pathlib.Path,
                        default='build/bench/scale.json')
    parser.add_argument('--quick', action='store_true',
                        default='BENCH_QUICK' in os.environ)
    parser.add_argument('--sizes', default=os.environ.get('BENCH_SIZES'))
    parser.add_argument('--table', type=pathlib.Path)
    options = parser.parse_args()
    if options.table:
        print(table.text(json.loads(
            options.table.read_text(encoding='utf-8'))), end='')
        return
    options.sizes = options.sizes or ','.join(
        map(str, QUICK_SIZES if options.quick else SIZES))
    namespace.enter()
    print(table.text(_run(options)), end='')
    print(f'\nAll of it: {options.out}')


if __name__ == '__main__':
    main()
