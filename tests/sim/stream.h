/* stream.h - the Unix socket between an application and its sidecar: reliable,
 * ordered, with a buffer that fills, and it ends when either side does.
 */
#ifndef CHD_TESTS_SIM_STREAM_H
#define CHD_TESTS_SIM_STREAM_H

#include "proto/base/bytes.h"

typedef struct sim_app sim_app;
typedef struct sim_node sim_node;

/* Bytes on their way in one direction. */
typedef struct sim_pipe {
    uint8_t *buf;
    size_t begin;
    size_t end;
    size_t cap;
} sim_pipe;

typedef struct sim_stream {
    struct sim_stream *next; /* of those that wait to be accepted */
    sim_app *app;            /* NULL: the application closed it   */
    sim_node *node;          /* NULL: the sidecar closed it       */
    uint32_t session;
    size_t cap;    /* of the kernel's buffer for each direction    */
    size_t unread; /* what the sidecar has not taken from it       */
    bool full;     /* the application waits for room               */
    /* SIM_CANARY_FLOOD */
    uint64_t sent_bytes;
    uint64_t sent_position;
    uint8_t applied[32]; /* a message to feed */
    size_t applied_len;
    sim_pipe to_node;
    sim_pipe to_app; /* with what the sidecar itself holds back    */
} sim_stream;

/* Connect; NULL when nobody listens. */
sim_stream *sim_stream_connect(sim_app *app, sim_node *node, size_t cap);

/* Write from the application's side; returns how much went in. */
size_t sim_stream_write(sim_stream *stream, chd_bytes bytes);

/* Append a frame on the sidecar's side. */
void sim_stream_frame(sim_stream *stream, chd_bytes message);

/* The sidecar takes what the kernel holds: there is room again. */
void sim_stream_read(sim_stream *stream);

/* Take the first whole message off a pipe; false when there is none.  message
 * borrows until the next append. */
bool sim_pipe_take(sim_pipe *pipe, chd_bytes *message);

static inline size_t sim_pipe_len(const sim_pipe *pipe)
{
    return pipe->end - pipe->begin;
}

/* Close one side; the last one frees the stream.  died: what the process held
 * back is lost. */
void sim_stream_close_app(sim_stream *stream);
void sim_stream_close_node(sim_stream *stream, bool died);

#endif
