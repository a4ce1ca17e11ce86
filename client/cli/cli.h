/* cli.h - what the commands of coherctl share.
 *
 * Each command is a file with one function that gets its own arguments and
 * returns an exit code.  coherctl uses nothing but coherd.h; it is also the
 * example of how far that goes.
 *
 * Errors: told on standard error, once, with "coherctl: " in front.
 */
#ifndef CHD_CLI_H
#define CHD_CLI_H

#include <getopt.h>
#include <stdio.h>

#include "client/coherd.h"

typedef enum cli_exit {
    CLI_DONE = 0,
    CLI_FAILED = 1,
    CLI_USAGE = 2,
    CLI_UNREACHABLE = 3,
    CLI_UNCONFIRMED = 4,
} cli_exit;

#define CLI_TIMEOUT_MS 5000

/* How long an attempt to reach a sidecar goes on that obviously is not there,
 * unless --timeout was given. */
#define CLI_PATIENCE_MS 500

typedef struct cli_env {
    const char *socket; /* NULL: the library's default */
    bool json;
    int timeout_ms; /* -1: not given */
    uint64_t deadline_ms;
    char trouble[512]; /* why there is no connection */
    bool absent;       /* because nobody listens there */
} cli_env;

/* The commands. argv[0] is "coherctl COMMAND". */

/* coherctl invalidate. */
int cli_invalidate(cli_env *cli, int argc, char **argv);
/* coherctl publish. */
int cli_publish(cli_env *cli, int argc, char **argv);
/* coherctl watch. */
int cli_watch(cli_env *cli, int argc, char **argv);
/* coherctl status. */
int cli_status(cli_env *cli, int argc, char **argv);
/* coherctl peers. */
int cli_peers(cli_env *cli, int argc, char **argv);

/* coherctl await. */
int cli_await(cli_env *cli, int argc, char **argv);

/* --- options.c ------------------------------------------------------------ */

/* Options that every command has, for its own table: */
#define CLI_COMMON_OPTIONS                                                     \
    {"socket", required_argument, NULL, 'S'},                                  \
        {"json", no_argument, NULL, 'j'},                                      \
        {"timeout", required_argument, NULL, 'T'},                             \
    {                                                                          \
        "help", no_argument, NULL, 'h'                                         \
    }

typedef enum cli_taken {
    CLI_TAKEN,
    CLI_HELP,  /* --help: print it and end           */
    CLI_WRONG, /* the reason is told: end with usage */
} cli_taken;

/* Deal with an option that getopt_long returned and the command has no use
 * for. */
cli_taken cli_take_option(cli_env *cli, int option, const char *command);

