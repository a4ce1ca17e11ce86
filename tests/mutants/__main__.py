"""Plant faults in the engine, one at a time, and demand that the simulator's
seeds find each of them.

    python3 -m tests.mutants                 all mutants
    python3 -m tests.mutants hold window     those whose name contains a word
    python3 -m tests.mutants --seeds 50      look at so many seeds, not at 300
    python3 -m tests.mutants --list          what is planted

`make sim-mutants` calls this and says how to compile: MUTANT_CC and MUTANT_LD
are the commands, SIM_OBJECTS what chd-sim is linked from. The sources are not
touched: a mutant is compiled from a copy, and its object is linked before the
library that holds the sound one.

mutant.py says what a mutant looks like.
"""

import argparse
import concurrent.futures
import os
import pathlib
import signal
import sys

from tests.mutants import mutant

SEEDS = 300


def examine(planted, bench, seeds):
    """Return a line about one mutant, and whether it was noticed."""
    try:
        program = bench.build(planted)
        found = bench.hunt(program, seeds, planted.faults)
    except mutant.Broken as why:
        return f'mutant {planted.name}: {why}', False
    if found is None:
        return f'mutant {planted.name}: survived {seeds} seeds', False
    seed, oracle, verdict = found
    if oracle not in planted.oracles:
        wanted = ' or '.join(planted.oracles)
        return (f'mutant {planted.name}: noticed by {oracle}, seed {seed}, '
                f'and not by {wanted}: {verdict}'), False
    return f'mutant {planted.name}: noticed by {oracle}, seed {seed}', True


def main():
    parser = argparse.ArgumentParser(prog='tests.mutants')
    parser.add_argument('words', nargs='*', help='parts of names')
    parser.add_argument('--list', action='store_true',
                        help='only say what is planted')
    parser.add_argument('--seeds', type=int, default=SEEDS, metavar='N',
                        help='run seeds 1..N on each (%(default)s)')
    options = parser.parse_args()
    if options.seeds < 1:
        parser.error('--seeds wants a number from 1 up')

    here = pathlib.Path(__file__).resolve().parent
    all_of_them = mutant.read_all(here)
    chosen = [m for m in all_of_them
              if not options.words or any(w in m.name for w in options.words)]
    if not chosen:
        parser.error('no mutant is called like that')
    if options.list:
        for m in chosen:
            print(f'{m.name}: {m.wrong} ({", ".join(m.oracles)})')
        return 0

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    bench = mutant.Bench(here.parent.parent, os.environ)
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for line, good in pool.map(
                lambda m: examine(m, bench, options.seeds), chosen):
            failed += not good
            print(line, flush=True)
    print(f'mutants: {len(chosen) - failed} passed, {failed} failed')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
