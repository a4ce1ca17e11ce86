#include "proto/base/mem.h"

void *chd_zalloc(const chd_mem *mem, size_t count, size_t bytes)
{
    if (mem == NULL) {
        return calloc(count, bytes);
    }
    return mem->zalloc(mem->arg, count, bytes);
}

void chd_free(const chd_mem *mem, void *ptr)
{
    if (mem == NULL) {
        free(ptr);
        return;
    }
    mem->free(mem->arg, ptr);
}
