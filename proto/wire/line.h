/* line.h - one line of text for people, built piece by piece in a buffer.  For
 * dump.c and dump_local.c, which have the vocabulary.
 *
 * Errors: none; what does not fit is left out.
 */
#ifndef CHD_PROTO_WIRE_LINE_H
#define CHD_PROTO_WIRE_LINE_H

#include "proto/wire/mesh.h"

/* A line that is being written; what does not fit is left out. */
typedef struct writer {
    char *buf;
    size_t cap;
    size_t len;
} writer;

static inline writer line_open(char *buf, size_t cap)
{
    CHD_ASSERT(cap > 0);
    buf[0] = '\0';
    return (writer){buf, cap, 0};
}

static inline void put_char(writer *out, char c)
{
    if (out->len + 1 < out->cap) {
        out->buf[out->len++] = c;
        out->buf[out->len] = '\0';
    }
}

static inline void put(writer *out, const char *text)
{
    for (; *text != '\0'; text++) {
        put_char(out, *text);
    }
}

/* Print number in a base up to 16 with at least digits digits. */
static inline void put_number(writer *out, uint64_t number, unsigned base,
                              size_t digits)
{
    char text[20]; /* UINT64_MAX has 20 decimal digits */
    size_t len = 0;

    while (number > 0 || len < digits) {
        text[len++] = "0123456789abcdef"[number % base];
        number /= base;
    }
    while (len > 0) {
        put_char(out, text[--len]);
    }
}

static inline void put_dec(writer *out, uint64_t number)
{
    put_number(out, number, 10, 1);
}

static inline void put_id(writer *out, uint64_t id)
{
    put_number(out, id, 16, id > UINT32_MAX ? 16 : 8);
}

static inline bool is_printable(chd_bytes bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        if (bytes.ptr[i] < 0x20 || bytes.ptr[i] > 0x7e) {
            return false;
        }
    }
    return true;
}

static inline void put_bytes(writer *out, chd_bytes bytes)
{
    const bool printable = is_printable(bytes);

    if (bytes.len == 0) {
        put(out, "-");
    } else if (!printable) {
        put(out, "0x");
    }
    /* Not one step beyond a full line: the bytes may be half a megabyte. */
    for (size_t i = 0; i < bytes.len && out->len + 1 < out->cap; i++) {
        if (printable) {
            put_char(out, (char)bytes.ptr[i]);
        } else {
            put_number(out, bytes.ptr[i], 16, 2);
        }
    }
}

/* A label and its value: " from 00c0ffee". */
static inline void put_label_dec(writer *out, const char *label,
                                 uint64_t number)
{
    put(out, label);
    put_dec(out, number);
}

static inline void put_if_some(writer *out, const char *label, uint64_t number)
{
    if (number != 0) {
        put_label_dec(out, label, number);
    }
}

static inline void put_label_id(writer *out, const char *label, uint64_t id)
{
    put(out, label);
    put_id(out, id);
}

static inline void put_label_bytes(writer *out, const char *label,
                                   chd_bytes bytes)
{
    put(out, label);
    put_bytes(out, bytes);
}

static inline void put_label_bool(writer *out, const char *label, bool truth)
{
    put(out, label);
    put(out, truth ? "yes" : "no");
}

static inline void put_count(writer *out, uint64_t count)
{
    put_label_dec(out, " (", count);
    put(out, ")");
}

/* What both protocols have: the highest and lowest version, "[fd00::1]:7420",
 * an event, a message's name (NULL: its number) and one that is broken. */
void chd_put_versions(writer *out, uint64_t min, uint64_t max);
void chd_put_endpoint(writer *out, const chd_endpoint *endpoint);
void chd_put_event(writer *out, const chd_event *event);
void chd_put_type(writer *out, const char *name, uint64_t type);
void chd_put_malformed(writer *out, chd_err err, size_t bytes);

#endif
