/*
 * encoded_characters_filter.c - refuses paths with certain characters in their encoded form (encodedCharacters).
 *
 * The path is looked at as it stands in the chain. Test: tests/integration/test_middleware_encoded_characters.py
 */
#include "common/http/path.h"
#include "worker/exchange.h"
#include "worker/middleware.h"

static enum mw_verdict on_request(struct exchange *ex, const void *params)
{
    const struct encoded_characters_filter *p = params;
    unsigned refused =
        (p->allow_encoded_slash ? 0U : PATH_SLASH) | (p->allow_encoded_back_slash ? 0U : PATH_BACK_SLASH) |
        (p->allow_encoded_null_character ? 0U : PATH_NULL) |
        (p->allow_encoded_semicolon ? 0U : PATH_SEMICOLON) | (p->allow_encoded_percent ? 0U : PATH_PERCENT) |
        (p->allow_encoded_question_mark ? 0U : PATH_QUESTION) | (p->allow_encoded_hash ? 0U : PATH_HASH);

    return path_encoded_refused(ex->request.raw_path, refused)
               ? exchange_answer_plain(ex, 400, REASON_encoded_character, SLICE(""))
               : MW_PASS;
}

const struct middleware_type mw_encoded_characters_filter = {.name = "encodedCharacters",
                                                             .on_request = on_request};
