"""The truth, and what caches make of it.

A site has one database and an instance of its application beside each sidecar.
Instances write: the database first, then an event that says so. They read
through their caches, which drop what their session names. In the end no cache
may serve what the database has newer, and nobody may have missed a message
without a RESET: that is all that coherd is for.

One thread does all of it, so a cache is filled between two events, never
during one: the races of fills are the library's matter, not this model's.
"""

import collections
import os
import random
import time

from tests.net import wait, wire
from tests.net.wire import RESET_SUBSCRIBED

ROWS, FEED = 'rows', 'feed'
KEYS = 400
TAGS, SHELVES = 7, 9

_TICK = 0.01


def seed() -> int:
    """Return the seed of this run: CHD_NET_SEED, or another each time."""
    return int(os.environ.get('CHD_NET_SEED') or random.getrandbits(32))


def name(key: int) -> bytes:
    """Return how a key is written; its prefix is its shelf."""
    return b'%d/%d' % (key % SHELVES, key)


def _shelf(key: int) -> bytes:
    return b'%d/' % (key % SHELVES)


def _tag(key: int) -> bytes:
    return b'tag%d' % (key % TAGS)


class Database:
    """What is so: the version of each row, and who has said how much."""

    def __init__(self):
        self.rows = dict.fromkeys(range(KEYS), 1)
        self.said = collections.Counter()   # speaker: messages

    def change(self, concerns) -> None:
        """Give all rows that a function picks a new version."""
        for key in self.rows:
            if concerns(key):
                self.rows[key] += 1


class Cache:
    """What one instance has of the database, and what its session told it.

    ear is a wire.Session or a Probe."""

    def __init__(self, database, ear):
        self.database = database
        self.ear = ear
        self.rows = {}
        self.told = dict(database.said)
        self.events = 0
        self.resets = []      # but those that subscriptions begin with
        self.problems = []
        self._seen = set()
        self._read = 0

    def __repr__(self):
        return f'the cache of {self.ear}'

    def pump(self) -> None:
        """Apply what has arrived."""
        heard = self.ear.pump().heard
        for entry in heard[self._read:]:
            if 'reset' in entry:
                self._reset(entry)
            else:
                self._hear(entry)
        self._read = len(heard)

    def _reset(self, entry) -> None:
        if entry['reset'] != RESET_SUBSCRIBED:
            self.resets.append(entry)
        if entry['topics'] is None or ROWS in entry['topics']:
            self.rows.clear()
        if entry['topics'] is None or FEED in entry['topics']:
            self.told = dict(self.database.said)

    def _hear(self, entry) -> None:
        number = entry['origin'], entry['seq']
        if number in self._seen:
            self.problems.append(f'{self} was given twice {entry}')
        self._seen.add(number)
        self.events += 1
        if entry['kind'] == wire.INVALIDATE:
            self._drop(entry['target_kind'], entry['target'])
        elif entry['kind'] == wire.UPDATE:
            key = int(entry['target'].split(b'/')[1])
            version = int(entry['value'].split()[0])
            if key in self.rows:
                self.rows[key] = max(self.rows[key], version)
        else:
            self._listen(entry)

    def _drop(self, kind, target) -> None:
        if kind == wire.ALL:
            self.rows.clear()
        elif kind == wire.KEY:
            self.rows.pop(int(target.split(b'/')[1]), None)
        else:
            of = _tag if kind == wire.TAG else _shelf
            for key in [key for key in self.rows if of(key) == target]:
                del self.rows[key]

    def _listen(self, entry) -> None:
        speaker, number = (int(n) for n in entry['value'].split()[:2])
        known = self.told.get(speaker, 0)
        if number > known + 1:
            self.problems.append(
                f'{self} heard {number} of speaker {speaker} after {known}, '
                f'and no RESET: {entry}')
        # A sidecar that died may leave it to the next to say it again.
        self.told[speaker] = max(known, number)

    def fill(self, keys) -> None:
        """Read: whatever is not there comes from the database."""
        for key in keys:
            self.rows.setdefault(key, self.database.rows[key])

    def wrong(self, speakers=None) -> list:
        """Return what it has wrong, of these speakers or of all and of the
        rows, too."""
        said = self.database.said
        found = [f'speaker {who}: {self.told.get(who, 0)} of {said[who]}'
                 for who in (said if speakers is None else speakers)
                 if self.told.get(who, 0) != said[who]]
        if speakers is None:
            found += [f'row {key}: {version}, is {self.database.rows[key]}'
                      for key, version in self.rows.items()
                      if version != self.database.rows[key]]
        return found


