#include "proto/core/out.h"

#include "proto/base/limits.h"

chd_err chd_out_new(const chd_mem *mem, chd_out **out)
{
    chd_out *made = chd_zalloc(mem, 1, sizeof(*made));

    *out = NULL;
    if (made == NULL) {
        return CHD_ENOMEM;
    }
    made->mem = mem;
    made->actions = chd_zalloc(mem, CHD_OUT_ACTIONS_MAX, sizeof(chd_action));
    made->arena = chd_zalloc(mem, CHD_OUT_BYTES_MAX, 1);
    if (made->actions == NULL || made->arena == NULL) {
        chd_out_destroy(&made);
        return CHD_ENOMEM;
    }
    *out = made;
    return CHD_OK;
}

void chd_out_destroy(chd_out **out)
{
    if (*out == NULL) {
        return;
    }
    const chd_mem *mem = (*out)->mem;
    chd_free(mem, (*out)->actions);
    chd_free(mem, (*out)->arena);
    chd_free(mem, *out);
    *out = NULL;
}

void chd_out_clear(chd_out *out)
{
    out->count = 0;
    out->used = 0;
}

bool chd_out_has_room(const chd_out *out, size_t actions, size_t bytes)
{
    return CHD_OUT_ACTIONS_MAX - out->count >= actions &&
           CHD_OUT_BYTES_MAX - out->used >= bytes;
}

chd_pack chd_out_pack(chd_out *out, size_t bytes_max)
{
    chd_pack pack;
    const size_t room = CHD_OUT_BYTES_MAX - out->used;

    chd_pack_init(&pack, out->arena + out->used, chd_min_size(room, bytes_max));
    return pack;
}

chd_bytes chd_out_keep(chd_out *out, const chd_pack *pack)
{
    CHD_ASSERT(!pack->overflow);
    CHD_ASSERT(pack->buf == out->arena + out->used);
    out->used += pack->len;
    return chd_pack_bytes(pack);
}

chd_action *chd_out_add(chd_out *out, chd_action_kind kind)
{
    CHD_ASSERT(out->count < CHD_OUT_ACTIONS_MAX);
    chd_action *action = &out->actions[out->count++];
    memset(action, 0, sizeof(*action));
    action->kind = kind;
    return action;
}

void chd_out_trace(chd_out *out, const chd_trace *trace)
{
    if (!chd_out_has_room(out, 1 + CHD_OUT_ACTIONS_RESERVE,
                          trace->text.len + CHD_OUT_BYTES_RESERVE)) {
        return;
    }
    chd_action *action = chd_out_add(out, CHD_ACT_TRACE);
    action->trace = *trace;
    if (trace->text.len > 0) {
        memcpy(out->arena + out->used, trace->text.ptr, trace->text.len);
        action->trace.text =
            chd_bytes_of(out->arena + out->used, trace->text.len);
        out->used += trace->text.len;
    }
}
