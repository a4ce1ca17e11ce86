/* scan.h - read msgpack from bytes that nobody vouches for.
 *
 * A pull reader over a borrowed span: it allocates nothing, follows no length
 * beyond the span, and nests no deeper than CHD_DEPTH_MAX.  msgpack-c's own
 * unpacker reserves gigabytes for five hostile bytes, so it never sees input.
 *
 * The first error sticks: later reads return zeros and change nothing, so that
 * decoders read as plain lists of fields and test once.
 *
 * Owns:   nothing; results borrow from the span.
 */
#ifndef CHD_PROTO_WIRE_SCAN_H
#define CHD_PROTO_WIRE_SCAN_H

#include "proto/base/bytes.h"
#include "proto/base/err.h"

/* After an error at is end, so that later reads find nothing. */
typedef struct chd_scan {
    const uint8_t *at; /* the next byte */
    const uint8_t *end;
    chd_err err; /* the first error */
} chd_scan;

/* Start reading bytes. */
static inline void chd_scan_init(chd_scan *scan, chd_bytes bytes)
{
    /* NULL + 0 is not defined in C. */
    scan->at = bytes.ptr;
    scan->end = bytes.len > 0 ? bytes.ptr + bytes.len : bytes.ptr;
    scan->err = CHD_OK;
}

/* Fail with err, unless something failed before. */
void chd_scan_fail(chd_scan *scan, chd_err err);

/* Return how many bytes are left: 0 after an error. */
static inline size_t chd_scan_left(const chd_scan *scan)
{
    return (size_t)(scan->end - scan->at);
}

/* Return the bytes read since at, a former value of scan->at.  They mean
 * something only while there was no error. */
static inline chd_bytes chd_scan_since(const chd_scan *scan, const uint8_t *at)
{
    return (chd_bytes){at, (size_t)(scan->at - at)};
}

/* Read an array header and return its count, at most count_max.
 *
 * Sets:   CHD_ELENGTH when it is longer than that, or than the bytes left can
 *         hold.
 */
uint32_t chd_scan_array(chd_scan *scan, uint32_t count_max);

/* What chd_scan_uint does with numbers of more than one byte. */
uint64_t chd_scan_number(chd_scan *scan, uint64_t max);

/* Read an unsigned integer of any width, up to max.
 *
 * Sets:   CHD_ERANGE when it is above max or negative.
 */
static inline uint64_t chd_scan_uint(chd_scan *scan, uint64_t max)
{
    /* Most numbers are small, and then their format is the number. */
    return scan->at != scan->end && *scan->at < 0x80 && *scan->at <= max
               ? *scan->at++
               : chd_scan_number(scan, max);
}

/* Read a boolean. */
bool chd_scan_bool(chd_scan *scan);

/* Read text of at most len_max bytes.  Sets: CHD_EUTF8 when it is not valid
 * UTF-8 or holds a control character (below U+0020, or U+007F). */
chd_bytes chd_scan_str(chd_scan *scan, size_t len_max);

/* Read binary data of at most len_max bytes. */
chd_bytes chd_scan_bin(chd_scan *scan, size_t len_max);

/* Step over one value of any type, whatever is nested in it.
 *
 * Sets:   CHD_EDEPTH when it nests arrays and maps deeper than CHD_DEPTH_MAX,
 *         itself included; CHD_ETYPE for the byte 0xc1; CHD_ELENGTH when one
 *         claims more elements than the bytes left can hold.
 */
void chd_scan_skip(chd_scan *scan);

/* Step over the fields that a newer release may have added: count is what the
 * array header said, known what was read.
 *
 * Sets:   CHD_ETRUNCATED when there were fewer than known.
 */
void chd_scan_rest(chd_scan *scan, uint32_t count, uint32_t known);

/* Finish: the first error, or CHD_ELENGTH when bytes are left over. */
chd_err chd_scan_end(chd_scan *scan) CHD_MUST_USE;

#endif
