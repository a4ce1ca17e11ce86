#include "proto/core/recent.h"

#include <string.h>

#define WAYS 8u
#define LINE_BYTES (WAYS * sizeof(chd_recent_place))

_Static_assert(LINE_BYTES == CHD_LINE_BYTES, "eight places fill a line");

chd_err chd_recent_new(size_t count, const chd_mem *mem, chd_recent *recent)
{
    CHD_ASSERT(count >= WAYS && count <= UINT32_MAX);
    recent->line_count = (uint32_t)(count / WAYS);
    recent->memory = chd_zalloc(mem, recent->line_count + 1, LINE_BYTES);
    if (recent->memory == NULL) {
        return CHD_ENOMEM;
    }
    const uintptr_t past = (uintptr_t)recent->memory % LINE_BYTES;
    recent->places =
        (chd_recent_place *)(void *)((uint8_t *)recent->memory +
                                     (LINE_BYTES - past) % LINE_BYTES);
    return CHD_OK;
}

void chd_recent_destroy(const chd_mem *mem, chd_recent *recent)
{
    chd_free(mem, recent->memory);
    recent->memory = NULL;
}

static chd_recent_place *line_of(const chd_recent *recent, uint32_t hash)
{
    const uint64_t line = (uint64_t)hash * recent->line_count >> 32;
    return recent->places + line * WAYS;
}

void chd_recent_add(chd_recent *recent, uint32_t hash, uint32_t ref)
{
    chd_recent_place *line = line_of(recent, hash);

    memmove(line + 1, line, LINE_BYTES - sizeof(*line));
    line[0] = (chd_recent_place){hash, ref};
}

void chd_recent_move(chd_recent *recent, uint32_t hash, uint32_t from,
                     uint32_t to)
{
    chd_recent_place *line = line_of(recent, hash);

    for (uint32_t i = 0; i < WAYS; i++) {
        if (line[i].ref == from) {
            line[i].ref = to;
            return;
        }
    }
}

void chd_recent_remove(chd_recent *recent, uint32_t hash, uint32_t ref)
{
    chd_recent_move(recent, hash, ref, 0);
}

void chd_recent_forget(chd_recent *recent, uint32_t begin, uint32_t end)
{
    const size_t count = (size_t)recent->line_count * WAYS;

    for (size_t i = 0; i < count; i++) {
        if (recent->places[i].ref - begin < end - begin) {
            recent->places[i].ref = 0;
        }
    }
}

uint32_t chd_recent_next(const chd_recent *recent, uint32_t hash, uint32_t *at)
{
    const chd_recent_place *line = line_of(recent, hash);

    while (*at < WAYS) {
        const chd_recent_place *place = &line[(*at)++];
        if (place->hash == hash && place->ref != 0) {
            return place->ref;
        }
    }
    return 0;
}

void chd_recent_expect(const chd_recent *recent, uint32_t hash)
{
    CHD_PREFETCH_WRITE(line_of(recent, hash));
}
