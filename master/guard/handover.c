/*
 * handover.c - what the guard knows, in words, for the program that takes its place (upgrade.c).
 *
 * A memfd of lines, because the next build may know other structures; its first line carries the version of this
 * language. Descriptors are numbers that stay open over execve(). The reader believes nothing: numbers are in range and
 * sockets are sockets that listen, or the whole is refused (the self-test reads the same words before anything is at
 * stake).
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/process.h"
#include "master/guard/guard.h"
#include "shm/page.h"

#define FIRST_LINE "weir-handover 2\n"
#define LINE_MOST (CONTROL_TEXT + 128)

/* ---- writing ---- */
static void write_kept(FILE *out, const struct kept *kept)
{
    if (kept == NULL) {
        return;
    }
    write_kept(out, kept->next); /* the last one first: reading puts each in front */
    (void)fprintf(out, "kept %" PRIu64 " %d %d %d %s\n", kept->id, kept->shared, kept->leaving_ns != 0,
                  kept->let_go_ns != 0, kept->name);
    for (unsigned i = 0; i < kept->count; i++) {
        (void)fprintf(out, "socket %u %d\n", kept->order[i], kept->fds[kept->order[i]]);
    }
}

static void write_shards(FILE *out, const struct guard *guard)
{
    for (const struct sharded *set = guard->sharded; set; set = set->next) {
        (void)fprintf(out, "udp %" PRIu64 " %s\n", set->id, set->name);
        for (unsigned i = 0; i < UDP_SHARDS; i++) {
            const struct shard *shard = &set->shards[i];

            if (shard->fd != -1) {
                (void)fprintf(out, "shard %u %d %d %d %d\n", i, shard->fd, shard->lane, shard->owner,
                              (int)shard->owner_pid);
            }
        }
    }
}

static void write_slots(FILE *out, const struct guard *guard)
{
    for (unsigned slot = 0; slot < guard->slots; slot++) {
        const struct child *worker = &guard->workers[slot];

        /* The seventh was added later, as with counts. */
        (void)fprintf(out, "worker %u %d %d %d %d %d %d\n", slot, (int)worker->pid, worker->out.channel,
                      worker->lent_to, worker->retire_ns != 0, worker->let_go_ns != 0, worker->has_master);
    }
    for (const struct old_child *old = guard->old; old; old = old->next) {
        (void)fprintf(out, "old %d %d %" PRIu64 " %" PRId64 "\n", (int)old->pid, old->channel, old->set,
                      old->since_ns);
    }
}

/* Once ready, ready: also over the moment in which a new master has nothing yet. */
static bool is_ready(const struct guard *guard)
{
    return guard->was_ready || (guard->board && life_get(&board_master(guard->board)->ready_ns) != 0);
}

int handover_write(const struct guard *guard, struct error *why)
{
    int fd = memfd_create("weir-handover", MFD_CLOEXEC);
    int copy = fd == -1 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 16);
    FILE *out = copy == -1 ? NULL : fdopen(copy, "w");

    if (out == NULL) {
        int rc = error_set(why, -errno, "no memory for the hand-over: %s", strerror(errno));

        if (copy != -1) {
            close(copy);
        }
        if (fd != -1) {
            close(fd);
        }
        return rc;
    }
    (void)fprintf(out, FIRST_LINE "build %" PRIx64 "\n", build_id());
    /* What stands behind the fourth was added later: builds that do not know it read over it. */
    (void)fprintf(out, "counts %u %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRId64 " %d\n", guard->wanted,
                  guard->master_starts, guard->sets, guard->upgrades, guard->since_ns, is_ready(guard));
    (void)fprintf(out, "grace %" PRId64 " %" PRId64 "\n", guard->grace_ns[0], guard->grace_ns[1]);
    (void)fprintf(out, "log %d %d %d\n", (int)log_threshold, (int)guard->log_format, guard->rings_fd);
    (void)fprintf(out, "board %d %d\n", guard->board_fd, guard->targets_fd);
    if (guard->names_fd != -1) {
        (void)fprintf(out, "names %d\n", guard->names_fd);
    }
    if (guard->keys_fd != -1) {
        (void)fprintf(out, "keys %d %d\n", guard->keys_fd, guard->settings_fd); /* the second as above */
    }
    (void)fprintf(out, "master %d %d\n", (int)guard->master.pid, guard->master.out.channel);
    write_slots(out, guard);
    write_kept(out, guard->kept);
    write_shards(out, guard);
    (void)fprintf(out, "end\n");
    if (fclose(out) != 0) {
        close(fd);
        return error_set(why, -EIO, "the hand-over cannot be written");
    }
    return fd;
}

