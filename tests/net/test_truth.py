"""The model of tests.net.truth sees what it is there for."""

import unittest

from tests.net import wire
from tests.net.truth import FEED, ROWS, Site, name


class Ear:
    """A session that hears what a test puts into it."""

    def __init__(self):
        self.heard = []
        self.said = []

    def pump(self):
        """Nothing arrives by itself."""
        return self

    def offer(self, item):
        """Keep what is published."""
        self.said.append(dict(zip(wire.EVENT_FIELDS[4:], item[2:]),
                              kind=item[0]))

    def hear(self, event, seq):
        """Take in what somebody published."""
        self.heard.append({**event, 'origin': 1, 'seq': seq})

    def reset(self, *topics):
        """Take in a RESET."""
        self.heard.append({'reset': wire.RESET_LOST,
                           'topics': list(topics) or None})


class Mesh:
    """Makes sessions, and has no nodes."""

    @staticmethod
    def session(_node, *_topics):
        """Open one."""
        return Ear()

    @staticmethod
    def tails():
        """There are no logs."""
        return ''


class Model(unittest.TestCase):
    """One instance writes, another hears what the test lets pass."""

    def setUp(self):
        site = Site(self, 1)
        self.mesh = Mesh()
        site.open(None, None, library=False)
        self.writer, self.reader = site.instances
        self.writer.cache.rows.clear()
        self.site = site
        self.reader.cache.fill(range(100))

    def hear(self, *skipped):
        """Let everything pass but these sequence numbers."""
        for seq, event in enumerate(self.writer.ear.said, 1):
            if seq not in skipped:
                self.reader.ear.hear(event, seq)
        self.reader.cache.pump()

    def test_what_arrives_makes_the_cache_right(self):
        for kind in (wire.KEY, wire.TAG, wire.PREFIX, wire.ALL):
            self.writer.invalidate(7, kind)
            self.assertTrue(self.site.wrong(), kind)
            self.hear()
            self.assertEqual(self.site.wrong(), [], kind)
            self.setUp()
        self.writer.update(7)
        self.writer.say()
        self.assertEqual(len(self.site.wrong()), 3)
        self.writer.cache.told[1] = 1
        self.hear()
        self.assertEqual(self.site.wrong(), [])
        self.assertEqual(self.reader.cache.rows[7], 2)

    def test_an_event_that_is_missing_leaves_the_cache_wrong(self):
        self.writer.invalidate(7)
        self.writer.update(8)
        self.hear(1, 2)
        self.assertEqual(len(self.site.wrong()), 2)
        self.reader.ear.reset(FEED)
        self.assertEqual(len(self.site.wrong()), 2)
        self.reader.ear.reset(ROWS)
        self.assertEqual(self.site.wrong(), [])

    def test_a_message_that_is_missing_without_a_reset_is_a_problem(self):
        for _ in range(3):
            self.writer.say()
        self.hear(2)
        self.assertEqual(len(self.reader.cache.problems), 1)

    def test_a_message_that_is_missing_before_a_reset_is_none(self):
        self.writer.say()
        self.reader.ear.reset()
        self.reader.cache.pump()
        self.writer.say()
        self.hear(1)
        self.assertEqual(self.reader.cache.problems, [])

    def test_an_event_that_comes_twice_is_a_problem(self):
        self.writer.invalidate(7)
        self.hear()
        self.hear()
        self.assertEqual(len(self.reader.cache.problems), 1)

    def test_an_update_that_is_older_than_what_was_read_changes_nothing(self):
        self.writer.update(7)
        self.writer.update(7)
        self.reader.cache.rows[7] = 3
        self.hear(2)
        self.assertEqual(self.reader.cache.rows[7], 3)

    def test_names_have_the_prefix_that_drops_them(self):
        self.writer.invalidate(7, wire.PREFIX)
        self.assertTrue(name(7).startswith(self.writer.ear.said[0]['target']))
