"""The table: medians and spread of all rounds, and the targets."""

import statistics

NAMES = {
    'coherd': 'coherd',
    'relay': 'bare relay chain (libzmq)',
    'raw': 'raw epoll chain',
    'redis': 'Redis pub/sub',
    'nats': 'NATS, three nodes',
}
MIB = 1024 * 1024
FOREVER = float('inf')
FAULTS = ('loss 1 %', 'loss 10 %', 'frozen 3 s', 'a reset a second')


def values(results, system, work, field):
    """Return the value of each round, by round."""
    return {run['round']: FOREVER if run[field] is None else run[field]
            for run in results['runs']
            if run['system'] == system and run['work'] == work
            and field in run}


def median(results, system, work, field):
    """Return the median of all rounds, None without any."""
    found = values(results, system, work, field).values()
    return statistics.median(found) if found else None


def systems_of(results):
    """Return the systems that were measured, in the order of NAMES."""
    measured = {run['system'] for run in results['runs']}
    return [name for name in NAMES if name in measured]


def _works_of(results):
    return {run['work'] for run in results['runs']}


def number(value):
    """Return a number as the tables show it."""
    if value == FOREVER:
        return 'for ever'
    if value >= 100 or value == 0:
        return f'{value:,.0f}'
    return f'{value:.1f}' if value >= 1 else f'{value:.2f}'


def _cell(results, system, work, field, scale=1.0):
    found = [value * scale for value in
             values(results, system, work, field).values()]
    if not found:
        return '-'
    middle = statistics.median(found)
    least, most = min(found), max(found)
    if least == most:
        return number(middle)
    return f'{number(middle)} [{number(least)}..{number(most)}]'


def grid(heads, rows):
    """Return the lines of a table."""
    widths = [max(len(row[i]) for row in [heads, *rows])
              for i in range(len(heads))]
    lines = []
    for row in (heads, ['-' * width for width in widths], *rows):
        lines.append('| ' + ' | '.join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths))) + ' |')
    return lines


# --- the sections -----------------------------------------------------------

def _head(results):
    machine, versions = results['machine'], results['versions']
    quick = ', QUICK: too short to be quoted' if results['quick'] else ''
    loads = [run['load'] for run in results['runs'] if 'load' in run] or [0.0]
    return [
        f"{machine['processor']}, {machine['cores']} cores (two used), "
        f"{machine['memory_bytes'] / MIB / 1024:.1f} GiB, "
        f"{machine['kernel']}, Debian {machine['debian']}",
        ', '.join(f'{name} {version}' for name, version in versions.items()),
        f"{results['begun']}, {results['rounds']} rounds{quick}. Load of the "
        f"machine {results['load_before']:.1f} before, {min(loads):.1f} to "
        f'{max(loads):.1f} meanwhile, ours included. Medians '
        '[smallest..largest].',
        '',
    ]


# A system that lost something has a rate of another kind, and is marked so.
def _rate(results, system, work):
    cell = _cell(results, system, work, 'rate_per_s', 1e-3)
    for field, how in (('lost_silently', 'lost silently'),
                       ('lost_told', 'lost, told')):
        lost = median(results, system, work, field)
        if lost:
            cell += f' ({number(lost)} {how})'
    return cell


# Of a work that only some systems can do.
def _only(results, system, work, field, scale=1.0):
    cell = _cell(results, system, work, field, scale)
    return 'none' if cell == '-' else cell


def _work_table(results, systems):
    rows = []

    def add(head, work, cell):
        if work in _works_of(results):
            rows.append([head, *map(cell, systems)])

    for name, field in (('p50', 'p50_us'), ('p99', 'p99_us'),
                        ('p99.9', 'p999_us')):
        add(f'latency to all three, {name}, us', 'latency',
            lambda s, f=field: _cell(results, s, 'latency', f))
    for name, work in (('one event a call', 'one'),
                       ('16 keys a call', 'sixteen'),
                       ('1,000 hot keys', 'hot'),
                       ('never looking back', 'unchecked')):
        add(f'throughput, {name}, 1000/s', work,
            lambda s, w=work: _rate(results, s, w))
    for name, field in (('p50', 'p50_us'), ('p99', 'p99_us')):
        add(f'confirmed by all three, {name}, us', 'confirmed',
            lambda s, f=field: _only(results, s, 'confirmed', f))
    add('confirmed, 64 outstanding, 1000/s', 'confirmed',
        lambda s: _only(results, s, 'confirmed', 'rate_per_s', 1e-3))
    add('CPU of servers, s per million, confirmed', 'confirmed',
        lambda s: _only(results, s, 'confirmed', 'cpu_us_per_event'))
    add('hot keys: deliveries for each event', 'hot',
        lambda s: number(median(results, s, 'hot', 'delivered') /
                          _published(results)))
    add('CPU of servers, s per million, flat out', 'one',
        lambda s: _cell(results, s, 'one', 'cpu_us_per_event'))
    add('CPU of servers, s per million, hot keys', 'hot',
        lambda s: _cell(results, s, 'hot', 'cpu_us_per_event'))
    add('CPU of servers, s per million, one every 2 ms', 'latency',
        lambda s: _cell(results, s, 'latency', 'cpu_us_per_event'))
    add('CPU of a server, idle, % of a core', 'idle',
        lambda s: _cell(results, s, 'idle', 'cpu_percent_per_server'))
    add('memory of the largest server, idle, MiB', 'idle',
        lambda s: _cell(results, s, 'idle', 'rss_idle_bytes', 1 / MIB))
    add('memory, peak of flat out, MiB', 'one',
        lambda s: _cell(results, s, 'one', 'rss_peak_bytes', 1 / MIB))
    add('memory, peak of never looking back, MiB', 'unchecked',
        lambda s: _cell(results, s, 'unchecked', 'rss_peak_bytes', 1 / MIB))
    return grid(['', *(NAMES[s] for s in systems)], rows)


