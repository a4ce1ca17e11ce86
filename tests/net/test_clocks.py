"""Clocks that are wrong by seconds change nothing.

A library put before the C library moves the time of day of single nodes.
"""

import datetime
import os
import subprocess
import time

from tests.net import wait, wire
from tests.net.case import NetTest
from tests.net.links import Links
from tests.net.truth import Site

SKEW_SECONDS = 5

_SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

int clock_gettime(clockid_t id, struct timespec *now)
{
    int (*real)(clockid_t, struct timespec *) =
        (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT,
                                                     "clock_gettime");
    const char *skew = getenv("CHD_NET_SKEW");
    const int result = real(id, now);

    if (id == CLOCK_REALTIME && skew != NULL) {
        now->tv_sec += atoi(skew);
    }
    return result;
}
"""


class Clocks(NetTest):
    """Three nodes: one is late, one is right, one is early."""

    def setUp(self):
        super().setUp()
        library = self.mesh.folder / 'skew.so'
        subprocess.run([os.environ.get('CC', 'cc'), '-shared', '-fPIC', '-x',
                        'c', '-', '-o', str(library), '-ldl'], check=True,
                       input=_SOURCE, text=True)
        self.nodes = [self.mesh.node(number) for number in (1, 2, 3)]
        self.mesh.list(*self.nodes)
        for node, skew in zip(self.nodes, (-SKEW_SECONDS, 0, SKEW_SECONDS)):
            node.start(environment={'LD_PRELOAD': str(library),
                                    'CHD_NET_SKEW': str(skew)})
        for node in self.nodes:
            node.wait_ready()
            node.wait_sees(*self.nodes)

    def spread(self) -> float:
        """Return how far apart the first lines of the logs say they are."""
        times = [datetime.datetime.fromisoformat(
            node.log.read()[0]['ts'].replace('Z', '+00:00')).timestamp()
            for node in self.nodes]
        return max(times) - min(times)

    def test_seconds_of_clock_skew_between_nodes_change_nothing(self):
        links = Links()
        self.addCleanup(links.close)
        self.assertGreater(self.spread(), SKEW_SECONDS,
                           'the clocks are not apart')
        site = Site(self).open(*self.nodes)
        site.work(0.5)
        links.part(self.nodes[:1], self.nodes[1:])
        self.nodes[0].wait_member(self.nodes[2], 'silent')
        site.work(0.5)
        links.heal()
        site.settle(time.monotonic(), 'clocks apart', self.nodes)
        self.assertEqual(site.resets(), [])

    def test_an_update_that_follows_another_is_newer_whatever_clocks_say(self):
        listener = self.mesh.session(self.nodes[1], 'clocks')
        publishers = [self.mesh.session(node) for node in self.nodes]
        for publisher in publishers[::-1] * 3:
            found = publisher.publish(
                wire.item(wire.UPDATE, 'clocks', wire.KEY, b'k'))
            self.all_hear([listener], *found)
            for node in self.nodes:
                node.wait_received(*found)
        clocks = [event['hlc'] for event in listener.events()]
        self.assertEqual(clocks, sorted(set(clocks)))
        wait.until(lambda: len(listener.events()) == 9, 'all of them')
