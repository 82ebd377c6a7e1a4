/*
 * test_lease.c - a Lease has one holder at a time, is taken over when nobody renews it, and clocks of others do not count.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "master/kube/lease.h"

#define SECOND INT64_C(1000000000)
#define US INT64_C(1763718000000000)

static struct lease_record record(const char *holder, const char *renewed, const char *version)
{
    struct lease_record made = {.duration_s = 15, .transitions = 3};

    (void)snprintf(made.holder, sizeof(made.holder), "%s", holder);
    (void)snprintf(made.renewed, sizeof(made.renewed), "%s", renewed);
    (void)snprintf(made.acquired, sizeof(made.acquired), "%s", "2020-01-01T00:00:00.000000Z");
    (void)snprintf(made.version, sizeof(made.version), "%s", version);
    return made;
}

static void the_first_one_creates_it(void **state)
{
    struct lease lease;
    struct lease_record next;

    (void)state;
    lease_init(&lease, SLICE("a"));
    assert_false(lease_leads(&lease, SECOND));
    assert_int_equal(lease_seen(&lease, NULL, SECOND, US, &next), LEASE_CREATE);
    assert_string_equal(next.holder, "a");
    assert_int_equal(next.transitions, 0);
    assert_int_equal(next.duration_s, 15);
    assert_string_equal(next.renewed, next.acquired);
    lease_written(&lease, &next, SLICE("7"), SECOND);
    assert_true(lease_leads(&lease, SECOND));
}

static void the_holder_renews_without_asking_and_stops_after_ten_seconds(void **state)
{
    struct lease lease;
    struct lease_record next, renewal;

    (void)state;
    lease_init(&lease, SLICE("a"));
    assert_int_equal(lease_seen(&lease, NULL, SECOND, US, &next), LEASE_CREATE);
    lease_written(&lease, &next, SLICE("7"), SECOND);
    assert_true(lease_renewal(&lease, US + 2000000, &renewal));
    assert_string_equal(renewal.version, "7");
    assert_string_equal(renewal.acquired, next.acquired);
    assert_string_not_equal(renewal.renewed, next.renewed);
    assert_int_equal(renewal.transitions, 0);
    assert_true(lease_leads(&lease, 11 * SECOND - 1));
    assert_false(lease_leads(&lease, 11 * SECOND));
    lease_written(&lease, &renewal, SLICE("8"), 5 * SECOND);
    assert_true(lease_leads(&lease, 14 * SECOND));
    lease_refused(&lease); /* a conflict: it has to look first */
    assert_false(lease_renewal(&lease, US, &renewal));
}

static void it_is_taken_when_it_was_seen_unchanged_for_its_time(void **state)
{
    struct lease lease;
    const struct lease_record old =
        record("b", "2001-01-01T00:00:00.000000Z", "5"); /* long ago by any clock */
    struct lease_record next;

    (void)state;
    lease_init(&lease, SLICE("a"));
    assert_int_equal(lease_seen(&lease, &old, 100 * SECOND, US, &next), LEASE_WAIT);
    assert_int_equal(lease_seen(&lease, &old, 115 * SECOND - 1, US, &next), LEASE_WAIT);
    assert_int_equal(lease_seen(&lease, &old, 115 * SECOND, US, &next), LEASE_UPDATE);
    assert_string_equal(next.holder, "a");
    assert_string_equal(next.version, "5");
    assert_int_equal(next.transitions, 4);
    lease_refused(&lease); /* somebody else was faster */
    const struct lease_record other = record("c", "2001-01-01T00:00:20.000000Z", "6");

    assert_int_equal(lease_seen(&lease, &other, 116 * SECOND, US, &next), LEASE_WAIT);
    assert_int_equal(lease_seen(&lease, &other, 130 * SECOND, US, &next), LEASE_WAIT);
    assert_int_equal(lease_seen(&lease, &other, 131 * SECOND, US, &next), LEASE_UPDATE);
}

static void a_renewal_of_the_holder_begins_the_time_anew(void **state)
{
    struct lease lease;
    struct lease_record seen = record("b", "x", "5"), next;

    (void)state;
    lease_init(&lease, SLICE("a"));
    for (int i = 0; i < 40; i++) {
        (void)snprintf(seen.renewed, sizeof(seen.renewed), "%d", i);
        assert_int_equal(lease_seen(&lease, &seen, i * 2 * SECOND, US, &next), LEASE_WAIT);
    }
}

