/* mem.h - where the constructors of proto/ get their memory from.
 *
 * Only constructors allocate; nothing else in proto/ does.  Memory is zeroed
 * by the allocator, so that large tables cost address space and not pages
 * until they are used.
 *
 * Owns:   a chd_mem is borrowed by the object it was given to and must
 *         outlive it.  NULL stands for the C library.
 */
#ifndef CHD_PROTO_BASE_MEM_H
#define CHD_PROTO_BASE_MEM_H

#include "proto/base/base.h"

typedef struct chd_mem {
    void *(*zalloc)(void *arg, size_t count,
                    size_t bytes);      /* NULL on failure */
    void (*free)(void *arg, void *ptr); /* NULL is allowed */
    void *arg;
} chd_mem;

/* Allocate count zeroed elements of bytes each; NULL when out of memory. */
void *chd_zalloc(const chd_mem *mem, size_t count, size_t bytes) CHD_MUST_USE;

/* Give memory back; ptr may be NULL. */
void chd_free(const chd_mem *mem, void *ptr);

#endif
