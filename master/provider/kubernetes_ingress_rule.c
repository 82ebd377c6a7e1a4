/*
 * kubernetes_ingress_rule.c - matchers as text, quoted as Traefik quotes them: the text is part of what users see.
 */
#include "common/base/text.h"
#include "master/provider/kubernetes_ingress.h"

/* As Go's %q. Text of documents is valid UTF-8, and stays as it is. */
static void quote(struct text *out, struct slice text)
{
    static const char escapes[] = "\aa\bb\ff\nn\rr\tt\vv\"\"\\\\";

    text_add_char(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        const char *escape = c ? strchr(escapes, c) : NULL;

        if (escape && (c < 0x20 || c == '"' || c == '\\')) {
            text_printf(out, "\\%c", escape[1]);
        } else if (c < 0x20 || c == 0x7f) {
            text_printf(out, "\\x%02x", c);
        } else {
            text_add_char(out, (char)c);
        }
    }
    text_add_char(out, '"');
}

void ingress_add_matcher(struct text *out, const char *matcher, struct slice path)
{
    text_printf(out, "%s(", matcher);
    quote(out, path);
    text_add_char(out, ')');
}
