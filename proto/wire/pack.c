#include "proto/wire/pack.h"

#include <msgpack.h>

enum { ARRAY32 = 0xdd, UINT64 = 0xcf };

void chd_pack_init(chd_pack *pack, uint8_t *buf, size_t cap)
{
    *pack = (chd_pack){.buf = buf, .cap = cap};
}

/* msgpack-c's write callback: -1 stops the packer. */
static int write_bytes(void *data, const char *bytes, size_t len)
{
    chd_pack *pack = data;

    if (pack->overflow || len > pack->cap - pack->len) {
        pack->overflow = true;
        return -1;
    }
    if (len > 0) {
        memcpy(pack->buf + pack->len, bytes, len);
        pack->len += len;
    }
    return 0;
}

static msgpack_packer packer_of(chd_pack *pack)
{
    msgpack_packer packer;
    msgpack_packer_init(&packer, pack, write_bytes);
    return packer;
}

void chd_pack_array(chd_pack *pack, uint32_t count)
{
    msgpack_packer packer = packer_of(pack);
    (void)msgpack_pack_array(&packer, count);
}

void chd_pack_uint(chd_pack *pack, uint64_t value)
{
    msgpack_packer packer = packer_of(pack);
    (void)msgpack_pack_uint64(&packer, value);
}

void chd_pack_bool(chd_pack *pack, bool value)
{
    msgpack_packer packer = packer_of(pack);
    (void)(value ? msgpack_pack_true(&packer) : msgpack_pack_false(&packer));
}

/* Tell whether a string can fit, before its header is written; a length
 * beyond 32 bits cannot, and msgpack-c would cut it. */
static bool has_room(chd_pack *pack, size_t len)
{
    if (len > pack->cap - pack->len || len > UINT32_MAX) {
        pack->overflow = true;
    }
    return !pack->overflow;
}

void chd_pack_str(chd_pack *pack, chd_bytes text)
{
    if (has_room(pack, text.len)) {
        msgpack_packer packer = packer_of(pack);
        (void)msgpack_pack_str(&packer, text.len);
        chd_pack_raw(pack, text);
    }
}

void chd_pack_bin(chd_pack *pack, chd_bytes data)
{
    if (has_room(pack, data.len)) {
        msgpack_packer packer = packer_of(pack);
        (void)msgpack_pack_bin(&packer, data.len);
        chd_pack_raw(pack, data);
    }
}

void chd_pack_raw(chd_pack *pack, chd_bytes encoded)
{
    (void)write_bytes(pack, (const char *)encoded.ptr, encoded.len);
}

/* Store number in network order. */
static void store(uint8_t *at, uint64_t number, size_t width)
{
    for (size_t i = width; i > 0; i--) {
        at[i - 1] = (uint8_t)number;
        number >>= 8;
    }
}

/* Write a number behind its first byte, for a value that changes later: in
 * its widest format, however small it is now. */
static size_t open_number(chd_pack *pack, uint8_t first, size_t width)
{
    const uint8_t bytes[9] = {first};
    const size_t offset = pack->len;

    chd_pack_raw(pack, chd_bytes_of(bytes, 1 + width));
    return offset;
}

static void close_number(chd_pack *pack, size_t offset, uint64_t number,
                         size_t width)
{
    if (!pack->overflow) {
        CHD_ASSERT(offset < pack->len && width < pack->len - offset);
        store(pack->buf + offset + 1, number, width);
    }
}

size_t chd_pack_array_open(chd_pack *pack)
{
    return open_number(pack, ARRAY32, 4);
}

void chd_pack_array_close(chd_pack *pack, size_t offset, uint32_t count)
{
    close_number(pack, offset, count, 4);
}

size_t chd_pack_uint_open(chd_pack *pack)
{
    return open_number(pack, UINT64, 8);
}

void chd_pack_uint_close(chd_pack *pack, size_t offset, uint64_t value)
{
    close_number(pack, offset, value, 8);
}

chd_bytes chd_pack_bytes(const chd_pack *pack)
{
    return chd_bytes_of(pack->buf, pack->len);
}

chd_err chd_pack_result(const chd_pack *pack)
{
    return pack->overflow ? CHD_ENOSPACE : CHD_OK;
}
