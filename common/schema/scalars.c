/*
 * scalars.c - the shared readers of durations, sizes and booleans: the only ones in the house.
 */
#include <errno.h>
#include <stdio.h>

#include "common/base/text.h"
#include "common/schema/schema.h"

#define SECOND INT64_C(1000000000)

static const struct unit {
    struct slice name;
    uint64_t factor;
} duration_units[] = {
    {SLICE_INIT("ns"), 1},
    {SLICE_INIT("us"), 1000},
    {SLICE_INIT("\xc2\xb5s"), 1000}, /* micro sign */
    {SLICE_INIT("\xce\xbcs"), 1000}, /* Greek mu */
    {SLICE_INIT("ms"), 1000000},
    {SLICE_INIT("s"), (uint64_t)SECOND},
    {SLICE_INIT("m"), 60 * (uint64_t)SECOND},
    {SLICE_INIT("h"), 3600 * (uint64_t)SECOND},
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int no_duration(struct slice text, struct error *why)
{
    return error_set(why, -EINVAL, "\"%.*s\" is no duration (write 10s, 1m30s or seconds as a number)",
                     SLICE_ARG(slice_head(text, 100)));
}

/* Digits at the start of *rest; false when they do not fit. */
static bool take_whole(struct slice *rest, uint64_t *value)
{
    *value = 0;
    while (rest->len > 0 && is_digit(rest->ptr[0])) {
        if (__builtin_mul_overflow(*value, UINT64_C(10), value) ||
            __builtin_add_overflow(*value, (uint64_t)(rest->ptr[0] - '0'), value)) {
            return false;
        }
        *rest = slice_from(*rest, 1);
    }
    return true;
}

/* Digits behind the point: value / scale. Those that a 64-bit number cannot hold change nothing. */
static uint64_t take_fraction(struct slice *rest, double *scale)
{
    uint64_t value = 0;

    *scale = 1;
    while (rest->len > 0 && is_digit(rest->ptr[0])) {
        if (value < (uint64_t)INT64_MAX / 10) {
            value = value * 10 + (uint64_t)(rest->ptr[0] - '0');
            *scale *= 10;
        }
        *rest = slice_from(*rest, 1);
    }
    return value;
}

static const struct unit *take_unit(struct slice *rest)
{
    size_t len = 0;

    while (len < rest->len && rest->ptr[len] != '.' && !is_digit(rest->ptr[len])) {
        len++;
    }
    for (size_t i = 0; i < ARRAY_LEN(duration_units); i++) {
        if (slice_eq(slice_head(*rest, len), duration_units[i].name)) {
            *rest = slice_from(*rest, len);
            return &duration_units[i];
        }
    }
    return NULL;
}

/* One "1.5h"; false when malformed or too large. */
static bool take_part(struct slice *rest, uint64_t *total)
{
    size_t before = rest->len;
    uint64_t whole, fraction = 0;
    double scale = 1;

    if (!take_whole(rest, &whole)) {
        return false;
    }
    bool digits = rest->len != before;

    if (rest->len > 0 && rest->ptr[0] == '.') {
        *rest = slice_from(*rest, 1);
        before = rest->len;
        fraction = take_fraction(rest, &scale);
        digits = digits || rest->len != before;
    }
    const struct unit *unit = digits ? take_unit(rest) : NULL;

    /* in this order a fraction of a second is exact: 1.567890123s */
    return unit && !__builtin_mul_overflow(whole, unit->factor, &whole) &&
           !__builtin_add_overflow(whole, (uint64_t)((double)fraction * ((double)unit->factor / scale)),
                                   &whole) &&
           !__builtin_add_overflow(*total, whole, total) && *total <= (uint64_t)INT64_MAX;
}

int parse_duration(struct slice text, int64_t *nanoseconds, struct error *why)
{
    struct slice rest = text;
    int64_t seconds, value;
    uint64_t total = 0;

    if (slice_to_i64(text, &seconds)) {
        if (__builtin_mul_overflow(seconds, SECOND, &value)) {
            return error_set(why, -ERANGE, "\"%.*s\" seconds are more than 292 years", SLICE_ARG(text));
        }
        *nanoseconds = value;
        return 0;
    }
    bool negative = rest.len > 0 && rest.ptr[0] == '-';

    if (rest.len > 0 && (rest.ptr[0] == '-' || rest.ptr[0] == '+')) {
        rest = slice_from(rest, 1);
    }
    if (rest.len == 0) {
        return no_duration(text, why);
    }
    while (rest.len > 0) {
        if (!take_part(&rest, &total)) {
            return no_duration(text, why);
        }
    }
    *nanoseconds = negative ? -(int64_t)total : (int64_t)total;
    return 0;
}

int parse_size(struct slice text, int64_t *bytes, struct error *why)
{
    static const struct unit units[] = {
        {SLICE_INIT(""), 1},
        {SLICE_INIT("k"), 1000},
        {SLICE_INIT("m"), 1000000},
        {SLICE_INIT("g"), 1000000000},
        {SLICE_INIT("t"), 1000000000000},
        {SLICE_INIT("ki"), UINT64_C(1) << 10},
        {SLICE_INIT("mi"), UINT64_C(1) << 20},
        {SLICE_INIT("gi"), UINT64_C(1) << 30},
        {SLICE_INIT("ti"), UINT64_C(1) << 40},
    };
    struct slice rest = text;
    uint64_t value;

    if (rest.len > 0 && is_digit(rest.ptr[0]) && take_whole(&rest, &value)) {
        if (rest.len > 0 && (rest.ptr[rest.len - 1] == 'B' || rest.ptr[rest.len - 1] == 'b')) {
            rest = slice_head(rest, rest.len - 1);
        }
        for (size_t i = 0; i < ARRAY_LEN(units); i++) {
            if (slice_eq_nocase(rest, units[i].name) &&
                !__builtin_mul_overflow(value, units[i].factor, &value) && value <= (uint64_t)INT64_MAX) {
                *bytes = (int64_t)value;
                return 0;
            }
        }
    }
    return error_set(why, -EINVAL, "\"%.*s\" is no size (write bytes as a number, 10k or 4Mi)",
                     SLICE_ARG(slice_head(text, 100)));
}

int parse_bool(struct slice text, bool *out, struct error *why)
{
    static const char *const yes[] = {"1", "t", "T", "TRUE", "true", "True"};
    static const char *const no[] = {"0", "f", "F", "FALSE", "false", "False"};

    for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
        if (slice_eq(text, slice_cstr(yes[i]))) {
            *out = true;
            return 0;
        }
        if (slice_eq(text, slice_cstr(no[i]))) {
            *out = false;
            return 0;
        }
    }
    return error_set(why, -EINVAL, "\"%.*s\" is neither true nor false", SLICE_ARG(slice_head(text, 100)));
}

