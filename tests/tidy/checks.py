"""The checks of tests/tidy.

A check is a function that takes a Tree and yields its faults as lines of text.
Where what it compares does not exist (yet), it has nothing to say.
"""

import pathlib
import re
import subprocess

import source


class Tree:
    """The files under root, read once, and what was built from them."""

    FOLDERS = ('proto', 'broker', 'client', 'tests', 'deploy', 'docs', '.ci')
    SUFFIXES = ('.c', '.h', '.def', '.py', '.sh', '.md', '.yaml', '.toml',
                '.conf', '.in', '.service', '.allow', '.1', '.3', '.5', '.8')

    def __init__(self, root, build):
        self.root = pathlib.Path(root)
        self.build = pathlib.Path(build)
        if not self.build.is_absolute():
            self.build = self.root / self.build
        self.files = {}
        for path in self._paths():
            try:
                text = path.read_text(encoding='utf-8')
            except (UnicodeDecodeError, FileNotFoundError):
                continue
            self.files[path.relative_to(self.root).as_posix()] = text

    def _paths(self):
        for path in sorted(self.root.iterdir()):
            if path.is_file() and path.suffix in ('.md', ''):
                yield path
        for folder in self.FOLDERS:
            for path in sorted((self.root / folder).rglob('*')):
                if path.is_file() and (path.suffix in self.SUFFIXES
                                       or path.suffix == ''):
                    yield path

    def text(self, path):
        """Return the text of a file, or None."""
        return self.files.get(path)

    def matching(self, pattern):
        """Yield (path, text) of the files whose path matches pattern."""
        for path, text in self.files.items():
            if re.search(pattern, path):
                yield path, text

    def product(self, path):
        """Return the path of something built, or None."""
        product = self.build / path
        return product if product.exists() else None


def _output_of(*command):
    return subprocess.run([str(word) for word in command], check=True,
                          stdout=subprocess.PIPE, text=True).stdout


# --- the built archive ------------------------------------------------------

def _symbols_of(archive):
    """Yield (member, name, kind, section) for each symbol of an archive."""
    member = None
    for line in _output_of('nm', '--format=sysv', archive).splitlines():
        opened = re.search(r'\[(.*)\]:$', line)
        if opened or re.fullmatch(r'(Symbols from )?\S+\.o:', line):
            member = opened.group(1) if opened else line
            continue
        fields = [field.strip() for field in line.split('|')]
        if len(fields) == 7:
            yield member, fields[0], fields[2], fields[6]


def _allowed_symbols(tree):
    """Return {symbol: members that may use it, all if empty}."""
    allowed = {}
    for line in (tree.text('tests/tidy/symbols.allow') or '').splitlines():
        words = line.split('#')[0].split()
        if words:
            allowed[words[0]] = set(words[1:])
    return allowed


def no_input_or_output(tree):
    """proto/ calls nothing outside but what symbols.allow lists"""
    archive = tree.product('release/lib/libproto.a')
    if archive is None:
        return
    symbols = list(_symbols_of(archive))
    own = {name for _, name, kind, _ in symbols if kind.isupper()
           and kind != 'U'}
    allowed = _allowed_symbols(tree)
    for member, name, kind, _ in symbols:
        if kind not in 'Uwv' or name in own:
            continue
        if name not in allowed:
            yield f'libproto.a: {member} needs {name}, which is not allowed'
        elif allowed[name] and member not in allowed[name]:
            yield f'libproto.a: {member} needs {name}, which only ' \
                  f'{" ".join(sorted(allowed[name]))} may'


def no_global_state(tree):
    """proto/ has no variables that live as long as the program"""
    archive = tree.product('release/lib/libproto.a')
    if archive is None:
        return
    for member, name, kind, section in _symbols_of(archive):
        if kind.upper() in 'BCDGS' and not section.startswith('.data.rel.ro'):
            yield f'libproto.a: {member} has a variable, {name} ({section})'


def _public_headers(tree):
    """Return the text of the headers that are installed, or None."""
    texts = [tree.text(f'client/{name}')
             for name in ('coherd.h', 'coherd_status.h', 'coherd_cache.h')]
    return None if texts[0] is None else ''.join(filter(None, texts))


def exported_symbols(tree):
    """libcoherd exports what its headers declare and needs little"""
    shared = tree.product('lib/libcoherd.so')
    header = _public_headers(tree)
    if shared is None or header is None:
        return
    declared = {name for _, _, name in source.prototypes_of(header)}
    exported = set()
    for line in _output_of('nm', '-D', '--defined-only', shared).splitlines():
        exported.add(line.split()[-1].split('@')[0])
    for name in sorted(exported - declared):
        yield f'libcoherd.so exports {name}, which no header declares'
    for name in sorted(declared - exported):
        yield f'libcoherd.so does not export {name}, which coherd.h declares'
    static = tree.product('lib/libcoherd.a')
    if static is not None:
        for _, name, kind, _ in _symbols_of(static):
            if kind.isupper() and kind not in 'UN' and name not in declared:
                yield f'libcoherd.a shows {name}, which coherd.h does not'
    for library in re.findall(r'\(NEEDED\).*\[(.*?)\]',
                              _output_of('readelf', '-d', shared)):
        if not re.match(r'(libc|libpthread|libmsgpackc?|libmsgpack-c)\.so',
                        library):
            yield f'libcoherd.so needs {library}'


