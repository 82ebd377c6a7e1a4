/*
 * cookie.c - see cookie.h.
 */
#include "common/http/cookie.h"

#include "common/base/text.h"

#define DOMAIN_MAX 255u
#define LABEL_MAX 63u

/* ---- reading ---- */

static bool value_valid(struct slice value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];

        if (c < 0x20 || c >= 0x7f || c == '"' || c == ';' || c == '\\') {
            return false;
        }
    }
    return true;
}

static bool find_in(struct slice line, struct slice name, struct slice *value)
{
    while (line.len) {
        ptrdiff_t end = slice_find(line, ';');
        struct slice part = slice_trim(end < 0 ? line : slice_head(line, (size_t)end));
        ptrdiff_t equals = slice_find(part, '=');
        struct slice key = equals < 0 ? part : slice_trim(slice_head(part, (size_t)equals));

        line = end < 0 ? slice_from(line, line.len) : slice_from(line, (size_t)end + 1);
        if (!slice_eq(key, name)) {
            continue;
        }
        part = slice_from(part, equals < 0 ? part.len : (size_t)equals + 1);
        if (part.len > 1 && part.ptr[0] == '"' && part.ptr[part.len - 1] == '"') {
            part = slice_of(part.ptr + 1, part.len - 2);
        }
        if (value_valid(part)) {
            *value = part;
            return true;
        }
    }
    return false;
}

bool cookie_find(const struct headers *headers, struct slice name, struct slice *value)
{
    for (size_t i = 0; i < headers->count; i++) {
        const struct header *header = &headers->items[i];

        if (header->id == HEADER_COOKIE && !(header->flags & HEADER_REMOVED) &&
            find_in(header->value, name, value)) {
            return true;
        }
    }
    return false;
}

/* ---- writing ---- */

static bool ipv4_valid(struct slice text)
{
    unsigned parts = 0;

    while (parts < 4) {
        unsigned value = 0, digits = 0;

        while (digits < text.len && text.ptr[digits] >= '0' && text.ptr[digits] <= '9' && digits < 4) {
            value = value * 10 + (unsigned)(text.ptr[digits] - '0');
            digits++;
        }
        if (digits == 0 || digits > 3 || value > 255 || (digits > 1 && text.ptr[0] == '0')) {
            return false;
        }
        text = slice_from(text, digits);
        parts++;
        if (parts < 4) {
            if (text.len == 0 || text.ptr[0] != '.') {
                return false;
            }
            text = slice_from(text, 1);
        }
    }
    return text.len == 0;
}

static bool label_valid(struct slice label)
{
    if (label.len == 0 || label.len > LABEL_MAX || label.ptr[0] == '-' || label.ptr[label.len - 1] == '-') {
        return false;
    }
    for (size_t i = 0; i < label.len; i++) {
        unsigned char c = (unsigned char)label.ptr[i];

        if (!(c >= '0' && c <= '9') && !((c | 0x20) >= 'a' && (c | 0x20) <= 'z') && c != '-') {
            return false;
        }
    }
    return true;
}

bool cookie_domain_valid(struct slice domain)
{
    bool letter = false;

    if (domain.len > 0 && domain.len <= DOMAIN_MAX && ipv4_valid(domain)) {
        return true;
    }
    if (domain.len == 0 || domain.len > DOMAIN_MAX) {
        return false;
    }
    if (domain.ptr[0] == '.') {
        domain = slice_from(domain, 1);
    }
    for (size_t i = 0; i < domain.len; i++) {
        letter = letter || ((domain.ptr[i] | 0x20) >= 'a' && (domain.ptr[i] | 0x20) <= 'z');
    }
    for (struct slice rest = domain;;) {
        ptrdiff_t dot = slice_find(rest, '.');

        if (!label_valid(dot < 0 ? rest : slice_head(rest, (size_t)dot))) {
            return false;
        }
        if (dot < 0) {
            return letter;
        }
        rest = slice_from(rest, (size_t)dot + 1);
    }
}

static void add_path(struct text *out, struct slice path)
{
    if (path.len == 0) {
        return;
    }
    text_add(out, SLICE("; Path="));
    for (size_t i = 0; i < path.len; i++) {
        if (path.ptr[i] >= 0x20 && path.ptr[i] < 0x7f && path.ptr[i] != ';') {
            text_add_char(out, path.ptr[i]);
        }
    }
}

static struct slice same_site(struct slice value)
{
    return slice_eq_nocase(value, SLICE("none"))     ? SLICE("; SameSite=None")
           : slice_eq_nocase(value, SLICE("lax"))    ? SLICE("; SameSite=Lax")
           : slice_eq_nocase(value, SLICE("strict")) ? SLICE("; SameSite=Strict")
                                                     : SLICE("");
}

struct slice cookie_attributes(struct pool *pool, const struct cookie_options *options)
{
    struct slice domain = options->domain, made;
    struct text out;

    text_init(&out);
    add_path(&out, options->path);
    if (cookie_domain_valid(domain)) {
        domain = domain.ptr[0] == '.' ? slice_from(domain, 1) : domain;
        text_printf(&out, "; Domain=%.*s", SLICE_ARG(domain));
    }
    if (options->max_age > 0) {
        text_printf(&out, "; Max-Age=%lld", (long long)options->max_age);
    } else if (options->max_age < 0) {
        text_add(&out, SLICE("; Max-Age=0"));
    }
    text_add(&out, options->http_only ? SLICE("; HttpOnly") : SLICE(""));
    text_add(&out, options->secure ? SLICE("; Secure") : SLICE(""));
    text_add(&out, same_site(options->same_site));
    made = pool_copy(pool, text_slice(&out));
    text_free(&out);
    return made;
}
