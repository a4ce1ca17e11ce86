"""What sidecars use while nobody publishes, and how long an event takes."""

import pathlib
import statistics
import subprocess
import time

SETTLE = 6.0          # seconds from the last join: more than any interval
# Each of libzmq's queues has room for 256 messages and uses all of it, one
# place after the other: memory has its size after so many pings of each peer.
AGE = 140.0
REACHED_MAX = 10      # nodes that receive events
INTERVAL_MS = 20


def _processor_ns(pid):
    """Return what all threads of a process have used."""
    return time.clock_gettime_ns((~pid << 3) | 2)


def _busy_ticks():
    """Return what everything on this machine has used."""
    line = pathlib.Path('/proc/stat').read_text(encoding='ascii').split('\n')[0]
    user, nice, system, _, _, irq, softirq, steal = map(
        int, line.split()[1:9])
    return user + nice + system + irq + softirq + steal


def _memory(pid):
    """Return what is resident, and what of that is nobody else's."""
    found = {}
    status = pathlib.Path(f'/proc/{pid}/status').read_text(encoding='ascii')
    for line in status.splitlines():
        name, value = line.split(':', 1)
        if name in ('VmRSS', 'RssAnon', 'Threads'):
            found[name] = int(value.split()[0])
    return found


def _counters(nodes):
    """Return the counters of each node, and when they were read."""
    found = []
    for node in nodes:
        metrics = node.metrics()
        found.append({name: value for name, value in metrics.items()
                      if name.endswith('_total')})
        found[-1]['at'] = time.monotonic()
    return found


def _rates(before, after):
    """Return by how much each counter of each node grew in a second."""
    return [{name.removeprefix('coherd_').removesuffix('_total'):
             (last[name] - first[name]) / (last['at'] - first['at'])
             for name in last if name != 'at'}
            for first, last in zip(before, after)]


def _traffic(rate, others):
    """Return messages and bytes of one node in a second, both ways: a
    broadcast leaves it once for each of the others."""
    return {
        'messages': rate['mesh_control_sent'] + rate['mesh_control_received'] +
        rate['mesh_broadcast_received'] + rate['mesh_broadcast_sent'] * others,
        'bytes': rate['mesh_control_sent_bytes'] +
        rate['mesh_control_received_bytes'] +
        rate['mesh_broadcast_received_bytes'] +
        rate['mesh_broadcast_sent_bytes'] * others,
    }


def idle(fleet, seconds):
    """Return what each sidecar used in so many seconds."""
    nodes = fleet.nodes
    before = _counters(nodes)
    queries, busy = fleet.mesh.dns.queries(), _busy_ticks()
    used = [_processor_ns(node.pid) for node in nodes]
    begun = time.monotonic()
    time.sleep(seconds)
    passed = time.monotonic() - begun
    used = [_processor_ns(node.pid) - ns for node, ns in zip(nodes, used)]
    busy = _busy_ticks() - busy
    queries = fleet.mesh.dns.queries() - queries
    rates = _rates(before, _counters(nodes))
    traffic = [_traffic(rate, len(nodes) - 1) for rate in rates]
    return {
        'seconds': passed,
        'cpu_percent': [ns / 1e7 / passed for ns in used],
        'machine_busy_percent': busy / passed,
        'dns_queries_per_s': queries / passed / len(nodes),
        'messages_per_s': [each['messages'] for each in traffic],
        'bytes_per_s': [each['bytes'] for each in traffic],
        'loop_lag_s': [node.metric('coherd_loop_lag_seconds_max')
                       for node in nodes],
        'counters_per_s': {name: statistics.median(rate[name]
                                                   for rate in rates)
                           for name in rates[0]},
    }


def memory(nodes, when):
    """Return what each sidecar occupies."""
    found = [_memory(node.pid) for node in nodes]
    return {f'rss_{when}_bytes': [each['VmRSS'] * 1024 for each in found],
            f'rss_own_{when}_bytes': [each['RssAnon'] * 1024
                                      for each in found],
            'threads': [each['Threads'] for each in found]}


def latency(program, nodes, events):
    """Return how long events from beside the first node take to others."""
    others = nodes[1:]
    step = max(1, len(others) // REACHED_MAX)
    reached = others[::step][:REACHED_MAX]
    done = subprocess.run(
        [program, str(events), str(INTERVAL_MS), nodes[0].socket,
         *(node.socket for node in reached)],
        check=True, text=True, stdout=subprocess.PIPE, timeout=300)
    return {name: float(value) for name, value in
            map(str.split, done.stdout.splitlines())}
