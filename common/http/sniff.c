/*
 * sniff.c - see sniff.h. Tags of HTML and <?xml may have blanks in front; everything else stands at its place from the first byte
 * on. The first row that fits is the answer.
 */
#include "common/http/sniff.h"

static const struct slice html = SLICE_INIT("text/html; charset=utf-8");

static bool blank(char c)
{
    return c == '\t' || c == '\n' || c == '\f' || c == '\r' || c == ' ';
}

/* <TAG in any case, with a blank or > behind it. */
static bool tagged(struct slice text)
{
    static const struct slice tags[] = {
        SLICE_INIT("<!doctype html"),
        SLICE_INIT("<html"),
        SLICE_INIT("<head"),
        SLICE_INIT("<script"),
        SLICE_INIT("<iframe"),
        SLICE_INIT("<h1"),
        SLICE_INIT("<div"),
        SLICE_INIT("<font"),
        SLICE_INIT("<table"),
        SLICE_INIT("<a"),
        SLICE_INIT("<style"),
        SLICE_INIT("<title"),
        SLICE_INIT("<b"),
        SLICE_INIT("<body"),
        SLICE_INIT("<br"),
        SLICE_INIT("<p"),
        SLICE_INIT("<!--"),
    };

    for (size_t i = 0; i < ARRAY_LEN(tags); i++) {
        size_t len = tags[i].len;

        if (text.len > len && slice_eq_nocase(slice_head(text, len), tags[i]) &&
            (text.ptr[len] == ' ' || text.ptr[len] == '>')) {
            return true;
        }
    }
    return false;
}

/* The first box is a "ftyp" that lies here whole and names a brand that begins with mp4. */
static bool mp4(struct slice data)
{
    const unsigned char *bytes = (const unsigned char *)data.ptr;
    uint32_t size = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];

    if (size > data.len || size % 4 != 0) {
        return false;
    }
    for (uint32_t at = 8; at < size; at += 4) { /* at 12: the version of the first brand */
        if (at != 12 && slice_has_prefix(slice_from(data, at), SLICE("mp4"))) {
            return true;
        }
    }
    return false;
}

struct signature {
    struct slice first; /* at the beginning */
    size_t at;          /* there `second`; so many bytes there must be at least */
    struct slice second, type;
    bool (*also)(struct slice data);
};

#define AT_START(bytes, type)                                                                                \
    {                                                                                                        \
        SLICE_INIT(bytes), 0, SLICE_INIT(""), SLICE_INIT(type), NULL                                         \
    }
#define IN_PARTS(bytes, at, more, type)                                                                      \
    {                                                                                                        \
        SLICE_INIT(bytes), at, SLICE_INIT(more), SLICE_INIT(type), NULL                                      \
    }

static const struct signature signatures[] = {
    AT_START("%PDF-", "application/pdf"),
    AT_START("%!PS-Adobe-", "application/postscript"),
    IN_PARTS("\xfe\xff", 4, "", "text/plain; charset=utf-16be"),
    IN_PARTS("\xff\xfe", 4, "", "text/plain; charset=utf-16le"),
    IN_PARTS("\xef\xbb\xbf", 4, "", "text/plain; charset=utf-8"),
    AT_START("\x00\x00\x01\x00", "image/x-icon"),
    AT_START("\x00\x00\x02\x00", "image/x-icon"),
    AT_START("BM", "image/bmp"),
    AT_START("GIF87a", "image/gif"),
    AT_START("GIF89a", "image/gif"),
    IN_PARTS("RIFF", 8, "WEBPVP", "image/webp"),
    AT_START("\x89PNG\r\n\x1a\n", "image/png"),
    AT_START("\xff\xd8\xff", "image/jpeg"),
    IN_PARTS("FORM", 8, "AIFF", "audio/aiff"),
    AT_START("ID3", "audio/mpeg"),
    AT_START("OggS\x00", "application/ogg"),
    AT_START("MThd\x00\x00\x00\x06", "audio/midi"),
    IN_PARTS("RIFF", 8, "AVI ", "video/avi"),
    IN_PARTS("RIFF", 8, "WAVE", "audio/wave"),
    {SLICE_INIT(""), 4, SLICE_INIT("ftyp"), SLICE_INIT("video/mp4"), mp4},
    AT_START("\x1a\x45\xdf\xa3", "video/webm"),
    IN_PARTS("", 34, "LP", "application/vnd.ms-fontobject"),
    AT_START("\x00\x01\x00\x00", "font/ttf"),
    AT_START("OTTO", "font/otf"),
    AT_START("ttcf", "font/collection"),
    AT_START("wOFF", "font/woff"),
    AT_START("wOF2", "font/woff2"),
    AT_START("\x1f\x8b\x08", "application/x-gzip"),
    AT_START("PK\x03\x04", "application/zip"),
    AT_START("Rar!\x1a\x07\x00", "application/x-rar-compressed"),
    AT_START("Rar!\x1a\x07\x01\x00", "application/x-rar-compressed"),
    AT_START("\x00\x61\x73\x6d", "application/wasm"),
};

static bool fits(const struct signature *signature, struct slice data)
{
    return slice_has_prefix(data, signature->first) && data.len >= signature->at + signature->second.len &&
           slice_has_prefix(slice_from(data, signature->at), signature->second) &&
           (signature->also == NULL || signature->also(data));
}

/* Without control characters but those that texts have. */
static bool text(struct slice data)
{
    for (size_t i = 0; i < data.len; i++) {
        unsigned char c = (unsigned char)data.ptr[i];

        if (c < 0x20 && !blank((char)c) && c != 0x1b) {
            return false;
        }
    }
    return true;
}

struct slice sniff_type(struct slice data)
{
    struct slice shown = data = slice_head(data, SNIFF_BYTES);

    while (shown.len && blank(shown.ptr[0])) {
        shown = slice_from(shown, 1);
    }
    if (tagged(shown)) {
        return html;
    }
    if (slice_has_prefix(shown, SLICE("<?xml"))) {
        return SLICE("text/xml; charset=utf-8");
    }
    for (size_t i = 0; i < ARRAY_LEN(signatures); i++) {
        if (fits(&signatures[i], data)) {
            return signatures[i].type;
        }
    }
    return text(shown) ? SLICE("text/plain; charset=utf-8") : SLICE("application/octet-stream");
}
