/* test_jwt.c - base64url, tokens, key sets and expressions over claims; signatures of every kind: test_middleware_jwt.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/http/jwk.h"
#include "common/rule/claims_expression.h"

static int set_up(void **state)
{
    *state = pool_new(4096, 0);
    return 0;
}

static int tear_down(void **state)
{
    pool_free(*state);
    return 0;
}

/* ---- base64url ---- */
static const struct {
    const char *text, *bytes; /* NULL: refused */
} coded[] = {
    {"", ""},           {"Zg", "f"},    {"Zm8", "fo"},  {"Zm9v", "foo"}, {"-_-_", "\xfb\xff\xbf"},
    {"Zm9vYg", "foob"}, {"Z", NULL},    {"Zh", NULL},   {"Zm9", NULL},   {"Zg==", NULL},
    {"Zm9v\n", NULL},   {"Zm+v", NULL}, {"Zm/v", NULL}, {" Zm9", NULL},  {"Zm9vY", NULL},
};

static void base64url(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(coded); i++) {
        struct slice out;
        bool good = base64url_decode(*state, slice_cstr(coded[i].text), &out);

        assert_int_equal(good, coded[i].bytes != NULL);
        assert_true(!good || slice_eq(out, slice_cstr(coded[i].bytes)));
    }
}

/* ---- tokens ---- */
/* RFC 7515 A.1. */
#define HEAD "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"
#define BODY "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
#define SIGNATURE "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
#define SECRET "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"

static void the_token_of_the_rfc(void **state)
{
    struct jwt_token token;
    struct slice secret;
    const struct doc *claims;

    assert_true(jwt_read(*state, SLICE(HEAD "." BODY "." SIGNATURE), &token));
    assert_true(base64url_decode(*state, SLICE(SECRET), &secret));
    assert_int_equal(token.algorithm, JWT_HS256);
    assert_false(token.has_kid);
    assert_true(jwt_verify_secret(&token, secret));
    assert_false(jwt_verify_secret(&token, slice_from(secret, 1)));
    claims = jwt_claims(*state, &token);
    assert_true(slice_eq(doc_text(doc_get(claims, "iss"), SLICE("")), SLICE("joe")));
    token.algorithm = JWT_RS256;
    assert_false(jwt_verify_secret(&token, secret));
    token.algorithm = JWT_HS512;
    assert_false(jwt_verify_secret(&token, secret));
}

static void what_is_no_token(void **state)
{
    static const char *const texts[] = {
        "",
        ".",
        "..",
        HEAD "." BODY,
        HEAD "." BODY ".",
        HEAD "." BODY "." SIGNATURE ".",
        HEAD "." BODY "." SIGNATURE "=",
        "e30." BODY "." SIGNATURE,                                /* {} */
        "eyJhbGciOiJub25lIn0." BODY "." SIGNATURE,                /* {"alg":"none"} */
        "eyJhbGciOiJIUzI1NiIsImNyaXQiOltdfQ." BODY "." SIGNATURE, /* crit */
        "eyJhbGciOiJIUzI1NiIsImtpZCI6MX0." BODY "." SIGNATURE,    /* "kid":1 */
        "eyJhbGciOiJIUzI1NiJ9eA." BODY "." SIGNATURE,             /* something behind it */
        "." BODY "." SIGNATURE,
    };

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct jwt_token token;

        if (jwt_read(*state, slice_cstr(texts[i]), &token)) {
            fail_msg("%s is taken", texts[i]);
        }
    }
}

static void keys_are_packed(void **state)
{
    struct error why;
    struct jwk *keys;
    struct jwk_packed packed;
    size_t count;

    assert_int_equal(
        jwk_read_set(*state, SLICE("t"),
                     SLICE("{\"keys\":[{\"kty\":\"oct\",\"k\":\"Zm9v\",\"kid\":\"a\",\"alg\":\"HS384\"},"
                           "{\"kty\":\"oct\",\"k\":\"Zm9v\",\"use\":\"enc\"}]}"),
                     &keys, &count, &why),
        0);
    assert_int_equal(count, 1);
    assert_true(jwk_unpack(jwk_pack(*state, keys), &packed));
    assert_int_equal(packed.algorithms, JWT_BIT(HS384));
    assert_false(packed.any_kid);
    assert_true(slice_eq(packed.material, SLICE("foo")));
    assert_false(jwk_unpack(SLICE("short"), &packed));
}

