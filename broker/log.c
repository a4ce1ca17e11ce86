#include "broker/log.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "broker/address.h"
#include "proto/base/hash.h"

static const char *const level_names[] = {
    [CHD_LEVEL_ERROR] = "error",   [CHD_LEVEL_WARN] = "warn",
    [CHD_LEVEL_NOTICE] = "notice", [CHD_LEVEL_INFO] = "info",
    [CHD_LEVEL_DEBUG] = "debug",
};

/* Room kept at the end of a line for what must not be cut. */
#define TAIL_BYTES 64

/* Write the name of a field and what stands between it and its value. */
static void name_field(chd_line *line, const char *name)
{
    const bool json = line->logger->format == CHD_LOG_JSON;
    const char *between = json ? ",\"" : " ";

    line->field_at = line->writer.len;
    if (line->writer.len == 0) {
        between = json ? "{\"" : "";
    }
    chd_writer_add(&line->writer, json ? "%s%s\":" : "%s%s=", between, name);
}

/* Take a field back that did not fit as a whole: half of one would not be
 * JSON. */
static void close_field(chd_line *line)
{
    if (line->writer.cut) {
        line->writer.len = line->field_at;
        line->writer.cut = false;
        line->fields_cut++;
    }
}

/* Tell whether text can stand in logfmt without quotes. */
static bool is_bare(chd_bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        const uint8_t byte = text.ptr[i];
        if (byte <= ' ' || byte >= 0x7f || byte == '"' || byte == '=' ||
            byte == '\\') {
            return false;
        }
    }
    return text.len > 0;
}

void chd_line_bytes(chd_line *line, const char *name, chd_bytes text)
{
    if (!line->wanted) {
        return;
    }
    name_field(line, name);
    if (line->logger->format == CHD_LOG_LOGFMT && is_bare(text)) {
        chd_writer_raw(&line->writer, (const char *)text.ptr, text.len);
    } else {
        chd_writer_quoted(&line->writer, text);
    }
    close_field(line);
}

void chd_line_text(chd_line *line, const char *name, const char *text)
{
    chd_line_bytes(line, name, chd_bytes_str(text));
}

void chd_line_number(chd_line *line, const char *name, uint64_t number)
{
    if (!line->wanted) {
        return;
    }
    name_field(line, name);
    chd_writer_add(&line->writer, "%" PRIu64, number);
    close_field(line);
}

void chd_line_node(chd_line *line, uint64_t node)
{
    char text[17];

    (void)snprintf(text, sizeof(text), "%016" PRIx64, node);
    chd_line_text(line, "node", text);
}

void chd_line_endpoint(chd_line *line, const chd_endpoint *endpoint)
{
    char text[CHD_ADDRESS_TEXT_MAX];

    chd_endpoint_print(endpoint, text);
    chd_line_text(line, "address", text);
    chd_line_distinct(line, chd_bytes_str(text));
}

void chd_line_distinct(chd_line *line, chd_bytes text)
{
    line->key = chd_hash(line->key, text);
}

void chd_line_begin(chd_line *line, chd_logger *logger, chd_level level,
                    const char *event)
{
    char stamp[32];
    struct tm utc;
    const time_t seconds = (time_t)(logger->now.wall_ms / 1000);

    line->logger = logger;
    line->fields_cut = 0;
    line->wanted = level <= logger->level;
    line->key = chd_hash(1, chd_bytes_str(event));
    chd_writer_init(&line->writer, line->buf, sizeof(line->buf) - TAIL_BYTES);
    (void)gmtime_r(&seconds, &utc);
    (void)strftime(stamp, sizeof(stamp) - 8, "%Y-%m-%dT%H:%M:%S", &utc);
    (void)snprintf(stamp + strlen(stamp), 8, ".%03uZ",
                   (unsigned)(logger->now.wall_ms % 1000));
    chd_line_text(line, "ts", stamp);
    chd_line_text(line, "level", level_names[level]);
    chd_line_text(line, "event", event);
}

/* Count the line among its like.  Returns false when it is one too many, else
 * how many like it were left out before. */
static bool admit(chd_line *line, uint64_t *left_out)
{
    chd_logger *logger = line->logger;
    const uint64_t key = line->key | 1;
    /* Two events that share a slot take turns in it: then both are printed
     * more often than they should be, never less. */
    chd_logger_slot *slot = &logger->slots[(key >> 1) % CHD_LOG_SLOTS];

    *left_out = 0;
    if (slot->key != key ||
        chd_elapsed(logger->now.mono_ns, slot->since_ns, CHD_LOG_WINDOW)) {
        if (slot->key == key && slot->count > CHD_LOG_REPEATS_MAX) {
            *left_out = slot->count - CHD_LOG_REPEATS_MAX;
        }
        *slot = (chd_logger_slot){key, logger->now.mono_ns, 0};
    }
    slot->count++;
    return slot->count <= CHD_LOG_REPEATS_MAX;
}

/* Write without ever waiting: a reader of our standard error that has stopped
 * must not stop the node.  A pipe that polls writable has room for PIPE_BUF
 * bytes, more than a line. */
static void write_line(chd_logger *logger, const char *text, size_t len)
{
    struct pollfd ready = {.fd = logger->fd, .events = POLLOUT};

    if (poll(&ready, 1, 0) != 1 || (ready.revents & POLLOUT) == 0 ||
        write(logger->fd, text, len) != (ssize_t)len) {
        logger->tally->log_dropped++;
    }
}

void chd_line_end(chd_line *line)
{
    uint64_t left_out = 0;

    if (!line->wanted) {
        return;
    }
    if (!admit(line, &left_out)) {
        line->logger->tally->log_suppressed++;
        return;
    }
    const bool json = line->logger->format == CHD_LOG_JSON;
    line->writer.cap = sizeof(line->buf);
    if (line->fields_cut > 0) {
        chd_line_number(line, "fields_cut", line->fields_cut);
    }
    if (left_out > 0) {
        chd_line_number(line, "suppressed", left_out);
    }
    chd_writer_add(&line->writer, json ? "}\n" : "\n");
    write_line(line->logger, line->buf, line->writer.len);
}

void chd_logger_trace(chd_logger *logger, const chd_trace *trace)
{
    chd_line line;

    chd_line_begin(&line, logger, chd_trace_level(trace->code),
                   chd_trace_name(trace->code));
    if (trace->node != 0) {
        chd_line_node(&line, trace->node);
    }
    if (trace->endpoint.port != 0) {
        chd_line_endpoint(&line, &trace->endpoint);
    }
    chd_line_number(&line, chd_trace_field_a(trace->code), trace->a);
    chd_line_number(&line, chd_trace_field_b(trace->code), trace->b);
    if (trace->text.len > 0) {
        chd_line_bytes(&line, "text", trace->text);
        chd_line_distinct(&line, trace->text);
    }
    chd_line_end(&line);
}
