/*
 * middlewares_content.c - the options of the middlewares that change or replace what is sent.
 *
 * Names and defaults as in Traefik. Not here: the list of all kinds, headers (middlewares.c).
 */
#include "common/model/middlewares.h"
#include "common/model/rows.h"

static const struct schema_field encoded_characters_filter_fields[] = {
    ROW("allowEncodedSlash", BOOL, struct encoded_characters_filter, allow_encoded_slash, .flags = OMIT,
        .text = "Let %2F in the path pass."),
    ROW("allowEncodedBackSlash", BOOL, struct encoded_characters_filter, allow_encoded_back_slash,
        .flags = OMIT, .text = "Let %5C in the path pass."),
    ROW("allowEncodedNullCharacter", BOOL, struct encoded_characters_filter, allow_encoded_null_character,
        .flags = OMIT, .text = "Let %00 in the path pass."),
    ROW("allowEncodedSemicolon", BOOL, struct encoded_characters_filter, allow_encoded_semicolon,
        .flags = OMIT, .text = "Let %3B in the path pass."),
    ROW("allowEncodedPercent", BOOL, struct encoded_characters_filter, allow_encoded_percent, .flags = OMIT,
        .text = "Let %25 in the path pass."),
    ROW("allowEncodedQuestionMark", BOOL, struct encoded_characters_filter, allow_encoded_question_mark,
        .flags = OMIT, .text = "Let %3F in the path pass."),
    ROW("allowEncodedHash", BOOL, struct encoded_characters_filter, allow_encoded_hash, .flags = OMIT,
        .text = "Let %23 in the path pass."),
};
const struct schema encoded_characters_filter_schema =
    SCHEMA(struct encoded_characters_filter, "encodedCharacters", encoded_characters_filter_fields);

static const struct schema_field errors_fields[] = {
    ROW("status", STRINGS, struct errors, status, .flags = OMIT,
        .text = "Statuses (or ranges, 500-599) whose answers are replaced."),
    ROW("statusRewrites", DOC, struct errors, status_rewrites, .flags = OMIT,
        .text = "Statuses (or ranges) to the status that the client gets."),
    ROW("service", STRING, struct errors, service, .flags = OMIT, .text = "Service that gives the page."),
    ROW("query", STRING, struct errors, query, .flags = OMIT,
        .text = "Path that it is asked for, with {status}, {originalStatus} and {url}."),
    ROW("errorRequestHeaders", STRINGS, struct errors, error_request_headers, .flags = OMIT,
        .text = "Headers of the request that it gets; all when empty."),
};
const struct schema errors_schema = SCHEMA(struct errors, "errors", errors_fields);

static const struct schema_field compress_fields[] = {
    ROW("excludedContentTypes", STRINGS, struct compress, excluded_content_types, .flags = OMIT,
        .text = "Content types that are left as they are."),
    ROW("includedContentTypes", STRINGS, struct compress, included_content_types, .flags = OMIT,
        .text = "Only these are compressed."),
    ROW("minResponseBodyBytes", INT, struct compress, min_response_body_bytes, .flags = OMIT, .min = 0,
        .max = 9.3e18, .text = "Shorter bodies are left as they are; 1024 when 0."),
    ROW("encodings", STRINGS, struct compress, encodings, .flags = OMIT, .fallback = "gzip,br,zstd",
        .text = "Encodings in order of preference."),
    ROW("defaultEncoding", STRING, struct compress, default_encoding, .flags = OMIT,
        .text = "Encoding for clients that send no Accept-Encoding."),
};
const struct schema compress_schema = SCHEMA(struct compress, "compress", compress_fields);

static const struct schema_field content_type_fields[] = {
    ROW("autoDetect", OPT_BOOL, struct content_type, auto_detect, .flags = OMIT | SCHEMA_DEPRECATED,
        .text = "Leave it away: this middleware is what detects."),
};
const struct schema content_type_schema = SCHEMA(struct content_type, "contentType", content_type_fields);

static const struct schema_field grpc_web_fields[] = {
    ROW("allowOrigins", STRINGS, struct grpc_web, allow_origins, .flags = OMIT,
        .text = "Origins that may ask; * for all."),
};
const struct schema grpc_web_schema = SCHEMA(struct grpc_web, "grpcWeb", grpc_web_fields);
