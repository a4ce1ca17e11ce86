/* zsocket.h - one ZeroMQ socket of the mesh, with every option it needs.
 *
 * Units:  times in the options are milliseconds, as libzmq wants them.
 * Thread: the loop's alone.
 */
#ifndef CHD_BROKER_ZSOCKET_H
#define CHD_BROKER_ZSOCKET_H

#include "broker/address.h"
#include "broker/log.h"
#include "broker/poll.h"

/* "tcp://" and an endpoint. */
#define CHD_ZENDPOINT_MAX (CHD_ADDRESS_TEXT_MAX + 8)

struct _zsock_t;

typedef struct chd_zsocket {
    chd_watch watch;
    struct _zsock_t *sock;
    void *handle; /* of sock, for libzmq's own calls               */
    bool ready;   /* something may be waiting; see mesh.h on ZMQ_FD */
    bool touched; /* a call since then may have used up the news    */
} chd_zsocket;

/* Start libzmq: once, before the first socket. */
void chd_zsocket_library_init(void);

/* End libzmq, after the last socket is closed. */
void chd_zsocket_library_fini(void);

/* Create a socket of a ZMQ_... type with the options of that type, and watch
 * it.  False when libzmq has none left: then errno says why, and closing the
 * socket is still right. */
bool chd_zsocket_open(chd_zsocket *socket, int type, chd_poll *poll);

/* Stop watching and close; a socket that is zeroed or closed is left alone. */
void chd_zsocket_close(chd_zsocket *socket, chd_poll *poll);

/* Bind to endpoint, its port moved up by port_add.  False when that fails: the
 * log says why and what to do. */
bool chd_zsocket_bind(const chd_zsocket *socket, const chd_endpoint *endpoint,
                      uint16_t port_add, chd_logger *logger);

/* Find out whether a message can be read, and let libzmq do what it put off:
 * ready tells it, untouched.  Costs system calls. */
void chd_zsocket_ask(chd_zsocket *socket);

/* Write the text by which libzmq knows endpoint, its port moved up. */
void chd_zsocket_endpoint(const chd_endpoint *endpoint, uint16_t port_add,
                          char text[CHD_ZENDPOINT_MAX]);

#endif
