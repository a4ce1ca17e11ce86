/* footprint.h - take little memory, and give back what only the start, or the
 * joining of nodes, needed. */
#ifndef CHD_BROKER_FOOTPRINT_H
#define CHD_BROKER_FOOTPRINT_H

#include <stdbool.h>

/* Use one heap for all threads.  libzmq's I/O thread would get one of its own,
 * though it mostly frees what the loop allocated and the other way round.
 * Must come before the first thread is started. */
void chd_footprint_one_heap(void);

/* While nodes join, give what is larger than the pieces of libzmq's queues
 * pages of its own: the buffers of a connection hold less than they could, and
 * what many nodes need at once would leave holes in the heap.  Later that would
 * only cost time. */
void chd_footprint_joining(bool joining);

/* Drop the pages of programs and libraries that are only read.  Loading them
 * touches far more than running does: symbol tables, initialisers, libraries
 * of libraries.  What is used is mapped again at its next use, from the page
 * cache.  Nothing is lost: these pages are never written. */
void chd_footprint_trim(void);

#endif
