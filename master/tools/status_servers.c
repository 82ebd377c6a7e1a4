/*
 * status_servers.c - the servers that do not get their whole share: which ones, of which service, and why.
 *
 * Who they are stands on the sealed pages of services, which the master keeps open: they are looked at through /proc, as the
 * board is. How they are stands on the board. Without a master nobody has the pages, so nothing can be said.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "master/tools/status.h"
#include "shm/services.h"

#define PAGE_LINK "/memfd:weir-services"

struct found {
    struct page *pages[PAGE_SERVICES_MOST]; /* by place */
    uint32_t shift, count;                  /* how they are cut */
};

static const struct services_root *root_of(const struct page *page)
{
    return page_root(page);
}

/* ---- the pages ---- */

static struct page *adopt(int folder, const char *name)
{
    char link[64];
    ssize_t len = readlinkat(folder, name, link, sizeof(link) - 1);
    struct page *page = NULL;
    struct error ignored;
    int fd;

    if (len <= 0 || strncmp(link, PAGE_LINK, strlen(PAGE_LINK)) != 0 ||
        (fd = openat(folder, name, O_RDONLY | O_CLOEXEC)) == -1) {
        return NULL;
    }
    if (page_adopt(fd, PAGE_SERVICES, &page, &ignored) == 0 && services_check(page, &ignored) < 0) {
        page_unref(page);
        page = NULL;
    }
    close(fd);
    return page;
}

/* The one before is kept too: of each place the newest counts, and of those that are cut in another way the newest way. */
static void keep(struct found *found, struct page *page, uint64_t *newest)
{
    const struct services_root *root = root_of(page);
    struct page **place;

    bool same = root->shift == found->shift && root->pages == found->count;

    if (page_number(page) > *newest && !same) {
        for (size_t i = 0; i < PAGE_SERVICES_MOST; i++) {
            page_unref(found->pages[i]);
            found->pages[i] = NULL;
        }
        found->shift = root->shift;
        found->count = root->pages;
        same = true;
    }
    *newest = page_number(page) > *newest ? page_number(page) : *newest;
    place = same && root->first >> root->shift < PAGE_SERVICES_MOST
                ? &found->pages[root->first >> root->shift]
                : NULL;
    if (place == NULL || (*place && page_number(*place) > page_number(page))) {
        page_unref(page);
        return;
    }
    page_unref(*place);
    *place = page;
}

static bool find_pages(pid_t master, struct found *found)
{
    uint64_t newest = 0;
    struct dirent *entry;
    char path[64];
    DIR *folder;

    *found = (struct found){.shift = UINT32_MAX};
    (void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)master);
    folder = opendir(path);
    while (folder && (entry = readdir(folder)) != NULL) {
        struct page *page = adopt(dirfd(folder), entry->d_name);

        if (page) {
            keep(found, page, &newest);
        }
    }
    if (folder) {
        (void)closedir(folder);
    }
    return found->pages[0] != NULL;
}

/* ---- the servers ---- */

static void text_of(char out[BOARD_TEXT], struct slice text)
{
    (void)snprintf(out, BOARD_TEXT, "%.*s", SLICE_ARG(slice_head(text, BOARD_TEXT - 1)));
    for (char *at = out; *at; at++) {
        if ((unsigned char)*at < ' ' || *at == 0x7f) {
            *at = '?';
        }
    }
}

/* False: it takes all that is meant for it. */
static bool judge(struct board *board, const struct service *service, const struct server *server,
                  int64_t now_ns, struct status_server *out)
{
    _Atomic uint64_t *word = server->health.slot ? board_at(board, server->health) : NULL;
    uint64_t health = word ? atomic_load_explicit(word, memory_order_relaxed) : HEALTH_UP;
    double part;

    out->left = NEVER;
    out->percent = 0;
    if (server->addresses.count == 0) {
        out->why = SERVER_NAMELESS;
    } else if (health == HEALTH_DOWN) {
        out->why = SERVER_DOWN;
    } else if (health != HEALTH_UP && health > (uint64_t)now_ns) {
        out->why = SERVER_OUT;
        out->left = health - (uint64_t)now_ns < INT64_MAX ? (int64_t)(health - (uint64_t)now_ns) : NEVER;
    } else if ((part = services_server_part(board, server, service->slow_start, now_ns)) < 1) {
        out->why = SERVER_SLOW;
        out->left = (int64_t)((double)service->slow_start * (1 - part));
        out->percent = (unsigned)(part * 100);
    } else {
        return false;
    }
    return true;
}

static void look(struct board *board, const struct page *page, int64_t now_ns, struct status *status)
{
    const struct service *services = page_at(page, root_of(page)->services.items);

    for (size_t i = 0; i < root_of(page)->services.count; i++) {
        const struct server *servers = page_at(page, services[i].servers.items);

        for (size_t k = 0; k < services[i].servers.count; k++) {
            struct status_server one;

            if (!judge(board, &services[i], &servers[k], now_ns, &one)) {
                continue;
            }
            if (status->server_count < STATUS_SERVERS) {
                text_of(one.service, page_text(page, services[i].name));
                text_of(one.url, page_text(page, servers[k].url));
                status->servers[status->server_count++] = one;
            }
            status->server_all++;
        }
    }
}

void status_servers(struct board *board, int64_t now_ns, struct status *status)
{
    struct found found;

    status->servers_known = status->master.pid != 0 && find_pages(status->master.pid, &found);
    for (size_t i = 0; status->servers_known && i < PAGE_SERVICES_MOST && found.pages[i]; i++) {
        look(board, found.pages[i], now_ns, status);
    }
    for (size_t i = 0; status->servers_known && i < PAGE_SERVICES_MOST; i++) {
        page_unref(found.pages[i]);
    }
}

const char *status_server_why(enum status_why why)
{
    static const char *const names[] = {[SERVER_DOWN] = "down",
                                        [SERVER_OUT] = "out",
                                        [SERVER_SLOW] = "slowStart",
                                        [SERVER_NAMELESS] = "noAddress"};

    return names[why];
}
