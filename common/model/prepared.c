/*
 * prepared.c - how prepared middlewares are packed. See prepared.h. Nobody writes these as options: names are for people who read
 * dumps.
 */
#include "common/model/prepared.h"
#include "common/model/rows.h"

static const struct schema_field client_fields[] = {
    ROW("depth", INT, struct prepared_client, depth),
    ROW("excluded", STRING, struct prepared_client, excluded),
    ROW("ipv6Bits", INT, struct prepared_client, ipv6_bits),
};
static const struct schema client_schema = SCHEMA(struct prepared_client, "client", client_fields);

static const struct schema_field ip_list_fields[] = {
    ROW("allowed", STRING, struct prepared_ip_list, allowed),
    ROW("client", STRUCT, struct prepared_ip_list, client, .sub = &client_schema),
    ROW("rejectStatus", INT, struct prepared_ip_list, reject_status),
};
static const struct schema ip_list_schema = SCHEMA(struct prepared_ip_list, "ipList", ip_list_fields);

static const struct schema_field errors_fields[] = {
    ROW("statuses", STRING, struct prepared_errors, statuses),
    ROW("rewrites", STRING, struct prepared_errors, rewrites),
    ROW("query", STRING, struct prepared_errors, query),
    ROW("allHeaders", BOOL, struct prepared_errors, all_headers),
    ROW("headers", STRINGS, struct prepared_errors, headers),
};
static const struct schema errors_prepared_schema = SCHEMA(struct prepared_errors, "errors", errors_fields);

const struct schema *middleware_prepared_schema(enum middleware_kind kind)
{
    static const struct schema *const schemas[MIDDLEWARE_KINDS] = {
        [MIDDLEWARE_ip_white_list] = &ip_list_schema,
        [MIDDLEWARE_ip_allow_list] = &ip_list_schema,
        [MIDDLEWARE_errors] = &errors_prepared_schema,
    };

    return kind < MIDDLEWARE_KINDS ? schemas[kind] : NULL;
}

const struct schema *middleware_stored_schema(enum middleware_kind kind)
{
    const struct schema *prepared = middleware_prepared_schema(kind);

    return prepared ? prepared : middleware_kind_schema(kind);
}
