#include "proto/wire/frame.h"

void chd_frame_put_length(uint8_t prefix[CHD_FRAME_PREFIX_BYTES], size_t len)
{
    CHD_ASSERT(len > 0 && len <= CHD_FRAME_BYTES_MAX);
    for (size_t i = CHD_FRAME_PREFIX_BYTES; i > 0; i--) {
        prefix[i - 1] = (uint8_t)len;
        len >>= 8;
    }
}

chd_err chd_frame_next(chd_bytes *stream, chd_bytes *message)
{
    size_t len = 0;

    *message = (chd_bytes){NULL, 0};
    if (stream->len < CHD_FRAME_PREFIX_BYTES) {
        return CHD_OK;
    }
    for (size_t i = 0; i < CHD_FRAME_PREFIX_BYTES; i++) {
        len = len << 8 | stream->ptr[i];
    }
    /* Judged before the message is there: nobody should wait for, or make
     * room for, what will be refused. */
    if (len == 0 || len > CHD_FRAME_BYTES_MAX) {
        return CHD_ELENGTH;
    }
    if (stream->len - CHD_FRAME_PREFIX_BYTES < len) {
        return CHD_OK;
    }
    *message = chd_bytes_of(stream->ptr + CHD_FRAME_PREFIX_BYTES, len);
    stream->ptr += CHD_FRAME_PREFIX_BYTES + len;
    stream->len -= CHD_FRAME_PREFIX_BYTES + len;
    return CHD_OK;
}
