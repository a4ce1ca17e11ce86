"""What a mutant is, and the bench where it is built and hunted.

A mutant is a file NAME.mutant in this folder:

    wrong: one sentence, what is wrong with it
    oracle: gap stale
    faults: kill,loss
    --- proto/core/repair.c
    text that occurs exactly once in that file
    +++
    text that takes its place

How the text is laid out, in lines and columns, does not matter. `oracle` names
those that may notice, any one of them; `assert` is one of the engine's own
assertions. `faults` may be left out; else those are at work in every seed, for
some mutants need two at once, which is rare. There may be more than one pair of
texts. Only .c files of proto/ can be changed. A text that does not occur
exactly once is an error: the source has moved on, and the mutant has to be
rewritten.
"""

import pathlib
import re
import shlex
import subprocess
import threading

ORACLES = {'invention', 'gap', 'order', 'agreement', 'stream', 'stale',
           'bound', 'busy', 'storm', 'settle', 'steady', 'replicated',
           'twice', 'resume', 'horizon', 'confirmed',
           'assert'}

# A run of all seeds takes some twenty seconds; one that hangs is ended.
HANG_SECONDS = 300

_FAILED = re.compile(r'seed (\d+) failed after \d+ ms: (\w+): (.*)')
_ABORTED = re.compile(r'aborted; again: \S+ --seed (\d+)')


class Broken(Exception):
    """A mutant that cannot be judged."""


def _pattern(text):
    """Return what finds a piece of C, however it is laid out."""
    tokens = re.findall(r'\w+|[^\w\s]', text)
    pattern = re.escape(tokens[0])
    for before, token in zip(tokens, tokens[1:]):
        words = before[-1].isidentifier() and token[0].isidentifier()
        pattern += (r'\s+' if words else r'\s*') + re.escape(token)
    return re.compile((r'\b' if tokens[0][0].isidentifier() else '') + pattern
                      + (r'\b' if tokens[-1][-1].isidentifier() else ''))


class Mutant:
    """One fault, as its file describes it."""

    def __init__(self, path):
        head, *changes = re.split(r'^--- ', path.read_text(), flags=re.M)
        fields = dict(line.split(': ', 1) for line in head.splitlines())
        self.name = path.stem
        self.wrong = fields['wrong']
        self.oracles = fields['oracle'].split()
        self.faults = fields.get('faults')
        self.changes = []  # of (file, old text, new text)
        for change in changes:
            file, texts = change.split('\n', 1)
            old, new = re.split(r'^\+\+\+\n', texts, maxsplit=1, flags=re.M)
            self.changes.append((file, old, new))
        unknown = set(self.oracles) - ORACLES
        if unknown or not self.oracles or not self.changes:
            raise SystemExit(f'{path}: no change, or no such oracle {unknown}')

    def sources(self, root):
        """Return {file: changed text}."""
        texts = {}
        for file, old, new in self.changes:
            if not re.fullmatch(r'proto/\w+/\w+\.c', file):
                raise Broken(f'{file} is no source of the engine')
            if file not in texts:
                path = root / file
                texts[file] = path.read_text() if path.exists() else ''
            pattern = _pattern(old)
            count = len(pattern.findall(texts[file]))
            if count != 1:
                raise Broken(f'its text occurs {count} times in {file}: '
                             'rewrite it')
            texts[file] = pattern.sub(lambda _, text=new: text, texts[file])
        return texts


def read_all(folder):
    """Return every mutant, by name."""
    return [Mutant(path) for path in sorted(folder.glob('*.mutant'))]


class Bench:
    """Where mutants are built and hunted."""

    def __init__(self, root, environ):
        self.root = root
        self.folder = pathlib.Path(environ['MUTANT_DIR'])
        self.compile = shlex.split(environ['MUTANT_CC'])
        self.link = shlex.split(environ['MUTANT_LD'])
        self.rest = shlex.split(environ['SIM_OBJECTS'])

    def _run(self, command):
        done = subprocess.run(command, cwd=self.root, text=True,
                              capture_output=True, check=False)
        if done.returncode != 0:
            raise Broken('does not build:\n' + done.stderr)

    def build(self, planted):
        """Return the simulator with the fault in it."""
        folder = self.folder / planted.name
        objects = []
        for file, text in planted.sources(self.root).items():
            source = folder / file
            (self.root / source).parent.mkdir(parents=True, exist_ok=True)
            (self.root / source).write_text(text)
            objects.append(str(source.with_suffix('.o')))
            self._run([*self.compile, '-c', '-o', objects[-1], str(source)])
        program = folder / 'chd-sim'
        self._run([*self.link, '-o', str(program), *objects, *self.rest])
        return program

    def hunt(self, program, seeds, faults=None):
        """Return (seed, oracle, verdict) of the first seed that fails."""
        command = [self.root / program, '--seeds', f'1..{seeds}']
        if faults is not None:
            command += ['--faults', faults]
        run = subprocess.Popen(command, cwd=self.root, text=True,
                               stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT)
        watch = threading.Timer(HANG_SECONDS, run.kill)
        watch.start()
        last = ''
        try:
            for line in run.stdout:
                failed = _FAILED.match(line)
                if failed:
                    return int(failed[1]), failed[2], failed[3]
                aborted = _ABORTED.match(line)
                if aborted:
                    return int(aborted[1]), 'assert', line.strip()
                last = line
        finally:
            watch.cancel()
            run.kill()
            run.stdout.close()
            run.wait()
        if not last.startswith('sim: '):
            raise Broken('hangs, or ends without a word')
        return None