/* ---- claims ---- */
static const struct {
    const char *expression;
    int holds; /* -1: it is none */
} expressions[] = {
    {"Equals(`grp`, `admin`)", 1},
    {"Equals(\"grp\",\"admin\")", 1},
    {"Equals(`grp`, `user`)", 0},
    {"Equals(`active`, `true`) && Equals(`n`, `12`)", 1},
    {"Equals(`areas`, `home`)", 0},
    {"Equals(`user`, ``)", 0},
    {"Equals(`none`, `null`)", 0},
    {"Prefix(`referrer`, `http://example.com`)", 1},
    {"Prefix(`referrer`, `example`)", 0},
    {"Contains(`referrer`, `/foo/`)", 1},
    {"Contains(`areas`, `home`)", 1},
    {"Contains(`areas`, `hom`)", 0},
    {"Contains(`none`, ``)", 0},
    {"SplitContains(`scope`, ` `, `writer`)", 1},
    {"SplitContains(`scope`, ` `, `rite`)", 0},
    {"SplitContains(`scope`, ``, `r`)", 0},
    {"SplitContains(`scope`, `ader wri`, `ter deploy`)", 1},
    {"OneOf(`areas`, `office`, `lab`)", 1},
    {"OneOf(`areas`, `lab`)", 0},
    {"OneOf(`grp`, `admin`)", 0},
    {"!Equals(`grp`, `testers`)", 1},
    {"!!Equals(`grp`, `testers`)", 0},
    {"!(Equals(`grp`, `x`) || Equals(`grp`, `admin`))", 0},
    {"Equals(`a`,`b`) || Equals(`grp`,`admin`) && Equals(`active`,`false`)", 0},
    {"(Equals(`a`,`b`) || Equals(`grp`,`admin`)) && Equals(`active`,`true`)", 1},
    {"Equals(`user.name`, `John Snow`)", 1},
    {"Equals(`user.gone.more`, ``)", 0},
    {"Equals(`user.a\\.b`, `dot`)", 1},
    {"Equals(`user.c\\\\d`, `back`)", 1},
    {"Equals(`.`, `x`)", 0},
    {"", -1},
    {"Equals(`grp`)", -1},
    {"Equals(`grp`, `a`, `b`)", -1},
    {"SplitContains(`a`, `b`)", -1},
    {"OneOf(`a`)", -1},
    {"Equals(``, `a`)", -1},
    {"Equals(`a\\`, `b`)", -1},
    {"Equals(`a\\b`, `b`)", -1},
    {"Equals(grp, admin)", -1},
    {"Equals(`grp`, `admin)", -1},
    {"Equals(`grp`, `admin`", -1},
    {"Equals(`grp`, `admin`) Equals(`grp`, `admin`)", -1},
    {"Equals(`grp`, `admin`) &&", -1},
    {"Nope(`grp`, `admin`)", -1},
    {"(Equals(`grp`, `admin`)", -1},
    {"((((((((((((((((((((((Equals(`grp`,`admin`)", -1},
};

static void what_is_claimed(void **state)
{
    struct error why;
    struct doc *claims;

    assert_int_equal(
        doc_read_json(
            *state, SLICE("t"),
            SLICE("{\"active\":true,\"n\":12,\"grp\":\"admin\",\"scope\":\"reader writer deploy\","
                  "\"referrer\":\"http://example.com/foo/bar\",\"areas\":[\"office\",\"home\"],"
                  "\"none\":null,\"user\":{\"name\":\"John Snow\",\"a.b\":\"dot\",\"c\\\\d\":\"back\"}}"),
            &claims, &why),
        0);
    for (size_t i = 0; i < ARRAY_LEN(expressions); i++) {
        struct slice program;
        int holds = claims_expression_compile(*state, slice_cstr(expressions[i].expression), &program, &why)
                        ? claims_expression_holds(program, claims)
                        : -1;

        if (holds != expressions[i].holds) {
            fail_msg("%s: %d", expressions[i].expression, holds);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(base64url, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_token_of_the_rfc, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_token, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keys_are_packed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_claimed, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
