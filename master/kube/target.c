/*
 * target.c - contract in target.h.
 */
#include "master/kube/target.h"

#include "common/base/memory.h"

void kube_add_escaped(struct text *out, struct slice value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                     (c && strchr("-._~", c));

        if (plain) {
            text_add_char(out, (char)c);
        } else {
            text_printf(out, "%%%02X", (unsigned)c);
        }
    }
}

char *kube_target(const struct kube_question *question)
{
    const struct kube_resource *resource = question->resource;
    struct text target;
    char *copy;

    text_init(&target);
    text_printf(&target, "/%s%s%s/%s/", resource->group[0] ? "apis" : "api", resource->group[0] ? "/" : "",
                resource->group, resource->version);
    if (question->namespace.len) {
        text_add_cstr(&target, "namespaces/");
        kube_add_escaped(&target, question->namespace);
        text_add_char(&target, '/');
    }
    text_printf(&target, "%s?", resource->plural);
    if (question->selector.len && resource->selectable) {
        text_add_cstr(&target, "labelSelector=");
        kube_add_escaped(&target, question->selector);
        text_add_char(&target, '&');
    }
    if (question->name.len) {
        text_add_cstr(&target, "fieldSelector=metadata.name%3D");
        kube_add_escaped(&target, question->name);
        text_add_char(&target, '&');
    }
    copy = xstrndup(target.ptr, target.len);
    text_free(&target);
    return copy;
}
