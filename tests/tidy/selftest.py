"""Plant a fault for each check, and see that exactly this check finds it."""

import pathlib
import subprocess
import tempfile

import checks

_HEADER = '/* Do it. */\nint coherd_do(void);\n'


def _long_function(lines):
    return 'int f(void)\n{\n' + '    g();\n' * (lines - 3) + '}\n'


# (check that must fail or None, {path: text})
_PLANTED = (
    (None, {'proto/core/a.c': '#include "proto/wire/b.h"\n'}),
    (None, {'proto/wire/b.c': '#include <msgpack.h>\n'}),
    ('layering', {'proto/wire/b.c': '#include "proto/core/a.h"\n'}),
    ('layering', {'proto/base/b.c': '#include <stdio.h>\n'}),
    ('layering', {'proto/core/b.c': '#include "broker/mesh.h"\n'}),
    ('layering', {'proto/core/b.c': '#include "client/coherd.h"\n'}),
    ('layering', {'broker/a.c': '#include "client/client.h"\n'}),
    ('layering', {'client/a.c': '#include "broker/mesh.h"\n'}),
    ('layering', {'client/a.c': '#include "client/cli/cli.h"\n'}),
    ('layering', {'client/cli/a.c': '#include "client/client.h"\n'}),
    ('layering', {'client/cli/a.c': '#include "proto/base/err.h"\n'}),
    ('layering', {'client/examples/a.c': '#include "client/client.h"\n'}),
    ('layering', {'client/examples/a.c': '#include <client/coherd.h>\n'}),
    ('layering', {'tests/sim/a.c': '#include "broker/mesh.h"\n'}),
    (None, {'tests/sim/a.c': '#include "tests/support/heap.h"\n'}),
    (None, {'client/cli/a.c': '#include "client/coherd.h"\n'}),
    (None, {'client/examples/a.c': '#include <coherd.h>\n'}),
    (None, {'broker/a.c': '/* as in\n#include "client/client.h"\n */\n'}),
    ('banned_calls', {'broker/a.c': 'int x = atoi("1");\n'}),
    ('banned_calls', {'client/a.c': '    strcpy (a, b);\n'}),
    ('banned_calls', {'broker/a.c': '    sscanf(a, b, &c);\n'}),
    (None, {'tests/unit/a.c': '    sscanf(a, b, &c);\n'}),
    ('banned_calls', {'tests/unit/a.c': '    usleep(10);\n'}),
    (None, {'tests/unit/a.c': '    usleep(10); /* tidy: sleep, to lag */\n'}),
    (None, {'broker/a.c': '/* not sprintf(a) */ char *s = "gets(";\n'}),
    (None, {'broker/a.c': '    x.system(1), y->rand(), my_rand();\n'}),
    ('line_shape', {'broker/a.c': '/* ' + 'x' * 78 + ' */\n'}),
    ('line_shape', {'broker/a.c': 'int x; \n'}),
    ('line_shape', {'docs/a.md': 'text \n'}),
    ('line_shape', {'broker/a.c': '\tint x;\n'}),
    ('line_shape', {'broker/a.c': 'int x;'}),
    (None, {'broker/a.c': 'x' * 80 + '\n'}),
    ('sizes', {'broker/a.c': _long_function(71)}),
    (None, {'broker/a.c': _long_function(70)}),
    ('sizes', {'broker/a.c': 'int x;\n' * 801}),
    (None, {'broker/a.c': 'int x;\n' * 800}),
    ('sizes', {'client/a.h': 'extern "C" {\n' + _long_function(71) + '}\n'}),
    (None, {'broker/a.c': 'static int t[] = {\n' + '    1,\n' * 90 + '};\n'}),
    ('leftovers', {'broker/a.c': '/* TO' 'DO: later */\n'}),
    ('leftovers', {'docs/a.md': 'FIX' 'ME\n'}),
    ('leftovers', {'deploy/run': '# XX' 'X\n'}),
    ('no_variable_arrays', {'Makefile': 'warnings := -Wall\n'}),
    ('no_variable_arrays', {
        'Makefile': 'warnings := -Wvla\n',
        'broker/a.c': '#pragma GCC diagnostic ignored "-Wvla"\n'}),
    ('prototypes_explained', {'proto/core/a.h': 'int f(void);\n'}),
    ('prototypes_explained', {
        'proto/core/a.h': '/* F. */\nint f(void);\n\nint g(int a,\n  int b);\n'}),
    (None, {'proto/core/a.h': '/* F. */\nint f(int a,\n  int b);\nint g(void) '
            '__attribute__((noreturn));\n'}),
    (None, {'proto/core/a.h': 'typedef int (*f)(void);\nstruct a {\n'
            '    int (*f)(void);\n};\nstatic inline int g(void)\n{\n'
            '    return h();\n}\n'}),
    (None, {'client/a.h': '#ifdef __cplusplus\nextern "C" {\n#endif\n\n/* F. '
            '*/\nint f(void);\n\n#ifdef __cplusplus\n}\n#endif\n'}),
    ('settings_documented', {
        'broker/config.def': 'X(mesh.port, UINT)\nX(node.name, STR)\n',
        'docs/man/coherd.conf.5': '.It Va mesh.port\n'}),
    ('settings_documented', {
        'broker/config.def': 'X("mesh.port", UINT)\n',
        'docs/man/coherd.conf.5': '.TP\n.B mesh.port\n.TP\n.B node.name\n'}),
    ('settings_documented', {
        'broker/config.def': 'X(mesh.port, UINT)\n',
        'deploy/coherd.conf': '# node.name = a\nmesh.port = 1\n'}),
    ('settings_documented', {'broker/config.def': '/* X(mesh.port) */\n'}),
    (None, {
        'broker/config.def': 'X(mesh.port, UINT)\nX(node.name, STR)\n',
        'docs/man/coherd.conf.5': '.It Va mesh.port\n.It Va node.name Pq x\n',
        'deploy/coherd.conf': '# Text.\n#mesh.port = 1\n#node.name =\n'}),
    ('functions_documented', {
        'client/coherd.h': _HEADER, 'docs/man/libcoherd.3': '.Fn coherd_x\n'}),
    ('functions_documented', {
        'client/coherd.h': _HEADER, 'docs/man/libcoherd.3': '.Fn f\n'}),
    (None, {
        'client/coherd.h': _HEADER,
        'docs/man/libcoherd.3': '.Fn coherd_do void\n'}),
    ('traces_documented', {
        'proto/core/trace.def': 'X(GAP, WARN, "events_lost", a, b)\n',
        'docs/operations.md': 'Nothing.\n'}),
    (None, {
        'proto/core/trace.def': 'X(GAP, WARN, "events_lost", a, b)\n',
        'docs/operations.md': '| `events_lost` | lost |\n'}),
)

