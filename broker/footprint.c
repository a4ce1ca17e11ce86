#include "broker/footprint.h"

#include <link.h>
#include <malloc.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* 256 messages of libzmq are 16 KiB, and aligned. */
#define OWN_PAGES_JOINING (17 * 1024)
#define OWN_PAGES (4 * 1024 * 1024)

void chd_footprint_one_heap(void)
{
    (void)mallopt(M_ARENA_MAX, 1);
}

void chd_footprint_joining(bool joining)
{
    (void)mallopt(M_MMAP_THRESHOLD, joining ? OWN_PAGES_JOINING : OWN_PAGES);
}

static int trim_object(struct dl_phdr_info *object, size_t size, void *arg)
{
    const uintptr_t page = *(const uintptr_t *)arg;

    (void)size;
    for (size_t i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
        if (segment->p_type != PT_LOAD || (segment->p_flags & PF_W) != 0) {
            continue; /* what the loader relocated is in writable segments */
        }
        const uintptr_t from =
            (uintptr_t)object->dlpi_addr + (uintptr_t)segment->p_vaddr;
        const uintptr_t to = from + (uintptr_t)segment->p_memsz;
        const uintptr_t first = from / page * page;
        /* Only whole pages: the last one may be shared with data. */
        const uintptr_t last = to / page * page;
        if (last > first) {
            (void)madvise((void *)first, last - first, MADV_DONTNEED);
        }
    }
    return 0;
}

void chd_footprint_trim(void)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

    (void)malloc_trim(0);
    (void)dl_iterate_phdr(trim_object, &page);
}