static void inherit(int fd, bool on)
{
    if (fd != -1) {
        (void)fcntl(fd, F_SETFD, on ? 0 : FD_CLOEXEC);
    }
}

void handover_inherit(const struct guard *guard, bool on)
{
    inherit(guard->board_fd, on);
    inherit(guard->rings_fd, on);
    inherit(guard->targets_fd, on);
    inherit(guard->names_fd, on);
    inherit(guard->keys_fd, on);
    inherit(guard->settings_fd, on);
    inherit(guard->master.out.channel, on);
    for (unsigned slot = 0; slot < guard->slots; slot++) {
        inherit(guard->workers[slot].out.channel, on);
    }
    for (const struct old_child *old = guard->old; old; old = old->next) {
        inherit(old->channel, on);
    }
    for (const struct kept *kept = guard->kept; kept; kept = kept->next) {
        for (unsigned i = 0; i < kept->count; i++) {
            inherit(kept->fds[kept->order[i]], on);
        }
    }
    for (const struct sharded *set = guard->sharded; set; set = set->next) {
        for (unsigned i = 0; i < UDP_SHARDS; i++) {
            inherit(set->shards[i].fd, on);
            inherit(set->shards[i].lane, on);
        }
    }
}

/* ---- reading ---- */
struct reader {
    struct guard *guard;
    int64_t now;
    uint64_t build;
    bool ended;
};

static bool is_open(int fd)
{
    return fd > 2 && fcntl(fd, F_GETFD) != -1;
}

static bool listens(int fd)
{
    int on = 0;
    socklen_t len = sizeof(on);

    return is_open(fd) && getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len) == 0 && on != 0;
}

static bool read_worker(struct reader *reader, const char *line)
{
    unsigned slot;
    int pid, channel, lent_to, retiring, let_go, has_master = 1;

    if (sscanf(line, "worker %u %d %d %d %d %d %d", &slot, &pid, &channel, &lent_to, &retiring, &let_go,
               &has_master) < 6 ||
        slot >= BOARD_WORKERS || pid < 0 || (channel != -1 && !is_open(channel)) || lent_to < -1 ||
        lent_to >= BOARD_WORKERS) {
        return false;
    }
    struct child *worker = &reader->guard->workers[slot];

    worker->pid = (pid_t)pid;
    worker->out.channel = channel;
    worker->lent_to = lent_to;
    worker->retire_ns = retiring ? reader->now : 0;
    worker->let_go_ns = let_go ? reader->now : 0;
    worker->started_ns = worker->beat_seen_ns = reader->now;
    worker->has_master = has_master != 0;
    reader->guard->slots = slot >= reader->guard->slots ? slot + 1 : reader->guard->slots;
    return true;
}

static bool read_old(struct reader *reader, const char *line)
{
    int pid, channel;
    uint64_t set;
    int64_t since = reader->now; /* an earlier build says nothing of it */

    if (sscanf(line, "old %d %d %" SCNu64 " %" SCNd64, &pid, &channel, &set, &since) < 3 || pid <= 0 ||
        (channel != -1 && !is_open(channel))) {
        return false;
    }
    upgrade_add_old(reader->guard, (pid_t)pid, channel, set, reader->now);
    reader->guard->old->since_ns = since;
    return true;
}

