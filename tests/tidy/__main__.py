"""Check what compilers do not: layers, symbols, shape, documents.

    python3 tests/tidy [--build DIR]    check this tree
    python3 tests/tidy --self-test      check the checks on planted faults
"""

import argparse
import pathlib
import sys

import checks
import selftest


def main():
    parser = argparse.ArgumentParser(prog='tests/tidy')
    parser.add_argument('--build', default='build',
                        help='where the products are')
    parser.add_argument('--self-test', action='store_true',
                        help='try each check on a planted fault')
    options = parser.parse_args()
    if options.self_test:
        return selftest.run()

    root = pathlib.Path(__file__).resolve().parent.parent.parent
    tree = checks.Tree(root, options.build)
    failed = 0
    for check in checks.CHECKS:
        faults = list(check(tree))
        for fault in faults:
            print(fault)
        if faults:
            failed += 1
            print(f'tidy: {check.__name__} failed: {check.__doc__}')
    print(f'tidy: {len(checks.CHECKS) - failed} passed, {failed} failed')
    return 1 if failed else 0


sys.exit(main())
