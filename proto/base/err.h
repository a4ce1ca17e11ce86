/* err.h - every error an internal function can return, from one table.
 *
 * The caller asks for the class of an error (whose fault it is), rarely for
 * the code.  Overload is not an error: it has a documented answer.
 *
 * Thread: all functions are pure.
 */
#ifndef CHD_PROTO_BASE_ERR_H
#define CHD_PROTO_BASE_ERR_H

#include "proto/base/base.h"

/* X(name, fault class, text) */
#define CHD_ERR_TABLE(X)                                                       \
    X(OK, NONE, "no error")                                                    \
    X(ENOMEM, MACHINE, "out of memory")                                        \
    X(ENOSPACE, OURS, "the buffer is too small for this")                      \
    X(ELIMIT, OURS, "a value is outside its allowed range")                    \
    X(ETRUNCATED, PEER, "the message ends too early")                          \
    X(ETYPE, PEER, "a field has the wrong type")                               \
    X(ERANGE, PEER, "a field is outside its allowed range")                    \
    X(ELENGTH, PEER, "a string or array has a length that is not allowed")     \
    X(EDEPTH, PEER, "arrays are nested too deeply")                            \
    X(EUTF8, PEER, "a text field is not valid UTF-8")                          \
    X(ETOPIC, PEER, "the topic is not valid")                                  \
    X(EORDER, PEER, "sequence numbers do not increase")                        \
    X(EVERSION, PEER, "no common protocol version")                            \
    X(ECLUSTER, PEER, "the message belongs to another cluster")                \
    X(EUNKNOWN, PEER, "the message type is not known")                         \
    X(ESTATE, PEER, "the message is not allowed in this state")                \
    X(EFULL, OURS, "a table is full")

typedef enum chd_err {
#define CHD_ERR_ENUM(name, fault, text) CHD_##name,
    CHD_ERR_TABLE(CHD_ERR_ENUM)
#undef CHD_ERR_ENUM
        CHD_ERR_COUNT
} chd_err;

/* Return the text of an error: static, never NULL, no trailing period. */
const char *chd_err_text(chd_err err);

/* Return the name of an error as it stands in the table ("ETOPIC"). */
const char *chd_err_name(chd_err err);

/* Tell whether the bytes or behaviour of the other side caused the error. */
bool chd_err_is_peer_fault(chd_err err);

#endif
