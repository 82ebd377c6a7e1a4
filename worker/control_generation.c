/*
 * control_generation.c - generations: from their parts to the one in force, and back to the system.
 *
 * They arrive one at a time (the master waits for the answer). Their pages are mapped as they come, because descriptors are
 * the loop's; checking them, which reads it all, runs on the helper thread; the loop then swaps one pointer (serve_switch),
 * takes the log settings of the static page over and answers ACK. What is wrong is answered with REFUSED and the old
 * generation stays; a page that we do not hold, or descriptors lost on the way, with RESEND.
 *
 * This file holds one reference to each generation itself, beside those of exchanges. When only ours is left it is given
 * back on the helper thread, because unmapping takes time too (I4).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/process.h"
#include "shm/static_page.h"
#include "worker/control_inner.h"
#include "worker/helper.h"
#include "worker/sandbox.h"

#define RELEASES_MOST 8 /* at a time; what is over waits for the next look */
_Static_assert(RELEASES_MOST + 2 <= WORKER_JOBS,
               "there is always room for an adoption, and for another's job");

struct adoption { /* one generation on its way: first its parts come, then the helper thread has it */
    struct helper_job job; /* first */
    struct control *control;
    unsigned master; /* whom to answer: control->masters then */
    uint64_t number, base;
    uint32_t page_count, parts;             /* that have come */
    struct page_mapping pages[PAGE_PLACES]; /* by place; none: the page is that of the base */
    uint64_t page_numbers[PAGE_PLACES];
    struct generation *before;     /* in force when the thread starts; a reference */
    struct generation *generation; /* the result */
    int rc;                        /* of what was done so far */
    struct error why;
};

struct holding {           /* one reference */
    struct helper_job job; /* first: to give it back */
    struct control *control;
    struct holding *next;
    struct generation *generation;
};

static void start_adoption(struct control *control, struct adoption *adoption);

/* ---- on the helper thread ---- */
static int adopt_page(struct adoption *adoption, size_t place, struct page **out)
{
    if (adoption->pages[place].base == NULL) {
        *out = page_ref(adoption->before->pages[place]);
        return 0;
    }
    int rc = page_adopt_mapping(&adoption->pages[place], page_kind_at(place), out, &adoption->why);

    if (rc == 0 && page_number(*out) != adoption->page_numbers[place]) {
        rc = error_set(&adoption->why, -EBADMSG, "page %zu has another number than announced", place);
    }
    return rc;
}

static void unmap_all(struct adoption *adoption)
{
    for (size_t place = 0; place < PAGE_PLACES; place++) {
        page_unmap(&adoption->pages[place]);
    }
}

static void adopt(struct helper_job *job)
{
    struct adoption *adoption = (struct adoption *)job;
    struct page *pages[PAGE_PLACES] = {NULL};

    for (size_t place = 0; place < adoption->page_count && adoption->rc == 0; place++) {
        adoption->rc = adopt_page(adoption, place, &pages[place]);
    }
    if (adoption->rc == 0) {
        adoption->rc = generation_new(adoption->number, pages, adoption->page_count, adoption->before,
                                      &adoption->generation, &adoption->why);
    }
    for (size_t place = 0; place < PAGE_PLACES && adoption->rc < 0; place++) {
        page_unref(pages[place]);
    }
    unmap_all(adoption); /* what is left of one that is refused */
}

static void give_back(struct helper_job *job)
{
    generation_unref(((struct holding *)job)->generation);
}

/* ---- on the loop: in force ---- */

static void take_log_settings(struct worker *worker)
{
    static char name[32];
    static bool reported;
    const struct static_root *root = page_root(worker->generation->pages[PAGE_STATIC]);

    (void)snprintf(name, sizeof(name), "worker %u", worker->slot);
    log_setup((enum log_level)root->log_level, (enum log_format)root->log_format, name);
    if (!reported && worker->slot == 0) { /* one worker speaks for all */
        sandbox_report();
    }
    reported = true;
}

static void tell_held(struct control *control)
{
    atomic_store_explicit(&control->worker->slab->gauges[GAUGE_GENERATIONS], (int64_t)control->held_count,
                          memory_order_relaxed);
}

static void on_given_back(struct helper_job *job, bool worked)
{
    ((struct holding *)job)->control->releasing--;
    if (!worked) { /* the worker ends */
        give_back(job);
    }
    free(job);
}

static void hold(struct control *control, struct generation *generation)
{
    struct holding *holding = xcalloc(1, sizeof(*holding));

    holding->job.work = give_back;
    holding->job.done = on_given_back;
    holding->control = control;
    holding->generation = generation_ref(generation);
    holding->next = control->held;
    control->held = holding;
    control->held_count++;
    tell_held(control);
}

/* Nothing but our own reference is left. */
static bool is_unused(const struct control *control, struct generation *generation)
{
    return generation != control->worker->generation &&
           atomic_load_explicit(&generation->references, memory_order_acquire) == 1;
}

void control_tend(struct control *control)
{
    struct helper *helper = control->worker->helper;

    for (struct holding **link = &control->held; *link;) {
        struct holding *holding = *link, *next = holding->next;

        if (control->releasing < RELEASES_MOST && is_unused(control, holding->generation) &&
            helper_run(helper, &holding->job)) {
            *link = next;
            control->releasing++;
            control->held_count--;
        } else {
            link = &holding->next;
        }
    }
    tell_held(control);
}

