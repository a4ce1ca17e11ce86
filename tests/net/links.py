"""Cutting links: rules of nftables inside our namespace.

All nodes live on lo, where a packet to an address also comes from it; so a
rule names the node that listens, not the one that connects.
"""

import os
import socket
import struct
import subprocess

from tests.net.namespace import DEAD

_TABLE = 'inet coherd_links'


def _nft(text: str) -> None:
    subprocess.run(['nft', '-f', '-'], input=text, text=True, check=True)


def bury() -> None:
    """Let the hosts of namespace.DEAD answer nothing, until the end."""
    _nft(f"""
        table ip6 coherd_dead {{
            chain input {{
                type filter hook input priority 0;
                ip6 daddr {DEAD}/64 drop
            }}
        }}
    """)


def _connections(pid) -> list:
    """Return the TCP connections of a process: (port, peer, its port)."""
    found = []
    inodes = set()
    for name in os.listdir(f'/proc/{pid}/fd'):
        try:
            link = os.readlink(f'/proc/{pid}/fd/{name}')
        except FileNotFoundError:
            continue
        if link.startswith('socket:['):
            inodes.add(link[8:-1])
    with open(f'/proc/{pid}/net/tcp6', encoding='ascii') as table:
        for row in list(table)[1:]:
            words = row.split()
            if words[9] in inodes:
                _, own = words[1].split(':')
                address, port = words[2].split(':')
                numbers = struct.pack('=4I', *(int(address[i:i + 8], 16)
                                               for i in range(0, 32, 8)))
                found.append((int(own, 16),
                              socket.inet_ntop(socket.AF_INET6, numbers),
                              int(port, 16)))
    return found


class Links:
    """Rules that are in force until heal() or close()."""

    def __init__(self):
        self.heal()

    def heal(self) -> None:
        """Let everything pass again."""
        _nft(f'table {_TABLE} {{}}\n'
             f'delete table {_TABLE}\n'
             f'table {_TABLE} {{\n'
             '    chain input { type filter hook input priority 1; }\n'
             '}\n')

    close = heal

    def _add(self, rule: str) -> None:
        _nft(f'add rule {_TABLE} input {rule}\n')

    def drop(self, node, port) -> None:
        """Lose every packet to and from a port of a node."""
        for side in ('dport', 'sport'):
            self._add(f'ip6 daddr {node.address} tcp {side} {port} drop')

    def part(self, here, there) -> None:
        """Lose every packet between two groups of nodes, and let nobody make
        a new connection.

        Both ends of a connection have the address of the node that was
        dialled, so those that exist are told by their ports."""
        self._add('tcp dport 7420-7421 tcp flags & (syn | ack) == syn drop')
        for dialler, dialled in (here, there), (there, here):
            addresses = {node.address for node in dialled}
            for node in dialler:
                for own, address, port in _connections(node.pid):
                    if address in addresses:
                        for to, at in (port, own), (own, port):
                            self._add(f'ip6 daddr {address} tcp dport {to} '
                                      f'tcp sport {at} drop')

    def reset(self, node, port) -> None:
        """Answer every packet to a port of a node with a TCP reset."""
        self._add(f'ip6 daddr {node.address} tcp dport {port} '
                  'reject with tcp reset')

    def lose(self, node, percent) -> None:
        """Lose some of the packets of a node's mesh ports."""
        self._add(f'ip6 daddr {node.address} tcp dport 7420-7421 '
                  f'numgen random mod 100 < {percent} drop')
