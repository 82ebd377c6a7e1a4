/*
 * config.c - `weir config [DIR] [flags]`: the resolved dynamic configuration as JSON, as /api/rawdata will show it.
 *
 * Errors of objects are part of the JSON; only what cannot be read at all (static configuration, a provider) is an exit
 * status of 1. Secrets are shown as *** by the encoders.
 */
#include <stdio.h>

#include "common/base/text.h"
#include "common/face.h"
#include "master/resolve/resolve.h"
#include "master/tools/common.h"

int face_config(int argc, char **argv)
{
    struct tool tool;
    struct text text;
    struct error why;
    int status = 1;

    text_init(&text);
    if (tool_load(&tool, argc, argv) == 0) {
        tool_warn_of_choice(&tool);
        if (tool_compile(&tool, 0, &why) < 0) {
            fprintf(stderr, "error: %s\n", why.text);
        } else {
            status = tool.failures ? 1 : 0;
        }
        model_to_json(tool.model, &text);
        text_add_char(&text, '\n');
        if (fwrite(text.ptr, 1, text.len, stdout) != text.len || fflush(stdout) != 0) {
            perror("error: stdout");
            status = 1;
        }
    }
    tool_free(&tool);
    text_free(&text);
    return status;
}