static bool read_kept(struct reader *reader, const char *line)
{
    uint64_t id;
    int shared, leaving, let_go, at = 0;

    if (sscanf(line, "kept %" SCNu64 " %d %d %d %n", &id, &shared, &leaving, &let_go, &at) != 4 || at == 0 ||
        strlen(line + at) >= CONTROL_TEXT) {
        return false;
    }
    struct kept *kept = keep_new(reader->guard, line + at);

    kept->id = id;
    kept->shared = shared != 0;
    kept->leaving_ns = leaving ? reader->now : 0;
    kept->let_go_ns = let_go ? reader->now : 0;
    kept->steered = true; /* maybe: the next look puts it right */
    return true;
}

static bool read_socket(struct reader *reader, const char *line)
{
    unsigned slot;
    int fd;

    if (sscanf(line, "socket %u %d", &slot, &fd) != 2 || slot >= BOARD_WORKERS || !listens(fd) ||
        reader->guard->kept == NULL || reader->guard->kept->fds[slot] != -1) {
        return false;
    }
    keep_store(reader->guard->kept, slot, fd);
    return true;
}

static bool read_sharded(struct guard *guard, const char *line)
{
    uint64_t id;
    int at = 0;

    if (sscanf(line, "udp %" SCNu64 " %n", &id, &at) != 1 || at == 0 || strlen(line + at) >= CONTROL_TEXT) {
        return false;
    }
    (void)shards_new(guard, line + at, id);
    return true;
}

static bool is_udp(int fd)
{
    int type = 0;
    socklen_t len = sizeof(type);

    return is_open(fd) && getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_DGRAM;
}

static bool read_shard(struct guard *guard, const char *line)
{
    unsigned number;
    int fd, lane, owner, pid;

    if (sscanf(line, "shard %u %d %d %d %d", &number, &fd, &lane, &owner, &pid) != 5 ||
        number >= UDP_SHARDS || !is_udp(fd) || (lane != -1 && !is_open(lane)) || owner < -1 ||
        owner >= BOARD_WORKERS || guard->sharded == NULL || guard->sharded->shards[number].fd != -1) {
        return false;
    }
    guard->sharded->shards[number] =
        (struct shard){.fd = fd, .lane = lane, .owner = owner, .owner_pid = (pid_t)pid};
    return true;
}

static bool read_master(struct guard *guard, const char *line, int64_t now)
{
    int pid, channel;

    if (sscanf(line, "master %d %d", &pid, &channel) != 2 || pid < 0 ||
        (channel != -1 && !is_open(channel))) {
        return false;
    }
    guard->master.pid = (pid_t)pid;
    guard->master.out.channel = channel;
    guard->master.started_ns = guard->master.beat_seen_ns = now;
    return true;
}

static bool read_log(struct guard *guard, const char *line)
{
    int level, format, fd;

    if (sscanf(line, "log %d %d %d", &level, &format, &fd) != 3 || level < LOG_LEVEL_TRACE ||
        level > LOG_LEVEL_NONE || !is_open(fd)) {
        return false;
    }
    guard->rings_fd = fd;
    guard->log_format = format == LOG_FORMAT_JSON ? LOG_FORMAT_JSON : LOG_FORMAT_COMMON;
    log_setup((enum log_level)level, guard->log_format, "guard");
    return true;
}

static bool read_counts(struct guard *guard, const char *line)
{
    int64_t since = guard->since_ns;
    int was_ready = 0;

    if (sscanf(line, "counts %u %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNd64 " %d", &guard->wanted,
               &guard->master_starts, &guard->sets, &guard->upgrades, &since, &was_ready) < 4 ||
        guard->wanted > BOARD_WORKERS) {
        return false;
    }
    guard->since_ns = since;
    guard->was_ready = was_ready != 0;
    return true;
}