/* value / unit with up to `digits` decimals, trailing zeros dropped. */
static void add_decimal(struct text *out, uint64_t value, uint64_t unit, int digits)
{
    uint64_t fraction = value % unit;

    text_printf(out, "%llu", (unsigned long long)(value / unit));
    if (fraction == 0) {
        return;
    }
    while (fraction % 10 == 0) {
        fraction /= 10;
        digits--;
    }
    text_printf(out, ".%0*llu", digits, (unsigned long long)fraction);
}

void format_duration(int64_t nanoseconds, struct text *out)
{
    uint64_t value = nanoseconds < 0 ? 0 - (uint64_t)nanoseconds : (uint64_t)nanoseconds;

    if (value == 0) {
        text_add_cstr(out, "0s");
        return;
    }
    if (nanoseconds < 0) {
        text_add_char(out, '-');
    }
    if (value < 1000) {
        text_printf(out, "%lluns", (unsigned long long)value);
    } else if (value < 1000000) {
        add_decimal(out, value, 1000, 3);
        text_add_cstr(out, "\xc2\xb5s");
    } else if (value < (uint64_t)SECOND) {
        add_decimal(out, value, 1000000, 6);
        text_add_cstr(out, "ms");
    } else {
        uint64_t minutes = value / (60 * (uint64_t)SECOND);

        if (minutes >= 60) {
            text_printf(out, "%lluh", (unsigned long long)(minutes / 60));
        }
        if (minutes > 0) {
            text_printf(out, "%llum", (unsigned long long)(minutes % 60));
        }
        add_decimal(out, value % (60 * (uint64_t)SECOND), (uint64_t)SECOND, 9);
        text_add_cstr(out, "s");
    }
}