static void put_in_force(struct control *control, struct generation *generation)
{
    struct worker *worker = control->worker;

    hold(control, generation);
    serve_switch(worker, generation);
    take_log_settings(worker);
    atomic_store_explicit(&worker->slab->acknowledged_ns, (uint64_t)process_clock_ns(), memory_order_relaxed);
    atomic_store_explicit(&worker->slab->generation, generation->number, memory_order_relaxed);
    if (!control->stopping) {
        slab_state(worker->slab, WORKER_SERVING, process_clock_ns());
    }
    listening_begin(control);
    control_tend(control); /* when changes come fast, the one before goes with each */
    stopwatch_end(&worker->watch, LAP_GENERATION);
}

/* ---- on the loop: on their way ---- */

static void adoption_free(struct adoption *adoption)
{
    generation_unref(adoption->before); /* never the last one: we hold what is in force, or held it */
    free(adoption);
}

static void adoption_drop(struct adoption *adoption)
{
    unmap_all(adoption);
    adoption_free(adoption);
}

static bool is_owed(const struct adoption *adoption)
{
    return adoption->master == adoption->control->masters;
}

static void on_adopted(struct helper_job *job, bool worked)
{
    struct adoption *adoption = (struct adoption *)job, *next;
    struct control *control = adoption->control;

    control->adoption = NULL;
    if (!worked) {
        unmap_all(adoption);
    } else if (control->closed) {
        generation_unref(adoption->generation);
    } else if (adoption->rc < 0) {
        log_error("Generation %llu is refused, the old one stays: %s", (unsigned long long)adoption->number,
                  adoption->why.text);
        if (is_owed(adoption)) {
            control_answer(control, CONTROL_REFUSED, adoption->number, adoption->why.text);
        }
    } else {
        put_in_force(control, adoption->generation);
        if (is_owed(adoption)) {
            control_answer(control, CONTROL_ACK, adoption->number, "");
        }
    }
    adoption_free(adoption);
    next = control->next;
    control->next = NULL;
    if (next) {
        start_adoption(control, next);
    }
}

/* Whether every page that does not come is there: in the generation in force, if that is the one it builds on. Of one that is
 * going to be refused nobody asks. */
static bool can_build(const struct adoption *adoption)
{
    const struct generation *current = adoption->control->worker->generation;

    for (size_t place = 0; place < adoption->page_count && adoption->rc == 0; place++) {
        if (adoption->pages[place].base == NULL &&
            (current == NULL || adoption->base != current->number || place >= current->page_count)) {
            return false;
        }
    }
    return true;
}

static void start_adoption(struct control *control, struct adoption *adoption)
{
    if (control->closed || !is_owed(adoption)) {
        adoption_drop(adoption); /* from a master that is gone: the next one sends everything */
        return;
    }
    if (!can_build(adoption)) {
        control_answer(control, CONTROL_RESEND, adoption->number, "");
        adoption_drop(adoption);
        return;
    }
    if (control->worker->generation) {
        adoption->before = generation_ref(control->worker->generation);
    }
    adoption->job.work = adopt;
    adoption->job.done = on_adopted;
    if (helper_run(control->worker->helper,
                   &adoption->job)) { /* there is room for one; else the worker ends */
        control->adoption = adoption;
    } else {
        adoption_drop(adoption);
    }
}

static struct adoption *adoption_new(struct control *control, const struct control_message *message)
{
    struct adoption *adoption = xcalloc(1, sizeof(*adoption));

    adoption->control = control;
    adoption->master = control->masters;
    adoption->number = message->number;
    adoption->base = message->base;
    adoption->page_count = message->page_count;
    return adoption;
}

/* Maps the pages of one part, whose descriptors are taken over; false when it is not the one that was to come, or makes no sense. */
static bool take_part(struct adoption *adoption, const struct control_message *message, const int *fds)
{
    bool good = is_owed(adoption) && adoption->number == message->number &&
                adoption->parts == message->part && adoption->page_count == message->page_count &&
                message->page_count > PAGE_SERVICES && message->page_count <= PAGE_PLACES;

    for (uint32_t i = 0; i < message->fd_count; i++) {
        uint16_t place = message->places[i];

        good = good && place < message->page_count && adoption->pages[place].base == NULL;
        if (good && adoption->rc == 0) {
            adoption->rc = page_map(fds[i], page_kind_at(place), &adoption->pages[place], &adoption->why);
            adoption->page_numbers[place] = message->pages[i];
        }
        close(fds[i]); /* the mapping stays */
    }
    if (good) {
        adoption->parts++;
    }
    return good;
}

static void refuse_part(struct control *control, uint64_t number)
{
    generation_forget_parts(control);
    control_answer(control, CONTROL_RESEND, number, "");
}

void generation_arrives(struct control *control, const struct control_message *message, const int *fds)
{
    struct adoption *adoption;

    if (message->part == 0) {
        generation_forget_parts(control);
        control->arriving = adoption_new(control, message);
    } else if (control->arriving == NULL) { /* what is left of one that was asked for again */
        control_close_all(fds, message->fd_count);
        return;
    }
    adoption = control->arriving;
    if (!take_part(adoption, message, fds)) {
        refuse_part(control, message->number);
        return;
    }
    if (message->flags & CONTROL_MORE) {
        return;
    }
    control->arriving = NULL;
    if (control->adoption == NULL) {
        start_adoption(control, adoption);
        return;
    }
    if (control->next) {
        adoption_drop(control->next);
    }
    control->next = adoption;
}

void generation_forget_parts(struct control *control)
{
    if (control->arriving) {
        adoption_drop(control->arriving);
        control->arriving = NULL;
    }
}

void generations_free(struct control *control)
{
    while (control->held) {
        struct holding *holding = control->held;

        control->held = holding->next;
        generation_unref(holding->generation);
        free(holding);
    }
}
