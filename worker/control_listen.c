/*
 * control_listen.c - listening sockets that came before the generation that knows their entry point. They come from the
 * guard by name and wait here; accepting is listener.c's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "shm/static_page.h"
#include "worker/control_inner.h"

struct waiting_socket {
    struct waiting_socket *next;
    int fd;
    struct socket_place place;
    char name[CONTROL_TEXT];
};

static bool entry_point_number(const struct generation *generation, const char *name, uint32_t *number)
{
    const struct page *page = generation->pages[PAGE_STATIC];

    for (uint32_t i = 0; i < entry_points_count(page); i++) {
        if (slice_eq(page_text(page, entry_points_at(page, i)->name), slice_cstr(name))) {
            *number = i;
            return true;
        }
    }
    return false;
}

void listening_begin(struct control *control)
{
    struct worker *worker = control->worker;

    for (struct waiting_socket **link = &control->waiting;
         *link && worker->generation && !control->stopping;) {
        struct waiting_socket *socket = *link;
        struct error why = {""};
        uint32_t number;

        if (!entry_point_number(worker->generation, socket->name, &number)) {
            link = &socket->next;
            continue;
        }
        *link = socket->next;
        if (serve_listen(worker, socket->fd, number, socket->name, socket->place, &why) < 0) {
            log_error("Cannot accept: %s", why.text);
        }
        free(socket);
    }
}

void listening_add(struct control *control, const struct control_message *message, int fd)
{
    struct waiting_socket *socket = xcalloc(1, sizeof(*socket)), **last = &control->waiting;

    socket->fd = fd;
    socket->place = (struct socket_place){.set = message->number, .slot = message->worker};
    (void)snprintf(socket->name, sizeof(socket->name), "%s", message->text);
    while (*last) {
        last = &(*last)->next;
    }
    *last = socket;
    listening_begin(control);
}

void listening_drop(struct control *control, struct socket_place asked)
{
    for (struct waiting_socket **link = &control->waiting; *link;) {
        struct waiting_socket *socket = *link;

        if (!socket_is_meant(socket->place, asked)) {
            link = &socket->next;
            continue;
        }
        *link = socket->next;
        close(socket->fd);
        free(socket);
    }
}