/* Say what is wrong with the arguments; returns CLI_USAGE. */
int cli_usage(const char *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Say what went wrong; what it quotes is shown as by cli_print_bytes. */
void cli_complain(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* --- session.c ------------------------------------------------------------ */

/* Open a client and wait for the sidecar.  given has the callbacks, or is
 * NULL; without an on_state, this function has its own to tell why it failed.
 * The time-out starts here.
 *
 * Owns:   on CLI_DONE, *client belongs to the caller: coherd_close.
 */
int cli_connect(cli_env *cli, const coherd_options *given,
                coherd_client **client);

/* Milliseconds until the time-out ends, at least 1. */
int cli_time_left(const cli_env *cli);

/* Complain about err, unless it is COHERD_OK; returns the exit code. */
int cli_result(const cli_env *cli, coherd_client *client, coherd_err err);

/* Ask for the sidecar's report; returns an exit code.
 *
 * Owns:   on CLI_DONE, *report belongs to the caller: coherd_status_free.
 */
int cli_ask(cli_env *cli, coherd_status_report **report);

/* What a command that has but the common options begins with. */
typedef struct cli_plain {
    const char *name;
    const char *help;
} cli_plain;

/* Read the arguments; -1 to go on, else an exit code. */
int cli_plain_options(cli_env *cli, int argc, char **argv,
                      const cli_plain *command);

/* Flush standard output; false when something that was printed could not be
 * written.  That is told, unless the reader has gone: errno is EPIPE then. */
bool cli_flush(void);

/* --- text.c --------------------------------------------------------------- */

/* Read "500ms", "2s", "1m", "1h" or "1.5s"; false when it is none. */
bool cli_parse_duration(const char *text, int *ms);

/* Write a duration for people: "812 us", "45 ms", "3.2 s", "4 min 10 s". */
void cli_format_duration(uint64_t us, char *buf, size_t cap);

/* The same for a staleness or age, "unknown" when it is not known. */
void cli_format_age(uint64_t age_ms, char *buf, size_t cap);

/* Write a number of bytes for people: "12 B", "3.4 KiB". */
void cli_format_bytes(uint64_t bytes, char *buf, size_t cap);

/* Tell whether bytes are UTF-8. */
bool cli_is_text(const void *data, size_t len);

/* Tell whether bytes begin with a C1 control character, U+0080 to U+009F: those
 * drive terminals, too. */
bool cli_is_c1(const void *data, size_t len);

/* Print bytes for people: text as it is, control characters and bytes that
 * are not UTF-8 as \xNN. */
void cli_print_bytes(FILE *file, const void *data, size_t len);

/* --- json.c --------------------------------------------------------------- */

/* One JSON object or array under construction on a stream. */
typedef struct cli_json {
    FILE *file;
    bool comma;
} cli_json;

/* Begin with { or [, end with } or ].  name is NULL inside an array. */
void cli_json_open(cli_json *json, const char *name, char bracket);
/* See cli_json_open. */
void cli_json_close(cli_json *json, char bracket);

/* Add a string, which is UTF-8.  Control characters are escaped, C1 among them:
 * JSON allows those, a terminal does not survive them. */
void cli_json_text(cli_json *json, const char *name, const char *text);

/* Add a number that is not expected to reach 2^53. */
void cli_json_uint(cli_json *json, const char *name, uint64_t value);

/* Add a staleness or age, null when it is not known. */
void cli_json_age(cli_json *json, const char *name, uint64_t age_ms);

/* Add true or false. */
void cli_json_bool(cli_json *json, const char *name, bool value);

/* Add null. */
void cli_json_null(cli_json *json, const char *name);

/* Node ids and stamps do not fit the numbers of JSON: 16 hex digits. */
void cli_json_hex(cli_json *json, const char *name, uint64_t value);

/* Bytes that are UTF-8 become a string called name, others a string in base64
 * called name_base64. */
void cli_json_bytes(cli_json *json, const char *name, const void *data,
                    size_t len);

/* --- table.c -------------------------------------------------------------- */

#define CLI_COLUMNS_MAX 12

typedef struct cli_table {
    size_t column_count;
    size_t cell_count;
    size_t cell_cap;
    char **cells;
} cli_table;

/* Begin a table of at most CLI_COLUMNS_MAX columns. */
void cli_table_init(cli_table *table, size_t column_count);
/* Add the next cell, row by row; text is copied, as cli_print_bytes has it. */
void cli_table_add(cli_table *table, const char *text);

/* Columns are as wide as they have to be, two spaces between them. */
void cli_table_print(const cli_table *table, FILE *file);

/* Free all cells. */
void cli_table_fini(cli_table *table);

/* --- confirm.c ------------------------------------------------------------ */

/* What came of a publish that was waited for. */
typedef struct cli_waited {
    coherd_wait wait;
    coherd_err err;
    uint64_t took_us;
    coherd_receipt receipt;
} cli_waited;

/* Return the monotonic time. */
uint64_t cli_now_us(void);

/* Read the level of --wait, which may be NULL; false when it is none, which is
 * told. */
bool cli_parse_wait(const char *text, const char *command, coherd_wait *wait);

/* As cli_result, but name who is missing. */
int cli_wait_result(const cli_env *cli, coherd_client *client,
                    const cli_waited *waited, coherd_err err);

/* Print it: its fields into an object, or with NULL a line for people. */
void cli_print_waited(cli_json *json, const cli_waited *waited);

/* --- peers.c -------------------------------------------------------------- */

/* "[fdaa::3]:7420" or "10.0.0.3:7420". */
void cli_format_endpoint(const char *address, uint16_t port, char *buf,
                         size_t cap);

/* Print the table of who is there. */
void cli_print_members(const coherd_status_report *report);

/* Add the array "members". */
void cli_json_members(cli_json *json, const coherd_status_report *report);

#endif