class Instance:
    """One instance of the application."""

    def __init__(self, site, number, node, ear):
        self.site = site
        self.number = number
        self.node = node
        self.ear = ear
        self.cache = Cache(site.database, ear)

    def __repr__(self):
        return f'instance {self.number} at {self.node}'

    def _publish(self, *fields, **options) -> None:
        self.ear.offer(wire.item(*fields, **options))
        self.site.published += 1

    def say(self, size=100) -> None:
        """Send a message of about this many bytes to everybody."""
        said = self.site.database.said
        said[self.number] += 1
        text = b'%d %d ' % (self.number, said[self.number])
        self._publish(wire.MESSAGE, FEED, value=text.ljust(size, b'.'))

    def update(self, key) -> None:
        """Change a row and send everybody the new one."""
        rows = self.site.database.rows
        rows[key] += 1
        self._publish(wire.UPDATE, ROWS, wire.KEY, name(key),
                      b'%d ' % rows[key] + b'.' * 50)

    def invalidate(self, key, kind=wire.KEY) -> None:
        """Change a row, all that share its tag or shelf, or all."""
        if kind == wire.KEY:
            self.site.database.rows[key] += 1
            target = name(key)
        elif kind == wire.ALL:
            self.site.database.change(lambda other: True)
            target = b''
        else:
            of = _tag if kind == wire.TAG else _shelf
            target = of(key)
            self.site.database.change(lambda other: of(other) == target)
        self._publish(wire.INVALIDATE, ROWS, kind, target)

    def write(self) -> None:
        """Change something."""
        key = self.site.chance.randrange(KEYS)
        kind = self.site.chance.randrange(200)
        if kind == 0:
            self.invalidate(key, wire.ALL)
        elif kind < 4:
            self.invalidate(key, wire.TAG)
        elif kind < 8:
            self.invalidate(key, wire.PREFIX)
        elif kind < 50:
            self.update(key)
        elif kind < 90:
            self.say()
        else:
            self.invalidate(key)

    def read(self) -> None:
        """Apply what has arrived, and read a part of the rows."""
        self.cache.pump()
        first = self.site.chance.randrange(KEYS)
        self.cache.fill(key % KEYS for key in range(first, first + 40))


def agree(nodes) -> bool:
    """Tell whether each node has everything that any of them has said."""
    reports = [node.report() for node in nodes]
    heads = {report.get('node'): report.get('head') for report in reports}
    return all(member['received'] >= heads[member['node']]
               for report in reports for member in report.get('members', [])
               if member['node'] in heads)


class Site:
    """Everything that the instances share."""

    def __init__(self, test, number=None):
        self.test = test
        self.seed = seed() if number is None else number
        self.chance = random.Random(self.seed)
        self.database = Database()
        self.instances = []
        self.published = 0

    def open(self, *nodes, library=True) -> 'Site':
        """Start an instance beside each node, with the library or with a
        session of our own, which notices no lease and so stays."""
        start = self.test.mesh.probe if library else self.test.mesh.session
        for node in nodes:
            self.instances.append(Instance(
                self, len(self.instances) + 1, node, start(node, ROWS, FEED)))
        for instance in self.instances:
            instance.read()
        return self

    def at(self, *nodes) -> list:
        """Return the instances beside these nodes."""
        return [each for each in self.instances if each.node in nodes]

    def work(self, seconds, writers=None) -> None:
        """Let all read, and these (or all) write, for a while."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for instance in self.instances if writers is None else writers:
                instance.write()
            for instance in self.instances:
                instance.read()
            time.sleep(_TICK)

    def wrong(self) -> list:
        """Return who is wrong about what."""
        found = []
        for instance in self.instances:
            instance.cache.pump()
            found += [f'{instance}: {text}'
                      for text in instance.cache.wrong()]
        return found

    def resets(self) -> list:
        """Return the RESETs that caches heard, but those of subscribing."""
        return [entry for each in self.instances
                for entry in each.cache.resets]

    def settle(self, since, what, nodes, limit=wait.LIMIT) -> float:
        """Wait until every cache is right, say how long that took and what
        it needed; then see that everything works as before."""
        wait.until(lambda: not self.wrong(),
                   lambda: f'(seed {self.seed}) caches to be right: '
                           f'{self.wrong()[:8]}', limit)
        seconds = time.monotonic() - since
        print(f'    {what}: {self.published} published, '
              f'{self.test.repaired(*nodes)} repaired, '
              f'{len(self.resets())} resets, all right after {seconds:.2f} s')
        for node in nodes:
            node.wait_sees(*nodes)
        # A cache that was reset is right while repair still goes on.
        wait.until(lambda: agree(nodes), 'all nodes to have all events')
        for _ in range(5):
            if not self._round():
                break
        else:
            self.test.fail(f'each event is lost: {self.resets()[-3:]}')
        self.test.assertEqual([problem for each in self.instances
                               for problem in each.cache.problems], [])
        return seconds

    def _round(self) -> int:
        """Let each write a little and see that all hear of it; return how
        many RESETs came meanwhile: some may still have been under way."""
        resets = len(self.resets())
        for instance in self.instances:
            instance.cache.fill(range(KEYS))
            instance.say()
            instance.update(instance.number)
            instance.invalidate(instance.number + 50)
        wait.until(lambda: not self.wrong(),
                   lambda: f'(seed {self.seed}) caches to be right after '
                           f'the end: {self.wrong()[:8]}')
        return len(self.resets()) - resets