static void what_was_given_back_is_taken_at_once(void **state)
{
    struct lease first, second;
    struct lease_record next, released, taken;

    (void)state;
    lease_init(&first, SLICE("a"));
    lease_init(&second, SLICE("b"));
    assert_false(lease_release(&first, US, &released));
    assert_int_equal(lease_seen(&first, NULL, SECOND, US, &next), LEASE_CREATE);
    lease_written(&first, &next, SLICE("1"), SECOND);
    next.version[0] = '1';
    next.version[1] = '\0';
    assert_int_equal(lease_seen(&second, &next, 2 * SECOND, US, &taken), LEASE_WAIT);
    assert_true(lease_release(&first, US + 5, &released));
    assert_false(lease_leads(&first, 2 * SECOND));
    assert_string_equal(released.holder, "");
    assert_int_equal(released.duration_s, 1);
    assert_int_equal(lease_seen(&second, &released, 3 * SECOND, US, &taken), LEASE_UPDATE);
    assert_int_equal(taken.transitions, 1);
    assert_int_equal(taken.duration_s, 15);
}

static void a_master_that_follows_takes_its_own_at_once(void **state)
{
    struct lease lease;
    const struct lease_record own = record("a", "x", "9");
    struct lease_record next;

    (void)state;
    lease_init(&lease, SLICE("a"));
    assert_int_equal(lease_seen(&lease, &own, SECOND, US, &next), LEASE_UPDATE);
    assert_int_equal(next.transitions, 3);
    assert_string_equal(next.acquired, own.acquired);
    assert_false(lease_leads(&lease, SECOND)); /* not before it is written */
}

static void it_is_deleted_under_the_holder(void **state)
{
    struct lease lease;
    struct lease_record next;

    (void)state;
    lease_init(&lease, SLICE("a"));
    assert_int_equal(lease_seen(&lease, NULL, SECOND, US, &next), LEASE_CREATE);
    lease_written(&lease, &next, SLICE("1"), SECOND);
    lease_refused(&lease);
    assert_int_equal(lease_seen(&lease, NULL, 3 * SECOND, US, &next), LEASE_CREATE);
    assert_false(lease_leads(&lease, 3 * SECOND));
}

static void as_an_object_and_back(void **state)
{
    struct lease_record made = record("a\"b", "2026-11-21T09:39:55.000001Z", "12"), back;
    struct error why;
    struct text text;

    (void)state;
    text_init(&text);
    lease_write(&made, SLICE("weir"), SLICE("weir-x"), &text);
    assert_int_equal(lease_read(text_slice(&text), &back, &why), 0);
    assert_string_equal(back.holder, made.holder);
    assert_string_equal(back.renewed, made.renewed);
    assert_string_equal(back.acquired, made.acquired);
    assert_string_equal(back.version, made.version);
    assert_int_equal(back.transitions, 3);
    assert_int_equal(back.duration_s, 15);
    text_free(&text);
    assert_true(lease_read(SLICE("{}"), &back, &why) < 0);
    assert_true(lease_read(SLICE("no"), &back, &why) < 0);
}

static void moments(void **state)
{
    char text[MOMENT_TEXT];
    int64_t at;

    (void)state;
    moment_text(1763718000, text);
    assert_string_equal(text, "2025-11-21T09:40:00Z");
    moment_micro_text(INT64_C(1763718000000042), text);
    assert_string_equal(text, "2025-11-21T09:40:00.000042Z");
    assert_int_equal(moment_parse(slice_cstr(text), &at), 0);
    assert_int_equal(at, 1763718000);
    assert_int_equal(moment_parse(SLICE("2025-11-21T09:40:00Z"), &at), 0);
    assert_int_equal(at, 1763718000);
    assert_true(moment_parse(SLICE("2025-11-21"), &at) < 0);
    assert_true(moment_parse(SLICE("2025-11-21T09:40:00+01:00"), &at) < 0);
    assert_true(moment_parse(SLICE(""), &at) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_one_creates_it),
        cmocka_unit_test(the_holder_renews_without_asking_and_stops_after_ten_seconds),
        cmocka_unit_test(it_is_taken_when_it_was_seen_unchanged_for_its_time),
        cmocka_unit_test(a_renewal_of_the_holder_begins_the_time_anew),
        cmocka_unit_test(what_was_given_back_is_taken_at_once),
        cmocka_unit_test(a_master_that_follows_takes_its_own_at_once),
        cmocka_unit_test(it_is_deleted_under_the_holder),
        cmocka_unit_test(as_an_object_and_back),
        cmocka_unit_test(moments),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
