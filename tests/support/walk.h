/* walk.h - decode a message to the last byte, as a receiver would.
 *
 * What the codec accepts must then hold together: every list has as many
 * elements as it claims, walking it ends where it ends, and every borrowed
 * span lies within the message.  These functions abort where it does not, so
 * that fuzzers may call them too.
 */
#ifndef CHD_TESTS_SUPPORT_WALK_H
#define CHD_TESTS_SUPPORT_WALK_H

#include "proto/base/bytes.h"
#include "proto/base/err.h"

/* Decode a message and return what the codec said of it. */
chd_err walk_mesh(chd_bytes message) CHD_MUST_USE;
chd_err walk_local(chd_bytes message) CHD_MUST_USE;
chd_err walk_record(chd_bytes record) CHD_MUST_USE;

#endif
