#include "broker/file.h"

#include <errno.h>
#include <string.h>

/* Longer than any setting can be; a file with such a line is something else. */
#define LINE_BYTES_MAX (128 * 1024)

typedef struct reader {
    const char *path;
    unsigned line;
    unsigned first_line[CHD_SET_COUNT]; /* where a setting stood, or 0 */
    chd_config *config;
    chd_problems *problems;
} file_reader;

static const char blanks[] = " \t\r\n";

/* Cut blanks off the end of text. */
static void trim_end(char *text)
{
    size_t len = strlen(text);

    while (len > 0 && strchr(blanks, text[len - 1]) != NULL) {
        len--;
    }
    text[len] = '\0';
}

/* Take the quotes off value, in place.  Returns what is behind them, or NULL
 * when the closing one is missing. */
static char *unquote(char *value)
{
    char *to = value;

    for (char *from = value + 1; *from != '\0'; from++) {
        if (*from == '"') {
            *to = '\0';
            return from + 1;
        }
        if (*from == '\\' && (from[1] == '"' || from[1] == '\\')) {
            from++;
        }
        *to++ = *from;
    }
    return NULL;
}

/* Cut a comment off an unquoted value: # at its start or after a blank. */
static void cut_comment(char *value)
{
    for (char *at = value; *at != '\0'; at++) {
        if (*at == '#' && (at == value || strchr(blanks, at[-1]) != NULL)) {
            *at = '\0';
            break;
        }
    }
    trim_end(value);
}

/* Bring the text behind "=" into its plain form; false when it has none. */
static bool plain_value(char *value)
{
    if (value[0] != '"') {
        cut_comment(value);
        return true;
    }
    const char *rest = unquote(value);
    if (rest == NULL) {
        return false;
    }
    rest += strspn(rest, blanks);
    return rest[0] == '\0' || rest[0] == '#';
}

static void read_setting(file_reader *reader, const char *name, char *value)
{
    chd_setting_id id = 0;
    char origin[512];

    (void)snprintf(origin, sizeof(origin), "%s:%u", reader->path, reader->line);
    if (!chd_setting_find(name, &id)) {
        chd_problem_error(
            reader->problems, "%s: unknown setting \"%s\"; did you mean %s?",
            origin, name, chd_setting_of(chd_setting_nearest(name))->name);
        return;
    }
    if (reader->first_line[id] != 0) {
        chd_problem_error(reader->problems, "%s: %s was set in line %u already",
                          origin, name, reader->first_line[id]);
        return;
    }
    reader->first_line[id] = reader->line;
    if (!plain_value(value)) {
        chd_problem_error(reader->problems,
                          "%s: %s: a quoted value must end with a quote, and "
                          "nothing but a comment may follow it",
                          origin, name);
        return;
    }
    chd_config_set(reader->config, id, value, CHD_SOURCE_FILE, origin,
                   reader->problems);
}

static void read_line(file_reader *reader, char *line)
{
    char *name = line + strspn(line, blanks);

    if (name[0] == '\0' || name[0] == '#') {
        return;
    }
    char *equals = strchr(name, '=');
    if (equals == NULL) {
        trim_end(name);
        chd_problem_error(reader->problems,
                          "%s:%u: \"%.80s\" is not of the form name = value",
                          reader->path, reader->line, name);
        return;
    }
    *equals = '\0';
    trim_end(name);
    char *value = equals + 1 + strspn(equals + 1, blanks);
    trim_end(value);
    read_setting(reader, name, value);
}

void chd_file_read(const char *path, chd_config *config, chd_problems *problems)
{
    file_reader reader = {.path = path, .config = config, .problems = problems};
    char *line = NULL;
    size_t cap = 0;
    ssize_t len = 0;
    FILE *file = fopen(path, "re");

    if (file == NULL) {
        chd_problem_error(problems, "cannot open %s: %s", path,
                          strerror(errno));
        return;
    }
    errno = 0;
    while ((len = getline(&line, &cap, file)) >= 0) {
        reader.line++;
        if (strlen(line) != (size_t)len || len > LINE_BYTES_MAX) {
            chd_problem_error(problems, "%s:%u: this is not a text file", path,
                              reader.line);
            break;
        }
        read_line(&reader, line);
    }
    if (ferror(file)) {
        chd_problem_error(problems, "cannot read %s: %s", path,
                          strerror(errno));
    }
    free(line);
    (void)fclose(file);
}
