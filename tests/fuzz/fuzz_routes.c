/*
 * fuzz_routes.c - a damaged routes page: refused by routes_check(), or every lookup stays inside it.
 *
 * Input: records of six bytes (position as a share of the page, new value of the 32-bit word there) that
 * change a good page. The header's checksum is put right afterwards, so nothing else stands in the way.
 */
#include "tests/unit/routes_image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char *good;
    static size_t good_size;
    struct page *page = NULL;
    struct error why;

    if (!good) {
        good = image_make(&good_size);
    }
    char *image = malloc(good_size);

    if (!image) {
        return 0;
    }
    memcpy(image, good, good_size);
    for (size_t i = 0; i + 6 <= size; i += 6) {
        size_t words = good_size / 4, at = (size_t)(data[i] | data[i + 1] << 8) % words * 4;

        memcpy(image + at, data + i + 2, 4);
    }
    image_fix(image, good_size);
    if (page_adopt_memory(image, good_size, PAGE_ROUTES, &page, &why) == 0) {
        if (routes_check(page, &why) == 0) {
            image_visit(page);
        }
        page_unref(page);
    }
    free(image);
    return 0;
}
