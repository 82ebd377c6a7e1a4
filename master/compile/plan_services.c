/*
 * plan_services.c - numbers of the services that are used, and on which page each lies.
 *
 * Those of HTTP are dealt out by a hash of their names (shm/services.h), in order of names on each page, those of TCP lie one
 * behind the other on the pages behind. So numbers depend on nothing but names, and one service more or less gives others to few.
 */
#include "common/base/hash.h"
#include "master/compile/compiler.h"

/* How many there are on each page, and on the fullest. */
static uint32_t deal_out(struct compiler *compiler, uint32_t *pages, uint32_t *counts)
{
    const struct model *model = compiler->model;
    uint32_t used = 0, fullest = 0;

    for (size_t i = 0; i < model->service_count; i++) {
        used += compiler->service_states[i] == SERVICE_GOOD;
    }
    compiler->http_service_pages = services_pages(used);
    for (size_t i = 0; i < model->service_count; i++) {
        if (compiler->service_states[i] == SERVICE_GOOD) {
            pages[i] = services_page_of(model->services[i]->element.name, compiler->http_service_pages);
            if (++counts[pages[i]] > fullest) {
                fullest = counts[pages[i]];
            }
        }
    }
    return fullest;
}

static uint32_t firsts_make(struct compiler *compiler, const uint32_t *counts)
{
    uint32_t *firsts, shift = compiler->service_shift, next = 0, left = compiler->tcp_service_count;

    compiler->service_pages =
        compiler->http_service_pages + (left >> shift) + ((left & ((1u << shift) - 1)) != 0);
    firsts = pool_alloc(compiler->kept, (compiler->service_pages + 1) * sizeof(*firsts));
    for (uint32_t page = 0; page < compiler->service_pages; page++) {
        bool tcp = page >= compiler->http_service_pages;
        uint32_t count = !tcp ? counts[page] : left >> shift ? 1u << shift : left;

        firsts[page] = next;
        next += count;
        left -= tcp ? count : 0;
    }
    firsts[compiler->service_pages] = next;
    compiler->service_firsts = firsts;
    return next;
}

uint32_t plan_tcp_first(const struct compiler *compiler)
{
    return compiler->http_service_pages << compiler->service_shift;
}

static void row_take(struct compiler *compiler, uint32_t row, size_t position, const struct element *element)
{
    compiler->service_positions[row] = (uint32_t)position;
    compiler->service_elements[row] = element;
}

static void rows_make(struct compiler *compiler, const uint32_t *pages, uint32_t *counts)
{
    const struct model *model = compiler->model;
    uint32_t tcp_row = compiler->service_firsts[compiler->http_service_pages];

    for (size_t i = 0; i < SERVICES_DEALT_MOST; i++) {
        counts[i] = 0;
    }
    for (size_t i = 0; i < model->service_count; i++) {
        compiler->service_numbers[i] = NUMBER_NONE;
        if (compiler->service_states[i] == SERVICE_GOOD) {
            uint32_t place = counts[pages[i]]++;

            compiler->service_numbers[i] = (pages[i] << compiler->service_shift) + place;
            row_take(compiler, compiler->service_firsts[pages[i]] + place, i, &model->services[i]->element);
        }
    }
    for (size_t i = 0; i < model->layer4[TCP_SERVICE].count; i++) {
        uint32_t *number = &compiler->tcp_numbers[i];

        if (*number != NUMBER_NONE) {
            row_take(compiler, tcp_row + *number, i, model->layer4[TCP_SERVICE].items[i]);
            *number += plan_tcp_first(compiler);
        }
    }
}

void plan_services(struct compiler *compiler)
{
    size_t count = compiler->model->service_count;
    uint32_t *pages = pool_alloc(compiler->pool, (count + 1) * sizeof(*pages));
    uint32_t counts[SERVICES_DEALT_MOST] = {0}, rows;

    compiler->service_shift = services_shift(deal_out(compiler, pages, counts), compiler->tcp_service_count);
    rows = firsts_make(compiler, counts);
    compiler->service_numbers = pool_alloc(compiler->kept, (count + 1) * sizeof(uint32_t));
    compiler->service_positions =
        pool_alloc(compiler->kept, ((size_t)rows + 1) * sizeof(*compiler->service_positions));
    compiler->service_elements =
        pool_alloc(compiler->kept, ((size_t)rows + 1) * sizeof(*compiler->service_elements));
    rows_make(compiler, pages, counts);
}
