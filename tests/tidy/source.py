"""Just enough reading of C to check its shape.

Comments, strings and preprocessor lines are blanked out first, newlines kept,
so that every offset and line number stays what it was.
"""

import re

_TOKEN = re.compile(
    r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
_DIRECTIVE = re.compile(r'^[ \t]*#(?:[^\n\\]|\\.|\\\n)*', re.M)
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)


def blank(text):
    """Return text with everything but newlines replaced by spaces."""
    return re.sub(r'[^\n]', ' ', text)


def line_of(text, offset):
    """Return the number of the line that holds offset, counted from 1."""
    return text.count('\n', 0, offset) + 1


def without_comments(text):
    """Return C text without comments and without what strings say."""
    def stand_in(match):
        token = match.group()
        if token[0] == '/':
            return blank(token)
        return token[0] + blank(token[1:-1]) + token[-1]
    return _TOKEN.sub(stand_in, text)


def code_of(text):
    """Return C text with neither comments, strings nor directives."""
    return _DIRECTIVE.sub(lambda m: blank(m.group()), without_comments(text))


def includes_of(text):
    """Yield (line, quote, path) for each #include that is not commented."""
    bare = without_comments(text)
    for match in _INCLUDE.finditer(text):
        if '#' in bare[match.start():match.end()]:
            yield line_of(text, match.start(2)), match.group(1), match.group(2)


class Statement:
    """A declaration or definition at file level, braces included."""

    def __init__(self, text, start, body, end):
        head = text[start:body if body is not None else end]
        self.start = start + len(head) - len(head.lstrip())
        self.body = body
        self.end = end
        self.head = head.strip()

    def is_function(self):
        """Tell whether this defines a function."""
        return self.body is not None and self.head.endswith(')')

    def prototype(self):
        """Return the name of the function that this declares, or None."""
        if self.body is not None or '=' in self.head:
            return None
        if re.match(r'(typedef|struct|union|enum)\b[^()]*$', self.head):
            return None
        if self.head.startswith('typedef') or self.head.startswith('_Static'):
            return None
        head = re.sub(r'__attribute__\s*\(\(.*?\)\)', '', self.head, flags=re.S)
        match = re.search(r'\b([A-Za-z_]\w*)\s*\(', head)
        if match is None or '(*' in head[:match.end()].replace(' ', ''):
            return None
        return match.group(1)


def statements_of(text):
    """Yield the statements of C text, in order.

    extern "C" { } is looked through. A definition ends at its closing brace; a
    struct, enum or initialiser at the semicolon after it.
    """
    code = code_of(text)
    code = re.sub(r'extern\s*" *"\s*\{', lambda m: blank(m.group()), code)
    start = depth = 0
    body = None
    for match in re.finditer(r'[{};]', code):
        offset, mark = match.start(), match.group()
        if mark == '{':
            if depth == 0 and body is None:
                body = offset
            depth += 1
        elif mark == '}':
            depth = max(depth - 1, 0)
            if depth == 0 and body is None:
                start = offset + 1
            elif depth == 0 and code[start:body].rstrip().endswith(')'):
                yield Statement(code, start, body, offset + 1)
                start, body = offset + 1, None
        elif depth == 0:
            yield Statement(code, start, body, offset + 1)
            start, body = offset + 1, None


def functions_of(text):
    """Yield (line, lines, head) for each function that text defines."""
    for statement in statements_of(text):
        if statement.is_function():
            first = line_of(text, statement.start)
            last = line_of(text, statement.end)
            yield first, last - first + 1, statement.head


def prototypes_of(text):
    """Yield (line, last line, name) for each function that text declares."""
    for statement in statements_of(text):
        name = statement.prototype()
        if name is not None:
            yield (line_of(text, statement.start),
                   line_of(text, statement.end), name)
