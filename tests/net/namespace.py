"""A network of our own: this program once more, in a namespace.

enter() runs the calling program again under `unshare`, as root with a network
namespace, else with a user namespace as well, and prepares the network inside:

    fd00:c0::1 .. fd00:c0::40   hosts, all of them addresses of lo
    fd00:c0::53                 the name server
    fd00:c0:dead::/64           hosts that refuse every connection
    fd00:c0:b1ac::/64           hosts that answer nothing, once links.bury()
                                was called

When the last process in it ends, the network is gone.
"""

import os
import subprocess
import sys

HOSTS = 64
NAME_SERVER = 'fd00:c0::53'
REFUSING = 'fd00:c0:dead::'
DEAD = 'fd00:c0:b1ac::'

_INSIDE = 'CHD_NET_NAMESPACE'


def host(number: int) -> str:
    """Return the IPv6 address of a host, 1 to HOSTS."""
    return f'fd00:c0::{number:x}'


def enter() -> None:
    """Go on in a namespace; returns there, with the network prepared."""
    if _INSIDE in os.environ:
        _prepare()
        return
    tried = []
    for flags in ('-n', '-rn') if os.geteuid() == 0 else ('-rn',):
        probe = subprocess.run(['unshare', flags, 'true'], check=False,
                               stderr=subprocess.PIPE, text=True)
        if probe.returncode == 0:
            os.environ[_INSIDE] = flags
            os.execvp('unshare', ['unshare', flags, sys.executable,
                                  *sys.orig_argv[1:]])
        tried.append(f'unshare {flags}: {probe.stderr.strip()}')
    sys.exit('no network namespace can be made here:\n  ' +
             '\n  '.join(tried))


def _prepare() -> None:
    lines = ['link set lo up']
    for number in [*range(1, HOSTS + 1), 0x53]:
        lines.append(f'address add {host(number)}/128 dev lo nodad')
    for prefix in (REFUSING, DEAD):
        lines.append(f'route add local {prefix}/64 dev lo')
    subprocess.run(['ip', '-6', '-batch', '-'], check=True, text=True,
                   input='\n'.join(lines) + '\n')
