"""Cutting links: rules of nftables inside our namespace.

All nodes live on lo, where a packet to an address also comes from it; so a
rule names the node that listens, not the one that connects.
"""

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

    def reset(self, node, port) -> None:
        """Answer every packet to a port of a node with a TCP reset."""
        self._add(f'ip6 daddr {node.address} tcp dport {port} '
                  'reject with tcp reset')

    def lose(self, node, percent) -> None:
        """Lose some of the packets of a node's mesh ports."""
        self._add(f'ip6 daddr {node.address} tcp dport 7420-7421 '
                  f'numgen random mod 100 < {percent} drop')