def _published(results):
    return 200000 if results['quick'] else 2000000


def _fault_table(results, systems):
    rows = []
    for fault in FAULTS:
        for system in systems:
            if fault not in _works_of(results):
                continue
            rows.append([fault, NAMES[system], *(
                _cell(results, system, fault, field, scale)
                for field, scale in (
                    ('lost_silently', 1), ('lost_reported', 1),
                    ('coherent_ms', 1e-3), ('stale_ms', 1e-3),
                    ('stale_bounded_ms', 1e-3)))])
    if not rows:
        return []
    return ['', 'Faults: deliveries lost, of 3 x 3,500; seconds. Bounded: '
            'where the subscriber serves nothing while', 'coherd_staleness() '
            'says more than 1 s; the others have no such thing.', '',
            *grid(['fault', '', 'lost silently', 'lost, told',
                    'until all coherent', 'stale readable', 'bounded'], rows)]


# --- targets ----------------------------------------------------------------

def _of_rounds(results, work, field, ours, theirs):
    """Return the median of the ratios, each within a round."""
    mine = values(results, ours, work, field)
    others = values(results, theirs, work, field)
    found = [mine[i] / others[i] for i in mine if others.get(i)]
    return statistics.median(found) if found else None


def _worst(results, field):
    found = [value for fault in FAULTS
             for value in values(results, 'coherd', fault, field).values()]
    return max(found) if found else None


def targets(results):
    """Return (name, value or None, 'at most' or 'at least', bound)."""
    def ratio(work, field, other):
        return _of_rounds(results, work, field, 'coherd', other)
    rss = median(results, 'coherd', 'idle', 'rss_idle_bytes')
    coherent = _worst(results, 'coherent_ms')
    return [
        ('latency-p50/relay', ratio('latency', 'p50_us', 'relay'), '<=', 1.15),
        ('latency-p50/nats', ratio('latency', 'p50_us', 'nats'), '<', 1.0),
        ('latency-p99/relay', ratio('latency', 'p99_us', 'relay'), '<=', 1.3),
        ('throughput/relay', ratio('one', 'rate_per_s', 'relay'), '>=', 0.8),
        ('throughput/nats', ratio('one', 'rate_per_s', 'nats'), '>=', 3.0),
        ('throughput/redis', ratio('one', 'rate_per_s', 'redis'), '>=', 3.0),
        ('cpu/nats', ratio('one', 'cpu_us_per_event', 'nats'), '<=', 0.5),
        ('idle-rss-mib', None if rss is None else rss / MIB, '<=', 8.0),
        ('idle-cpu-percent', median(results, 'coherd', 'idle',
                                    'cpu_percent_per_server'), '<', 0.3),
        ('faults-lost-silently', _worst(results, 'lost_silently'), '<=', 0),
        ('faults-coherent-s',
         None if coherent is None else coherent / 1e3, '<=', 2.0),
    ]


def is_met(value, relation, bound):
    """Tell whether a target is met."""
    return {'<=': value <= bound, '<': value < bound,
            '>=': value >= bound}[relation]


def text(results):
    """Return the whole table."""
    systems = systems_of(results)
    lines = [*_head(results), *_work_table(results, systems),
             *_fault_table(results, systems), '']
    for name, value, relation, bound in targets(results):
        if value is not None:
            lines.append(
                f'ratio {name} {value:.2f} {relation}{bound:g} '
                f'{"met" if is_met(value, relation, bound) else "missed"}')
    return '\n'.join(lines) + '\n'
