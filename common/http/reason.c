/*
 * reason.c - names and texts of the closed list in reason.h.
 */
#include "common/http/reason.h"

static const struct {
    const char *name, *text;
} reasons[REASON_KINDS] = {
#define REASON(name, text) [REASON_##name] = {#name, text},
    REASONS(REASON)
#undef REASON
};

const char *reason_name(enum reason reason)
{
    return (unsigned)reason < REASON_KINDS ? reasons[reason].name : "unknown";
}

const char *reason_text(enum reason reason)
{
    return (unsigned)reason < REASON_KINDS ? reasons[reason].text : "unknown";
}

bool reason_is_final(enum reason reason)
{
    switch ((int)reason) {
    case REASON_bad_request:
    case REASON_request_timeout:
    case REASON_head_too_large:
    case REASON_uri_too_long:
    case REASON_client_gone:
    case REASON_limit:
    case REASON_spool_full:
    case REASON_stopping:
    case REASON_unsupported:
        return true;
    default:
        return false;
    }
}