_ALLOW = {'tests/tidy/symbols.allow': 'memcpy\ncalloc mem.o\n'}
_SHARED_HEADER = {'client/coherd.h': _HEADER}

# (check or None, other files, product, {member: C text}, compiler flags)
_BUILT = (
    (None, _ALLOW, 'release/lib/libproto.a', {
        'mem.c': '#include <stdlib.h>\nvoid *f(void);\n'
                 'void *f(void) { return calloc(1, 1); }\n',
        'a.c': 'static const char *const t[] = {"a", "b"};\n'
               'void *f(void);\nconst char *g(int i);\n'
               'const char *g(int i) { return f() ? t[i] : t[0]; }\n'}, ()),
    ('no_input_or_output', _ALLOW, 'release/lib/libproto.a', {
        'a.c': '#include <time.h>\nlong f(void);\n'
               'long f(void) { return time(NULL); }\n'}, ()),
    ('no_input_or_output', _ALLOW, 'release/lib/libproto.a', {
        'a.c': '#include <stdlib.h>\nvoid *f(void);\n'
               'void *f(void) { return calloc(1, 1); }\n'}, ()),
    ('no_global_state', _ALLOW, 'release/lib/libproto.a', {
        'a.c': 'static int n;\nint f(void);\nint f(void) { return ++n; }\n'},
     ()),
    ('no_global_state', _ALLOW, 'release/lib/libproto.a', {
        'a.c': 'int n = 3;\n'}, ()),
    (None, _SHARED_HEADER, 'lib/libcoherd.so', {
        'a.c': 'int coherd_do(void) { return 0; }\n'}, ()),
    ('exported_symbols', _SHARED_HEADER, 'lib/libcoherd.so', {
        'a.c': 'int coherd_do(void) { return 0; }\n'
               'int chd_do(void) { return 0; }\n'}, ()),
    ('exported_symbols', _SHARED_HEADER, 'lib/libcoherd.so', {
        'a.c': 'int x;\n'}, ()),
    ('exported_symbols', _SHARED_HEADER, 'lib/libcoherd.so', {
        'a.c': 'int coherd_do(void) { return 0; }\n'},
     ('-Wl,--no-as-needed', '-lm')),
)


def _write(root, files):
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding='utf-8')


def _build(root, product, members, flags):
    """Compile members into an archive or a shared library."""
    path = root / 'build' / product
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(root / 'src', members)
    if product.endswith('.so'):
        command = ['cc', '-shared', '-fPIC', '-o', path, *sorted(members),
                   *flags]
        subprocess.run(command, cwd=root / 'src', check=True)
        return
    subprocess.run(['cc', '-O1', '-fPIC', '-c', *sorted(members)],
                   cwd=root / 'src', check=True)
    objects = [name.replace('.c', '.o') for name in sorted(members)]
    subprocess.run(['ar', 'rcs', path, *objects], cwd=root / 'src', check=True)


def _verdict(root, wanted):
    """Return what is wrong with the checks' answer for root, or None."""
    tree = checks.Tree(root, 'build')
    failing = [c.__name__ for c in checks.CHECKS if list(c(tree))]
    if failing == ([wanted] if wanted else []):
        return None
    return f'wanted {wanted or "no fault"}, got {" ".join(failing) or "none"}'


def run():
    """Try every planted fault; return the exit status."""
    failed = 0
    cases = [(*case, None, None, None) for case in _PLANTED] + list(_BUILT)
    for wanted, files, product, members, flags in cases:
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            _write(root, files)
            if product is not None:
                _build(root, product, members, flags)
            wrong = _verdict(root, wanted)
        if wrong is not None:
            failed += 1
            print(f'{wrong}: {members or files}')
    tried = {case[0] for case in cases}
    for check in checks.CHECKS:
        if check.__name__ not in tried:
            failed += 1
            print(f'{check.__name__}: no planted fault')
    print(f'tidy self-test: {len(cases) - failed} passed, {failed} failed')
    return 1 if failed else 0
