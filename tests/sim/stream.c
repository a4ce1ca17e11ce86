#include "tests/sim/stream.h"

#include <string.h>

#include "proto/wire/frame.h"
#include "tests/sim/world.h"

static void pipe_append(sim_pipe *pipe, chd_bytes bytes)
{
    if (pipe->begin == pipe->end) {
        pipe->begin = pipe->end = 0;
    }
    if (pipe->end + bytes.len > pipe->cap) {
        if (pipe->begin > 0) {
            memmove(pipe->buf, pipe->buf + pipe->begin, sim_pipe_len(pipe));
            pipe->end -= pipe->begin;
            pipe->begin = 0;
        }
        while (pipe->end + bytes.len > pipe->cap) {
            pipe->cap = pipe->cap == 0 ? 4096 : 2 * pipe->cap;
        }
        pipe->buf = realloc(pipe->buf, pipe->cap);
        CHD_ASSERT(pipe->buf != NULL);
    }
    memcpy(pipe->buf + pipe->end, bytes.ptr, bytes.len);
    pipe->end += bytes.len;
}

bool sim_pipe_take(sim_pipe *pipe, chd_bytes *message)
{
    const size_t len = sim_pipe_len(pipe);

    if (len == 0) {
        return false;
    }
    chd_bytes stream = chd_bytes_of(pipe->buf + pipe->begin, len);
    *message = (chd_bytes){NULL, 0};
    if (chd_frame_next(&stream, message) != CHD_OK || message->len == 0) {
        return false;
    }
    pipe->begin = pipe->end - stream.len;
    return true;
}

sim_stream *sim_stream_connect(sim_app *app, sim_node *node, size_t cap)
{
    if (!node->running || node->stopped) {
        return NULL;
    }
    sim_stream *stream = calloc(1, sizeof(*stream));
    CHD_ASSERT(stream != NULL);
    stream->app = app;
    stream->node = node;
    stream->cap = cap;

    sim_stream **at = &node->waiting;
    while (*at != NULL) {
        at = &(*at)->next;
    }
    *at = stream;
    sim_node_wake(node);
    return stream;
}

size_t sim_stream_write(sim_stream *stream, chd_bytes bytes)
{
    if (stream->node == NULL) {
        return bytes.len; /* nobody will read it; the end is seen soon */
    }
    const size_t room = stream->cap - stream->unread;
    const size_t len = bytes.len < room ? bytes.len : room;

    stream->full = len < bytes.len;
    if (len > 0) {
        pipe_append(&stream->to_node, chd_bytes_of(bytes.ptr, len));
        stream->unread += len;
        sim_node_wake(stream->node);
    }
    return len;
}

void sim_stream_read(sim_stream *stream)
{
    stream->unread = 0;
    if (stream->full && stream->app != NULL) {
        stream->full = false;
        sim_app_wake(stream->app);
    }
}

void sim_stream_frame(sim_stream *stream, chd_bytes message)
{
    uint8_t prefix[CHD_FRAME_PREFIX_BYTES];

    if (stream->app == NULL) {
        return;
    }
    chd_frame_put_length(prefix, message.len);
    pipe_append(&stream->to_app, chd_bytes_of(prefix, sizeof(prefix)));
    pipe_append(&stream->to_app, message);
    sim_app_wake(stream->app);
}

static void free_stream(sim_stream *stream)
{
    free(stream->to_node.buf);
    free(stream->to_app.buf);
    free(stream);
}

void sim_stream_close_app(sim_stream *stream)
{
    stream->app = NULL;
    if (stream->node == NULL) {
        free_stream(stream);
        return;
    }
    sim_node_wake(stream->node);
}

void sim_stream_close_node(sim_stream *stream, bool died)
{
    stream->node = NULL;
    if (stream->app == NULL) {
        free_stream(stream);
        return;
    }
    /* What the kernel has it delivers. */
    if (died && sim_pipe_len(&stream->to_app) > stream->cap) {
        stream->to_app.end = stream->to_app.begin + stream->cap;
    }
    sim_app_wake(stream->app);
}
