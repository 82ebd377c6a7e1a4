/*
 * sealed_page.h - a page of a builder as a process gets it: sealed and adopted. Behind cmocka.h.
 */
#ifndef WEIR_TESTS_SEALED_PAGE_H
#define WEIR_TESTS_SEALED_PAGE_H

#include <unistd.h>

#include "shm/page.h"

/* Frees the builder. The page is the caller's: page_unref(). */
static inline struct page *sealed_page(struct page_builder *builder, enum page_kind kind)
{
    struct error why;
    struct page *page;
    int fd;

    assert_int_equal(page_seal(builder, 1, &fd, &why), 0);
    builder_free(builder);
    assert_int_equal(page_adopt(fd, kind, &page, &why), 0);
    close(fd);
    return page;
}

#endif
