"""Where something was measured, and what."""

import os
import pathlib
import subprocess


def _output_of(*command):
    done = subprocess.run(command, check=False, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return done.stdout.strip()


def describe():
    """Return what machine this is."""
    model = 'unknown'
    with open('/proc/cpuinfo', encoding='utf-8') as file:
        for line in file:
            if line.startswith('model name'):
                model = line.split(':', 1)[1].strip()
                break
    system = os.uname()
    return {
        'processor': model,
        'cores': len(os.sched_getaffinity(0)),
        'memory_bytes': os.sysconf('SC_PAGE_SIZE') *
        os.sysconf('SC_PHYS_PAGES'),
        'kernel': f'{system.sysname} {system.release}',
        'debian': pathlib.Path('/etc/debian_version').read_text(
            encoding='ascii').strip(),
    }


def versions(*packages):
    """Return the versions of coherd and of these packages."""
    found = {'coherd': os.environ.get('CHD_VERSION', '') + ' ' +
             _output_of('git', 'describe', '--always', '--dirty')}
    for package in packages:
        found[package] = _output_of('dpkg-query', '-W', '-f', '${Version}',
                                    package) or 'none'
    return found
