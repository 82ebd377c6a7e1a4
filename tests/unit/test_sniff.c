/*
 * test_sniff.c - the type of a body by its first bytes: those that Go tells apart.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/http/sniff.h"

#define NULLS_34 "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define HTML "text/html; charset=utf-8"
#define TEXT "text/plain; charset=utf-8"
#define BYTES "application/octet-stream"

static void types_are_told_apart(void **state)
{
    static const struct {
        struct slice data;
        const char *type;
    } cases[] = {
        {SLICE_INIT(""), TEXT},
        {SLICE_INIT("hello\r\n\t\f\x1b[1m"), TEXT},
        {SLICE_INIT("hello\x01"), BYTES},
        {SLICE_INIT("a\0b"), BYTES},
        {SLICE_INIT("\x7f\x80\xff\xfe"), TEXT},
        {SLICE_INIT("<!DOCTYPE html>"), HTML},
        {SLICE_INIT("\n \t<!doctype HTML "), HTML},
        {SLICE_INIT("<!DOCTYPE html"), TEXT},
        {SLICE_INIT("<b>"), HTML},
        {SLICE_INIT("<bx>"), TEXT},
        {SLICE_INIT("<body\n>"), TEXT},
        {SLICE_INIT("<!-- x"), HTML},
        {SLICE_INIT("<iFrame src"), HTML},
        {SLICE_INIT(" <?xml version"), "text/xml; charset=utf-8"},
        {SLICE_INIT("<?XML version"), TEXT},
        {SLICE_INIT("%PDF-1.7"), "application/pdf"},
        {SLICE_INIT(" %PDF-1.7"), TEXT},
        {SLICE_INIT("%!PS-Adobe-3"), "application/postscript"},
        {SLICE_INIT("\xfe\xff\0a"), "text/plain; charset=utf-16be"},
        {SLICE_INIT("\xff\xfe"
                    "a\0"),
         "text/plain; charset=utf-16le"},
        {SLICE_INIT("\xff\xfe\0"), BYTES},
        {SLICE_INIT("\xef\xbb\xbf\x01"), TEXT},
        {SLICE_INIT("\0\0\1\0"), "image/x-icon"},
        {SLICE_INIT("BMx"), "image/bmp"},
        {SLICE_INIT("GIF89a"), "image/gif"},
        {SLICE_INIT("RIFF1234WEBPVP8"), "image/webp"},
        {SLICE_INIT("RIFF1234WAVE"), "audio/wave"},
        {SLICE_INIT("RIFF1234AVI"), TEXT},
        {SLICE_INIT("\x89PNG\r\n\x1a\n"), "image/png"},
        {SLICE_INIT("\xff\xd8\xff\xe0"), "image/jpeg"},
        {SLICE_INIT("OggS\0"), "application/ogg"},
        {SLICE_INIT("\0\0\0\x18"
                    "ftypmp42\0\0\0\0isommp42"),
         "video/mp4"},
        {SLICE_INIT("\0\0\0\x14"
                    "ftypisom\0\0\0\0mp41"),
         "video/mp4"},
        {SLICE_INIT("\0\0\0\x10"
                    "ftypisommp41"),
         BYTES}, /* a version, no brand */
        {SLICE_INIT("\0\0\0\x18"
                    "ftypisom\0\0\0\0mp4"),
         BYTES}, /* not whole */
        {SLICE_INIT("\0\0\0\0"
                    "ftypmp42"),
         BYTES},
        {SLICE_INIT("\0\0\0\x0e"
                    "ftypisom\0\0mp4"),
         BYTES},
        {SLICE_INIT("\x1a\x45\xdf\xa3"), "video/webm"},
        {SLICE_INIT(NULLS_34 "LP"), "application/vnd.ms-fontobject"},
        {SLICE_INIT("\0\1\0\0"), "font/ttf"},
        {SLICE_INIT("wOF2"), "font/woff2"},
        {SLICE_INIT("\x1f\x8b\x08"), "application/x-gzip"},
        {SLICE_INIT("PK\3\4"), "application/zip"},
        {SLICE_INIT("Rar!\x1a\7\0"), "application/x-rar-compressed"},
        {SLICE_INIT("Rar!\x1a\7\2"), BYTES},
        {SLICE_INIT("\0asm"), "application/wasm"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *copy = malloc(cases[i].data.len + 1); /* of its own: sanitizers see what reads too far */

        assert_non_null(copy);
        memcpy(copy, cases[i].data.ptr, cases[i].data.len);
        print_message("case %zu\n", i);
        assert_true(slice_eq(sniff_type(slice_of(copy, cases[i].data.len)), slice_cstr(cases[i].type)));
        free(copy);
    }
}

static void only_the_first_bytes_count(void **state)
{
    char data[SNIFF_BYTES + 1];

    (void)state;
    memset(data, 'a', sizeof(data));
    data[SNIFF_BYTES] = '\0';
    assert_true(slice_eq(sniff_type(slice_of(data, sizeof(data))), SLICE(TEXT)));
    data[SNIFF_BYTES - 1] = '\0';
    assert_true(slice_eq(sniff_type(slice_of(data, sizeof(data))), SLICE(BYTES)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_are_told_apart),
        cmocka_unit_test(only_the_first_bytes_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