static bool read_board(struct guard *guard, const char *line)
{
    int targets = -1; /* a build that knew none */

    if (sscanf(line, "board %d %d", &guard->board_fd, &targets) < 1 || !is_open(guard->board_fd)) {
        return false;
    }
    guard->targets_fd = is_open(targets) ? targets : -1;
    return true;
}

static bool read_keys(struct guard *guard, const char *line)
{
    int settings = -1; /* a build that kept none */

    if (sscanf(line, "keys %d %d", &guard->keys_fd, &settings) < 1 || !is_open(guard->keys_fd)) {
        return false;
    }
    guard->settings_fd = is_open(settings) ? settings : -1;
    return true;
}

static bool read_line(struct reader *reader, const char *line)
{
    struct guard *guard = reader->guard;

    if (strncmp(line, "build ", 6) == 0) {
        return sscanf(line, "build %" SCNx64, &reader->build) == 1;
    }
    if (strncmp(line, "counts ", 7) == 0) {
        return read_counts(guard, line);
    }
    if (strncmp(line, "grace ", 6) == 0) {
        return sscanf(line, "grace %" SCNd64 " %" SCNd64, &guard->grace_ns[0], &guard->grace_ns[1]) == 2;
    }
    if (strncmp(line, "log ", 4) == 0) {
        return read_log(guard, line);
    }
    if (strncmp(line, "board ", 6) == 0) {
        return read_board(guard, line);
    }
    if (strncmp(line, "names ", 6) == 0) {
        return sscanf(line, "names %d", &guard->names_fd) == 1 && is_open(guard->names_fd);
    }
    if (strncmp(line, "keys ", 5) == 0) {
        return read_keys(guard, line);
    }
    if (strncmp(line, "master ", 7) == 0) {
        return read_master(guard, line, reader->now);
    }
    if (strncmp(line, "worker ", 7) == 0) {
        return read_worker(reader, line);
    }
    if (strncmp(line, "old ", 4) == 0) {
        return read_old(reader, line);
    }
    if (strncmp(line, "kept ", 5) == 0) {
        return read_kept(reader, line);
    }
    if (strncmp(line, "socket ", 7) == 0) {
        return read_socket(reader, line);
    }
    if (strncmp(line, "udp ", 4) == 0) {
        return read_sharded(guard, line);
    }
    if (strncmp(line, "shard ", 6) == 0) {
        return read_shard(guard, line);
    }
    reader->ended = strcmp(line, "end") == 0;
    return reader->ended;
}

int handover_read(struct guard *guard, int fd, bool strict, uint64_t *build, struct error *why)
{
    struct reader reader = {.guard = guard, .now = process_clock_ns()};
    char line[LINE_MOST];
    FILE *in = NULL;
    int rc = 0;

    if (!is_open(fd)) {
        return error_set(why, -EINVAL, "there is no hand-over");
    }
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 16);

    if (copy == -1 || (in = fdopen(copy, "r")) == NULL) {
        rc = error_set(why, errno ? -errno : -ENOMEM, "the hand-over cannot be opened: %s", strerror(errno));
        if (copy != -1) {
            close(copy);
        }
        return rc;
    }
    rewind(in);
    if (fgets(line, sizeof(line), in) == NULL || strcmp(line, FIRST_LINE) != 0) {
        rc = error_set(why, -EBADMSG, "the hand-over is written in a language that this build does not know");
    }
    while (rc == 0 && !reader.ended && fgets(line, sizeof(line), in)) {
        line[strcspn(line, "\n")] = '\0';
        if (read_line(&reader, line)) {
            continue;
        }
        if (!strict) {
            log_error("The hand-over has a line that this build does not take: %s", line);
        } else {
            rc = error_set(why, -EBADMSG, "the hand-over has a line that this build does not take: %s", line);
        }
    }
    if (rc == 0 && !reader.ended) {
        rc = error_set(why, -EBADMSG, "the hand-over ends too early");
    }
    (void)fclose(in);
    *build = reader.build;
    return rc;
}
