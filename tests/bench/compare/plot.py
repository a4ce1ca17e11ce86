"""The plot: one panel for each thing that is compared, bars on a log scale."""

import math
from xml.sax.saxutils import escape

from tests.bench.compare import table

_PANELS = (
    ('Latency to all three, p50, us', 'latency', 'p50_us', 1),
    ('Latency to all three, p99, us', 'latency', 'p99_us', 1),
    ('Throughput, one event a call, 1000/s', 'one', 'rate_per_s', 1e-3),
    ('CPU of servers, s per million events', 'one', 'cpu_us_per_event', 1),
    ('Memory of the largest server, idle, MiB', 'idle', 'rss_idle_bytes',
     1 / table.MIB),
    ('10 % loss for 3 s: stale readable, s', 'loss 10 %', 'stale_ms', 1e-3),
    ('Frozen for 3 s: stale readable, s', 'frozen 3 s', 'stale_ms', 1e-3),
    ('A reset a second: lost silently', 'a reset a second', 'lost_silently',
     1),
)
_COLOURS = {'coherd': '#0b6e4f', 'relay': '#8d99ae', 'raw': '#bfc6d1',
            'redis': '#c1443c', 'nats': '#3a6ea5'}
_WIDTH = 460
_NAME = 150
_BAR = 220
_ROW = 20
_COLUMNS = 2


def _length(value, least, most):
    """Return the length of a bar: a decade above nothing for the least."""
    if value == table.FOREVER:
        return _BAR
    if value <= 0:
        return 0
    low = math.log10(least) - 1
    span = math.log10(most) - low
    return max(2, round(_BAR * (math.log10(value) - low) / span))


def _panel(results, x, y, head, work, field, scale):
    # pylint: disable=too-many-arguments
    systems = table.systems_of(results)
    found = {system: [value * scale for value in table.values(
        results, system, work, field).values()] for system in systems}
    finite = [value for some in found.values() for value in some
              if 0 < value < table.FOREVER]
    least, most = (min(finite), max(finite)) if finite else (1, 10)
    lines = [f'<text x="{x}" y="{y}" class="head">{escape(head)}</text>']
    for i, system in enumerate(systems):
        if not found[system]:
            continue
        top = y + 10 + i * _ROW
        middle = table.median(results, system, work, field) * scale
        spread = [_length(value, least, most)
                  for value in (min(found[system]), max(found[system]))]
        length = _length(middle, least, most)
        start = x + _NAME
        said = 'for ever' if middle == table.FOREVER else f'{middle:,.4g}'
        lines += [
            f'<text x="{start - 6}" y="{top + 12}" text-anchor="end">'
            f'{escape(table.NAMES[system])}</text>',
            f'<rect x="{start}" y="{top}" width="{length}" height="14" '
            f'fill="{_COLOURS[system]}"/>',
            f'<path d="M{start + spread[0]} {top + 7}H{start + spread[1]}" '
            'stroke="#222"/>',
            f'<text x="{start + max(length, spread[1]) + 6}" y="{top + 12}">'
            f'{said}</text>',
        ]
    return lines


def svg(results):
    """Return the plot."""
    panels = [panel for panel in _PANELS
              if any(table.values(results, system, panel[1], panel[2])
                     for system in table.NAMES)]
    height = 40 + len(table.NAMES) * _ROW
    rows = math.ceil(len(panels) / _COLUMNS)
    lines = [
        '<svg xmlns="http://www.w3.org/2000/svg" '
        f'width="{_COLUMNS * _WIDTH + 20}" height="{rows * height + 50}" '
        'font-family="sans-serif" font-size="11">',
        '<style>.head { font-weight: bold; font-size: 12px }</style>',
        '<rect width="100%" height="100%" fill="white"/>',
        '<text x="10" y="20" class="head">coherd beside others: medians of '
        f'{results["rounds"]} rounds, logarithmic; the line is the spread'
        '</text>',
    ]
    for i, (head, work, field, scale) in enumerate(panels):
        lines += _panel(results, 10 + i % _COLUMNS * _WIDTH,
                        50 + i // _COLUMNS * height, head, work, field, scale)
    return '\n'.join([*lines, '</svg>']) + '\n'
