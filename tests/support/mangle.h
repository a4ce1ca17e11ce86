/* mangle.h - damage a message in every simple way, and read the results.
 *
 * Each damaged copy lies in a block of exactly its size, so that the address
 * sanitizer sees every byte read beyond it.  The readers are those of walk.h:
 * they abort when what they accept does not hold together.
 */
#ifndef CHD_TESTS_SUPPORT_MANGLE_H
#define CHD_TESTS_SUPPORT_MANGLE_H

#include "proto/base/bytes.h"
#include "proto/base/err.h"

typedef chd_err (*mangle_reader)(chd_bytes message);

/* Read message at every length short of its own.  Returns the first length
 * that was accepted, or message.len when none was. */
size_t mangle_truncate(chd_bytes message, mangle_reader read);

/* Read message with each byte changed to many values in turn, and with random
 * changes.  Returns how many copies were read. */
size_t mangle_change(chd_bytes message, mangle_reader read);

#endif
