/* pack.h - write msgpack into a buffer that cannot grow.
 *
 * A thin layer over msgpack-c's packer.  Running out of room is remembered and
 * reported once, at the end, so that encoders read as plain lists of fields.
 *
 * Owns:   nothing; the buffer is the caller's.
 */
#ifndef CHD_PROTO_WIRE_PACK_H
#define CHD_PROTO_WIRE_PACK_H

#include "proto/base/bytes.h"
#include "proto/base/err.h"

typedef struct chd_pack {
    uint8_t *buf;
    size_t cap;
    size_t len;    /* bytes written so far */
    bool overflow; /* something did not fit; nothing was written after that */
} chd_pack;

/* Start writing into buf, which has room for cap bytes. */
void chd_pack_init(chd_pack *pack, uint8_t *buf, size_t cap);

/* Write the header of an array; count values must follow. */
void chd_pack_array(chd_pack *pack, uint32_t count);

/* Write one value in its shortest format. */
void chd_pack_uint(chd_pack *pack, uint64_t value);
void chd_pack_bool(chd_pack *pack, bool value);
void chd_pack_str(chd_pack *pack, chd_bytes text);
void chd_pack_bin(chd_pack *pack, chd_bytes data);

/* Append bytes that are msgpack already. */
void chd_pack_raw(chd_pack *pack, chd_bytes encoded);

/* Open an array whose count is not known yet: writes a five-byte array 32
 * header and returns its offset for chd_pack_array_close. */
size_t chd_pack_array_open(chd_pack *pack);

/* Store the count of an array opened at offset. */
void chd_pack_array_close(chd_pack *pack, size_t offset, uint32_t count);

/* Likewise for an integer that is not known yet: nine bytes, uint 64. */
size_t chd_pack_uint_open(chd_pack *pack);
void chd_pack_uint_close(chd_pack *pack, size_t offset, uint64_t value);

/* Return what was written.  Valid only while !overflow. */
chd_bytes chd_pack_bytes(const chd_pack *pack);

/* Errors: CHD_ENOSPACE  something did not fit. */
chd_err chd_pack_result(const chd_pack *pack) CHD_MUST_USE;

#endif
