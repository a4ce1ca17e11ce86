"""What the table makes of sizes that are known."""

import unittest

from tests.bench.scale import table


def size_of(sidecars, value, **fields):
    """Return a size at which everything that counts has this value."""
    found = {'sidecars': sidecars, 'start_ready_s': 1, 'start_live_s': 1,
             'join_ready_s': 1, 'join_live_s': 1, 'p50_us': 1, 'p99_us': 1,
             'all_p50_us': 1, 'machine_busy_percent': 1,
             'dns_queries_per_s': value}
    for name in ('cpu_percent', 'rss_early_bytes', 'rss_late_bytes',
                 'rss_own_late_bytes', 'messages_per_s', 'bytes_per_s'):
        found[name] = [value] * sidecars
    return {**found, **fields}


def text_of(*sizes):
    """Return the table of these sizes."""
    return table.text({
        'machine': {'processor': 'p', 'cores': 2, 'memory_bytes': 1,
                    'kernel': 'k', 'debian': '12'},
        'versions': {}, 'begun': '', 'quick': False, 'load_before': 0.0,
        'sizes': sizes})


class Growth(unittest.TestCase):
    """Ninety-nine others cost eleven times what nine cost, or less."""

    def test_what_grows_with_the_others_is_met(self):
        """Exactly so fast, noise included."""
        text = text_of(size_of(10, 9), size_of(100, 99.1))
        self.assertIn('ratio scale-growth-messages 1.00 <=1 met', text)

    def test_what_grows_with_their_square_is_missed(self):
        """Eleven times too fast."""
        text = text_of(size_of(10, 81), size_of(100, 9801))
        self.assertIn('ratio scale-growth-bytes 11.00 <=1 missed', text)
        self.assertIn('ratio scale-growth-dns 11.00 <=1 missed', text)

    def test_a_full_machine_meets_no_target_of_processor_time(self):
        """What they used is then what there was."""
        text = text_of(size_of(10, 1), size_of(
            100, 1.9, machine_busy_percent=199))
        self.assertIn('ratio scale-100-idle-cpu-percent 1.90 <2 missed', text)
        self.assertIn('ratio scale-growth-idle-cpu 0.17 <=1 missed', text)
        self.assertIn('ratio scale-growth-bytes 0.17 <=1 met', text)
        self.assertIn('full at 100 sidecars', text)

    def test_without_both_sizes_nothing_is_judged(self):
        """There is a table all the same."""
        text = text_of(size_of(3, 1))
        self.assertNotIn('ratio', text)
        self.assertIn('| sidecars', text)

    def test_medians_are_judged_and_the_most_is_shown(self):
        """One that is out of line does not decide."""
        mib = 1024 * 1024
        text = text_of(size_of(
            100, 1, rss_late_bytes=[24 * mib] * 99 + [90 * mib],
            cpu_percent=[1.5] * 99 + [4]))
        self.assertIn('ratio scale-100-rss-mib 24.00 <=24 met', text)
        self.assertIn('ratio scale-100-idle-cpu-percent 1.50 <2 met', text)
        self.assertIn(' 90.0 ', text)


if __name__ == '__main__':
    unittest.main()
