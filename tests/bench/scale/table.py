"""The table: one column for each number of sidecars."""

import statistics

from tests.bench.compare.table import grid, is_met, number

MIB = 1024 * 1024

# Between these two sizes curves are judged.
SMALL, LARGE = 10, 100


# Percent of a processor from which on it counts as full.
FULL = 95


def _middle(value):
    return statistics.median(value) if isinstance(value, list) else value


# (what it is, how it is read from one size's measurements)
ROWS = (
    ('all started at once: the last one is ready, s',
     lambda size: size['start_ready_s']),
    ('all started at once: everybody has everybody, s',
     lambda size: size['start_live_s']),
    ('one more: it is ready, s', lambda size: size['join_ready_s']),
    ('one more: everybody has it, s', lambda size: size['join_live_s']),
    ('processor, idle, % of a core', lambda size: size['cpu_percent']),
    ('the same, the most', lambda size: max(size['cpu_percent'])),
    ('memory after half a minute, MiB',
     lambda size: _middle(size['rss_early_bytes']) / MIB),
    ('memory after 140 s, MiB',
     lambda size: _middle(size['rss_late_bytes']) / MIB),
    ('the same, the most', lambda size: max(size['rss_late_bytes']) / MIB),
    ('the same, without pages of files',
     lambda size: _middle(size['rss_own_late_bytes']) / MIB),
    ('DNS queries, 1/s', lambda size: size['dns_queries_per_s']),
    ('messages, idle, 1/s', lambda size: size['messages_per_s']),
    ('bytes, idle, KiB/s', lambda size: _middle(size['bytes_per_s']) / 1024),
    ('an event to another node, p50, us', lambda size: size['p50_us']),
    ('an event to another node, p99, us', lambda size: size['p99_us']),
    ('an event to the last of up to ten, p50, us',
     lambda size: size['all_p50_us']),
    ('the machine was busy, idle, % of a core',
     lambda size: size['machine_busy_percent']),
)

# What must not grow faster than the number of others.
CURVES = (
    ('idle-cpu', 'cpu_percent'),
    ('messages', 'messages_per_s'),
    ('bytes', 'bytes_per_s'),
    ('dns', 'dns_queries_per_s'),
)


def _size(results, count):
    return next((size for size in results['sizes']
                 if size['sidecars'] == count), None)


def growth(small, large, field):
    """Return how much faster than the number of others something grew."""
    return (_middle(large[field]) / _middle(small[field])) / (
        (large['sidecars'] - 1) / (small['sidecars'] - 1))


def is_full(results, size):
    """Tell whether the machine had nothing left to give at this size."""
    return size['machine_busy_percent'] > FULL * results['machine']['cores']


def targets(results):
    """Return (name, value, relation, bound)."""
    small, large = _size(results, SMALL), _size(results, LARGE)
    found = []
    if large is not None:
        found += [
            (f'scale-{LARGE}-rss-mib', _middle(large['rss_late_bytes']) / MIB,
             '<=', 24),
            (f'scale-{LARGE}-idle-cpu-percent',
             _middle(large['cpu_percent']), '<', 2)]
    if small is not None and large is not None:
        found += [(f'scale-growth-{name}', growth(small, large, field),
                   '<=', 1) for name, field in CURVES]
    return found


def text(results):
    """Return the whole table."""
    machine = results['machine']
    sizes = results['sizes']
    quick = ' QUICK: too short to be quoted.' if results['quick'] else ''
    lines = [
        f"{machine['processor']}, {machine['cores']} cores, "
        f"{machine['memory_bytes'] / MIB / 1024:.1f} GiB, "
        f"{machine['kernel']}, Debian {machine['debian']}",
        ', '.join(f'{name} {version}'
                  for name, version in results['versions'].items()),
        f"{results['begun']}. Load of the machine "
        f"{results['load_before']:.1f} before.{quick} Medians over sidecars.",
        '',
        *grid(['sidecars', *(str(size['sidecars']) for size in sizes)],
              [[name, *(number(_middle(read(size))) for size in sizes)]
               for name, read in ROWS]),
        '',
    ]
    full = [size['sidecars'] for size in sizes if is_full(results, size)]
    if full:
        lines += [
            f'The machine was full at {", ".join(map(str, full))} sidecars: '
            'what they used there is what there was,',
            'and no target of processor time is met by it.', '']
    for name, value, relation, bound in targets(results):
        # As it is shown: noise of a thousandth is no growth.
        met = is_met(round(value, 2), relation, bound) and not (
            'cpu' in name and LARGE in full)
        lines.append(f'ratio {name} {value:.2f} {relation}{bound:g} '
                     f'{"met" if met else "missed"}')
    return '\n'.join(lines) + '\n'
