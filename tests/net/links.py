"""Cutting links: rules of nftables inside our namespace.

All nodes live on lo, where a packet to an address also comes from it; so a
rule names the node that listens, not the one that connects.
"""

import os
import re
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


def socket_inodes(pid) -> set:
    """Return the sockets that a process has open, as /proc/net names them."""
    inodes = set()
    for name in os.listdir(f'/proc/{pid}/fd'):
        try:
            link = os.readlink(f'/proc/{pid}/fd/{name}')
        except FileNotFoundError:
            continue
        if link.startswith('socket:['):
            inodes.add(link[8:-1])
    return inodes


def _connections(pid) -> list:
    """Return the TCP connections of a process: (port, peer, its port)."""
    found = []
    inodes = socket_inodes(pid)
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


def _established(address, port) -> bool:
    """Tell whether there is a connection to or from a port of an address."""
    packed = struct.unpack('=4I', socket.inet_pton(socket.AF_INET6, address))
    text = ''.join(f'{word:08X}' for word in packed) + f':{port:04X}'
    with open('/proc/self/net/tcp6', encoding='ascii') as table:
        return any(words[3] == '01' and text in words[1:3]
                   for words in map(str.split, table))


def _between(dialler, dialled) -> list:
    """Return the connections that one node has made to another, as matches of
    what goes there and of what comes back."""
    return [(f'ip6 daddr {address} tcp dport {port} tcp sport {own}',
             f'ip6 daddr {address} tcp dport {own} tcp sport {port}')
            for own, address, port in _connections(dialler.pid)
            if address == dialled.address]


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

    def heal_but(self, node, port) -> None:
        """Let everything pass again but a port of a node, which is dropped:
        without a moment between the two."""
        _nft(f'flush chain {_TABLE} input\n' + ''.join(
            f'add rule {_TABLE} input ip6 daddr {node.address} '
            f'tcp {side} {port} counter drop\n'
            for side in ('dport', 'sport')))

    def _add(self, *rules) -> None:
        _nft(''.join(f'add rule {_TABLE} input {rule}\n' for rule in rules))

    def dropped(self) -> int:
        """Return how many packets the rules that are in force have lost."""
        done = subprocess.run(['nft', 'list', 'table', *_TABLE.split()],
                              text=True, check=True, stdout=subprocess.PIPE)
        return sum(int(count) for count in
                   re.findall(r'counter packets (\d+)', done.stdout))

    def drop(self, node, port) -> None:
        """Lose every packet to and from a port of a node."""
        self._add(*(f'ip6 daddr {node.address} tcp {side} {port} counter drop'
                    for side in ('dport', 'sport')))

    def _refuse_new(self) -> None:
        """Let nobody make a new connection: who asks for one has the same
        address as who is asked."""
        self._add('tcp dport 7420-7421 tcp flags & (syn | ack) == syn '
                  'counter drop')

    def part(self, here, there) -> None:
        """Lose every packet between two groups of nodes, and let nobody make
        a new connection.

        Both ends of a connection have the address of the node that was
        dialled, so those that exist are told by their ports."""
        self._refuse_new()
        self._add(*(f'{match} counter drop'
                    for one in here for other in there
                    for pair in (*_between(one, other), *_between(other, one))
                    for match in pair))

    def cut(self, sender, receiver) -> None:
        """Lose every packet from one node to another, and none that goes the
        other way; let nobody make a new connection."""
        self._refuse_new()
        self._add(*(f'{there} counter drop'
                    for there, _ in _between(sender, receiver)),
                  *(f'{back} counter drop'
                    for _, back in _between(receiver, sender)))

    def vanish(self, node, others) -> None:
        """Lose every packet of the connections that a node has now, as when
        its host loses power; new ones pass."""
        self._add(*(f'{match} counter drop' for other in others
                    for pair in (*_between(node, other),
                                 *_between(other, node))
                    for match in pair))

    def reset(self, node, port) -> None:
        """Answer every packet to a port of a node with a TCP reset; the resets
        of the other side pass, so that both sides notice."""
        self._add(f'ip6 daddr {node.address} tcp dport {port} '
                  'tcp flags & rst == 0 counter reject with tcp reset')

    def reset_between(self, dialler, dialled, to) -> None:
        """Do that to the connections that one node now has to a port of
        another, and to nobody else's."""
        self._add(*(f'{there} tcp flags & rst == 0 '
                    'counter reject with tcp reset'
                    for there, _ in _between(dialler, dialled)
                    if f'dport {to} ' in there))

    @staticmethod
    def is_used(node, port) -> bool:
        """Tell whether anybody is connected to a port of a node."""
        return _established(node.address, port)

    def lose(self, percent) -> None:
        """Lose some of the packets of all mesh ports, either way."""
        self._add(*(f'tcp {side} 7420-7421 '
                    f'numgen random mod 100 < {percent} counter drop'
                    for side in ('dport', 'sport')))
