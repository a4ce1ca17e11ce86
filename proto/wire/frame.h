/* frame.h - cut the byte stream of the local socket into messages.
 *
 *   frame = length (4 bytes, network order, 1..CHD_FRAME_BYTES_MAX) message
 */
#ifndef CHD_PROTO_WIRE_FRAME_H
#define CHD_PROTO_WIRE_FRAME_H

#include "proto/base/bytes.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"

#define CHD_FRAME_PREFIX_BYTES 4

/* Write the four bytes of a length, 1..CHD_FRAME_BYTES_MAX. */
void chd_frame_put_length(uint8_t prefix[CHD_FRAME_PREFIX_BYTES], size_t len);

/* Take the first message off stream.
 *
 * On CHD_OK *message borrows from *stream, which then begins behind it; when
 * the message is not complete yet, *message is empty and *stream unchanged.
 *
 * Errors: CHD_ELENGTH  the length is 0 or above the limit: close the stream.
 */
chd_err chd_frame_next(chd_bytes *stream, chd_bytes *message) CHD_MUST_USE;

#endif