# --- layers -----------------------------------------------------------------

_PURE_HEADERS = {'stdbool.h', 'stddef.h', 'stdint.h', 'stdlib.h', 'string.h',
                 'msgpack.h'}
_RANKS = {'base': 0, 'wire': 1, 'session': 2, 'core': 3}


def _may_include(path, included):
    """Tell whether the file at path may include "included"."""
    folder = path.split('/')[0]
    target = included.split('/')[0]
    if folder == 'proto':
        ranks = [_RANKS.get(p.split('/')[1]) for p in (path, included)
                 if p.count('/') > 1]
        if target != 'proto' or None in ranks or len(ranks) < 2:
            return False
        return ranks[1] <= ranks[0]
    if folder == 'broker':
        return target in ('broker', 'proto')
    if path.startswith('client/cli/'):
        return included in ('coherd.h', 'client/coherd.h') or \
            included.startswith('client/cli/')
    if path.startswith('client/examples/'):
        return included == 'coherd.h' or '/' not in included
    if re.match(r'client/coherd\w*\.h', path):
        return re.match(r'coherd\w*\.h', included)
    if folder == 'client':
        return target in ('client', 'proto') and \
            not re.match(r'client/(cli|examples)/', included)
    if path.startswith(('tests/sim/', 'tests/scenario/')):
        return target in ('proto', 'tests')
    return True


def layering(tree):
    """each folder includes only what its layer may"""
    for path, text in tree.matching(r'\.(c|h|def)$'):
        for line, quote, included in source.includes_of(text):
            if quote == '"' and not _may_include(path, included):
                yield f'{path}:{line}: must not include "{included}"'
            elif quote == '<' and path.startswith('proto/') and \
                    included not in _PURE_HEADERS:
                yield f'{path}:{line}: must not include <{included}>'
            elif quote == '<' and re.match(r'(proto|broker|client)/', included):
                yield f'{path}:{line}: our own headers stand in quotes'


# --- shape ------------------------------------------------------------------

_BANNED = {
    'strcpy': 'memcpy with a length', 'stpcpy': 'memcpy with a length',
    'strcat': 'snprintf', 'strncat': 'snprintf', 'sprintf': 'snprintf',
    'vsprintf': 'vsnprintf', 'strtok': 'strchr or strspn',
    'strtok_r': 'strchr or strspn', 'atoi': 'strtol with checks',
    'atol': 'strtol with checks', 'atoll': 'strtoll with checks',
    'atof': 'strtod with checks', 'gets': 'fgets', 'system': 'posix_spawn',
    'popen': 'posix_spawn', 'alloca': 'a bounded array',
    'rand': 'chd_prng_next', 'srand': 'chd_prng_seeded',
    'random': 'chd_prng_next', 'tmpnam': 'mkstemp', 'mktemp': 'mkstemp',
}
_PARSING = {'scanf', 'sscanf', 'fscanf'}
_WAITING = {'sleep', 'usleep'}


def banned_calls(tree):
    """no call that has a safer replacement, no test that just waits"""
    for path, text in tree.matching(r'\.[ch]$'):
        lines = text.splitlines()
        code = source.without_comments(text)
        for match in re.finditer(r'(?<![\w.>])([a-z_]\w*)\s*\(', code):
            name = match.group(1)
            line = source.line_of(code, match.start())
            if name in _BANNED:
                yield f'{path}:{line}: {name}: use {_BANNED[name]}'
            elif name in _PARSING and not path.startswith('tests/'):
                yield f'{path}:{line}: {name}: use strtol with checks'
            elif name in _WAITING and path.startswith('tests/') and \
                    'tidy: sleep' not in lines[line - 1]:
                yield f'{path}:{line}: {name}: wait for what you wait for, ' \
                      'or say why not in a comment "tidy: sleep, because"'


def line_shape(tree):
    """80 columns, no tabs, no blanks at the end of a line"""
    for path, text in tree.files.items():
        code = path.endswith(('.c', '.h', '.def'))
        if text and not text.endswith('\n'):
            yield f'{path}: the last line has no end'
        for number, line in enumerate(text.split('\n'), 1):
            if line != line.rstrip():
                yield f'{path}:{number}: blanks at the end of the line'
            if code and len(line) > 80:
                yield f'{path}:{number}: {len(line)} columns, of 80'
            if code and '\t' in line:
                yield f'{path}:{number}: a tab'


