"""What a mesh costs as it grows, in virtual time.

    python3 -m tests.bench.virtual --out DIR PROGRAM NODES... [WIDE NODES...]

PROGRAM and WIDE are builds of tests/bench/virtual. Each number of nodes is run
by the program that it stands behind. Prints one table, writes scale_sim.json.
A curve is value(N) / value(least N): what grows as the nodes do shows their
ratio, which stands in the first row.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys

# What is shown, and whether it is divided by that of the least run.
ROWS = (
    ('nodes', 'nodes', True),
    ('idle: messages /s', 'idle.messages', True),
    ('idle: bytes /s', 'idle.bytes', True),
    ('idle: steps /s', 'idle.steps', True),
    ('idle: processor, us /s', 'idle.cpu_us', True),
    ('1,000 events: messages /s', 'load.messages', True),
    ('1,000 events: bytes /s', 'load.bytes', True),
    ('1,000 events: of that VECTOR', 'load.bytes.vector', True),
    ('1,000 events: steps /s', 'load.steps', True),
    ('1,000 events: processor, us /s', 'load.cpu_us', True),
    ('parted: bytes /s', 'cut.bytes', True),
    ('parted: processor, us /s', 'cut.cpu_us', True),
    ('healing: bytes /s', 'heal.bytes', True),
    ('healing: of that HELLO, WELCOME', 'hellos', True),
    ('healing: processor, us /s', 'heal.cpu_us', True),
    ('healed: all missed is there, s', 'heal.whole_s', False),
    ('healed: all are fresh, s', 'heal.fresh_s', False),
    ('healed: all hear all, s', 'heal.heard_s', False),
    ('healing: RESETs', 'heal.resets', False),
    ('join: processor, ms', 'join_ms', True),
    ('names answer: processor, us', 'listed_us', True),
    ('memory of a peer, bytes', 'peer_bytes', False),
    ('memory of a core, MiB', 'core_mib', False),
    ('touched by a node, MiB', 'touched_mib', True),
    ('took, s', 'wall_s', False),
)


def _run(program, nodes, arguments):
    print(f'{nodes} nodes: {program}', file=sys.stderr)
    done = subprocess.run([program, '--nodes', str(nodes), *arguments],
                          check=True, stdout=subprocess.PIPE)
    found = json.loads(done.stdout)
    found['program'] = program
    if 'heal.bytes' in found:
        found['hellos'] = (found.get('heal.bytes.hello', 0) +
                           found.get('heal.bytes.welcome', 0))
    found['join_ms'] = found['join.cpu_us'] / 1000
    found['core_mib'] = found['core_bytes'] / 2**20
    found['touched_mib'] = found['peak_mib'] / nodes
    return found


def _number(value):
    if value >= 1000:
        return f'{value:,.0f}'
    return f'{value:.3g}' if value < 10 else f'{value:.0f}'


def _cell(run, least, key, divided):
    if key not in run:
        return '-'
    text = _number(run[key]) if run[key] >= 0 else 'not yet'
    if divided and run is not least and least.get(key):
        text += f' (x{_number(run[key] / least[key])})'
    return text


def table(runs):
    """Return the rows of a table in Markdown, one column for each run."""
    least = runs[0]
    lines = ['| |' + ' |' * len(runs), '| --- |' + ' ---: |' * len(runs)]
    for title, key, divided in ROWS:
        if any(key in run for run in runs):
            cells = [_cell(run, least, key, divided) for run in runs]
            lines.append(f'| {title} | ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines)


def _plan(words):
    """Return pairs of a program and a number of nodes."""
    plan, program = [], None
    for word in words:
        if word.isdigit():
            plan.append((program, int(word)))
        else:
            program = word
    return plan


def main():
    parser = argparse.ArgumentParser(prog='tests.bench.virtual')
    parser.add_argument('--out', type=pathlib.Path, required=True)
    parser.add_argument('--cut-max', type=int, default=1000, metavar='N',
                        help='larger meshes are not parted (%(default)s)')
    parser.add_argument('--load-max', type=int, default=2000, metavar='N',
                        help='larger meshes are only idle (%(default)s)')
    parser.add_argument('--seconds', default='2')
    parser.add_argument('words', nargs='+')
    options = parser.parse_args()

    runs = []
    for program, nodes in _plan(options.words):
        arguments = ['--seconds', options.seconds]
        if nodes > options.cut_max:
            arguments = ['--seconds', '1', '--cut', '0']
        if nodes > options.load_max:
            arguments += ['--rate', '0']
        runs.append(_run(program, nodes, arguments))
    options.out.mkdir(parents=True, exist_ok=True)
    report = {'processors': os.cpu_count(), 'load': os.getloadavg(),
              'runs': runs}
    (options.out / 'scale_sim.json').write_text(
        json.dumps(report, indent=1) + '\n', encoding='ascii')
    print(table(runs))
    return 0


if __name__ == '__main__':
    sys.exit(main())
