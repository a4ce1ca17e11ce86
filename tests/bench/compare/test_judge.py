"""What faults.judge and the table make of runs that are known."""

import unittest

from tests.bench.compare import faults, plot, table

MS = 1000000
END = 100 * MS  # of the fault


def run_of(*events, notices=((), (), ()), exceeded=((), (), ())):
    """Return a run that ended a second after its fault; events in ms."""
    run = faults.Run()
    for number, times in enumerate(events, 1):
        run.take(f'event {number} ' + ' '.join(str(ms * MS) for ms in times))
    for node in range(3):
        for when in notices[node]:
            run.take(f'notice {node} {when * MS}')
        for begin, end in exceeded[node]:
            run.take(f'exceeded {node} {begin * MS} {end * MS}')
    run.take(f'ended {1100 * MS}')
    return run


class Judge(unittest.TestCase):
    """One fault each."""

    def judged(self, *events, **others):
        """Judge such a run."""
        return faults.judge(run_of(*events, **others), END)

    def test_all_in_time(self):
        """Nothing is held against who delivers at once."""
        found = self.judged((10, 11, 11, 12), (20, 21, 22, 21))
        self.assertEqual(found['lost_silently'], 0)
        self.assertEqual(found['lost_reported'], 0)
        self.assertEqual(found['coherent_ms'], 0)
        self.assertEqual(found['stale_ms'], 2)

    def test_lost_and_never_told(self):
        """A stale value stays for ever."""
        found = self.judged((10, 11, 0, 12))
        self.assertEqual(found['lost_silently'], 1)
        self.assertIsNone(found['coherent_ms'])
        self.assertIsNone(found['stale_ms'])

    def test_told_before_is_not_told(self):
        """A notice covers what was sent before it, not after."""
        found = self.judged((10, 11, 0, 12), notices=((), (9,), ()))
        self.assertEqual(found['lost_silently'], 1)

    def test_lost_and_told(self):
        """Stale until the notice, which is when it is coherent again."""
        found = self.judged((10, 11, 0, 12), notices=((), (310,), ()))
        self.assertEqual(found['lost_silently'], 0)
        self.assertEqual(found['lost_reported'], 1)
        self.assertEqual(found['stale_ms'], 300)
        self.assertEqual(found['coherent_ms'], 210)

    def test_late(self):
        """Late is from LATE_MS on, and counts from the end of the fault."""
        found = self.judged((10, 11, 150, 12), (120, 121, 121, 200))
        self.assertEqual(found['coherent_ms'], 50)
        self.assertEqual(found['stale_ms'], 140)

    def test_who_knows_serves_nothing(self):
        """What is read only while freshness is known is stale for less."""
        found = self.judged((10, 11, 910, 12),
                            exceeded=((), ((400, 910),), ()))
        self.assertEqual(found['stale_ms'], 900)
        self.assertEqual(found['stale_bounded_ms'], 390)
        # Fresh again before the event came: that would be a lie, and shows.
        found = self.judged((10, 11, 910, 12),
                            exceeded=((), ((400, 800),), ()))
        self.assertEqual(found['stale_bounded_ms'], 900)


class Table(unittest.TestCase):
    """Medians, targets and what cannot be shown as a number."""

    def results(self, **fields):
        """Return results of three rounds of two systems."""
        return {'machine': {'processor': 'p', 'cores': 2, 'memory_bytes': 1,
                            'kernel': 'k', 'debian': '12'},
                'versions': {}, 'begun': '', 'rounds': 3, 'quick': False,
                'load_before': 0.0,
                'runs': [{'round': i, 'work': work, 'system': system,
                          **{name: values[i]
                             for name, values in rows.items()}}
                         for (system, work), rows in fields['rows'].items()
                         for i in range(3)]}

    def test_ratios_are_of_one_round(self):
        """A slow round is slow for both."""
        results = self.results(rows={
            ('coherd', 'one'): {'rate_per_s': [8, 80, 9]},
            ('relay', 'one'): {'rate_per_s': [10, 100, 10]}})
        self.assertIn('ratio throughput/relay 0.80 >=0.8 met',
                      table.text(results))

    def test_for_ever_is_shown(self):
        """And misses every target."""
        results = self.results(rows={
            ('coherd', 'loss 1 %'): {'coherent_ms': [0, None, 0],
                                     'lost_silently': [0, 3, 0],
                                     'stale_ms': [1, None, 2]}})
        text = table.text(results)
        self.assertIn('for ever', text)
        self.assertIn('ratio faults-lost-silently 3.00 <=0 missed', text)
        self.assertIn('ratio faults-coherent-s inf <=2 missed', text)
        self.assertIn('</svg>', plot.svg(results))

    def test_what_a_system_cannot_do_is_none(self):
        """And not a dash, which is what was not measured."""
        results = self.results(rows={
            ('coherd', 'confirmed'): {'p50_us': [400, 500, 410]},
            ('relay', 'one'): {'rate_per_s': [1, 1, 1]}})
        row, = (line for line in table.text(results).splitlines()
                if line.startswith('| confirmed by all three, p50, us'))
        self.assertEqual([cell.strip() for cell in row.split('|')[2:4]],
                         ['410 [400..500]', 'none'])


if __name__ == '__main__':
    unittest.main()