def sizes(tree):
    """functions of at most 70 lines, files of at most 800"""
    for path, text in tree.matching(r'\.[ch]$'):
        lines = text.count('\n')
        if lines > 800:
            yield f'{path}: {lines} lines, of 800'
        for line, length, head in source.functions_of(text):
            if length > 70:
                name = re.findall(r'(\w+)\s*\(', head)
                yield f'{path}:{line}: {name[0] if name else head} has ' \
                      f'{length} lines, of 70'


def leftovers(tree):
    """no markers of unfinished work"""
    marker = re.compile(r'\b(TO' r'DO|FIX' r'ME|XX' r'X)\b')
    for path, text in tree.files.items():
        for match in marker.finditer(text):
            line = source.line_of(text, match.start())
            yield f'{path}:{line}: {match.group()}'


def no_variable_arrays(tree):
    """the compiler refuses arrays of variable length"""
    makefile = tree.text('Makefile')
    if makefile is None:
        return
    if '-Wvla' not in makefile:
        yield 'Makefile: -Wvla is missing'
    for path, text in tree.matching(r'\.[ch]$|^Makefile$'):
        if '-Wno-vla' in text or '"-Wvla"' in text:
            yield f'{path}: switches -Wvla off'


def prototypes_explained(tree):
    """every prototype in a header has a comment, its own or its group's"""
    for path, text in tree.matching(r'^(proto|broker|client|tests)/.*\.h$'):
        lines = text.split('\n')
        covered = set()
        for first, last, name in source.prototypes_of(text):
            above = lines[first - 2].rstrip() if first > 1 else ''
            if above.endswith('*/') or first - 1 in covered:
                covered.add(last)
            else:
                yield f'{path}:{first}: {name} has no comment'


# --- documents --------------------------------------------------------------

_SETTING = r'[a-z]+(?:\.[a-z_]+)+'


def _config_table(tree):
    text = tree.text('broker/config.def')
    if text is None:
        return None
    code = re.sub(r'/\*.*?\*/', '', text, flags=re.S)
    return set(re.findall(rf'^[A-Z_]+\(\s*"?({_SETTING})\b', code, re.M))


def _plain(man):
    """Return man page source without the escapes that hide names."""
    return man.replace('\\-', '-').replace('\\&', '').replace('\\.', '.')


def _settings_of_man(man):
    """Return the settings that a man page has an entry for."""
    found = set()
    lines = _plain(man).splitlines()
    for number, line in enumerate(lines):
        if line.startswith('.TP') and number + 1 < len(lines):
            line = '.It ' + lines[number + 1]
        if line.startswith('.It '):
            name = re.search(rf'(?<![\w./-]){_SETTING}(?![\w/-])', line)
            if name:
                found.add(name.group())
    return found


def settings_documented(tree):
    """settings: table, man page and example file agree"""
    table = _config_table(tree)
    if table is None:
        return
    if not table:
        yield 'broker/config.def: no setting found'
    man = tree.text('docs/man/coherd.conf.5')
    if man is not None:
        entries = _settings_of_man(man)
        for name in sorted(table - entries):
            yield f'docs/man/coherd.conf.5: {name} is missing'
        for name in sorted(entries - table):
            yield f'docs/man/coherd.conf.5: {name} does not exist'
    example = tree.text('deploy/coherd.conf')
    if example is not None:
        shown = set(re.findall(rf'^#?\s*({_SETTING})\s*=', example, re.M))
        for name in sorted(table - shown):
            yield f'deploy/coherd.conf: {name} is missing'
        for name in sorted(shown - table):
            yield f'deploy/coherd.conf: {name} does not exist'


def functions_documented(tree):
    """section 3 describes every function of the headers, and no other"""
    header = _public_headers(tree)
    pages = [text for _, text in tree.matching(r'^docs/man/[^/]*\.3$')]
    man = '\n'.join(pages)
    if header is None or not pages:
        return
    declared = {name for _, _, name in source.prototypes_of(header)}
    # Inline helpers of the header are documented too, but not exported.
    known = declared | set(re.findall(r'\b(coherd_\w+)\b', header))
    described = set(re.findall(r'\b(coherd_\w+)\b', _plain(man)))
    for name in sorted(declared - described):
        yield f'docs/man/*.3: {name} is missing'
    for name in sorted(described - known):
        yield f'docs/man/*.3: {name} does not exist'


def traces_documented(tree):
    """docs/operations.md explains every trace"""
    table = tree.text('proto/core/trace.def')
    manual = tree.text('docs/operations.md')
    if table is None or manual is None:
        return
    explained = set(re.findall(r'`(\w+)`', manual))
    for name in re.findall(r'^X\(\w+, *\w+, *"(\w+)"', table, re.M):
        if name not in explained:
            yield f'docs/operations.md: `{name}` is missing'


CHECKS = (
    no_input_or_output, no_global_state, exported_symbols, layering,
    banned_calls, line_shape, sizes, leftovers, no_variable_arrays,
    prototypes_explained, settings_documented, functions_documented,
    traces_documented,
)
