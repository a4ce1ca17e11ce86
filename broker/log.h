/* log.h - lines on standard error, in logfmt or JSON.
 *
 *   ts=2026-01-01T00:00:00.000Z level=notice event=peer_live node=... ...
 *
 * A line is put together field by field and written with one write.  The same
 * event about the same address with the same text is printed at most five
 * times in ten seconds; the next line of it says how many were left out.
 *
 * Thread: the loop's alone.
 */
#ifndef CHD_BROKER_LOG_H
#define CHD_BROKER_LOG_H

#include "broker/tally.h"
#include "broker/text.h"
#include "proto/base/clock.h"
#include "proto/core/out.h"

#define CHD_LOG_LINE_MAX 2048
#define CHD_LOG_REPEATS_MAX 5
#define CHD_LOG_WINDOW (10 * CHD_SECOND)
#define CHD_LOG_SLOTS 64

typedef enum chd_logger_format {
    CHD_LOG_LOGFMT,
    CHD_LOG_JSON,
} chd_logger_format;

/* How often an event about an address was told lately. */
typedef struct chd_logger_slot {
    uint64_t key; /* 0: free */
    uint64_t since_ns;
    uint64_t count;
} chd_logger_slot;

typedef struct chd_logger {
    int fd;
    chd_level level;
    chd_logger_format format;
    chd_now now; /* of the current turn; set by the loop */
    chd_tally *tally;
    chd_logger_slot slots[CHD_LOG_SLOTS];
} chd_logger;

typedef struct chd_line {
    chd_logger *logger;
    chd_writer writer;
    uint64_t key;
    size_t field_at; /* where the field being written begins */
    uint64_t fields_cut;
    bool wanted;
    char buf[CHD_LOG_LINE_MAX];
} chd_line;

/* Start a line.  event is a word with underscores. */
void chd_line_begin(chd_line *line, chd_logger *logger, chd_level level,
                    const char *event);

/* Add a field.  Names are ours; texts may come from anywhere. */
void chd_line_text(chd_line *line, const char *name, const char *text);
void chd_line_bytes(chd_line *line, const char *name, chd_bytes text);
void chd_line_number(chd_line *line, const char *name, uint64_t number);
void chd_line_node(chd_line *line, uint64_t node);
void chd_line_endpoint(chd_line *line, const chd_endpoint *endpoint);

/* Count the line as another one than those with other texts here: the limit on
 * repeats is per event, address and this. */
void chd_line_distinct(chd_line *line, chd_bytes text);

/* Write the line, unless its level is not wanted or it is a repeat. */
void chd_line_end(chd_line *line);

/* Print a trace of the core as its table says. */
void chd_logger_trace(chd_logger *logger, const chd_trace *trace);

#endif
