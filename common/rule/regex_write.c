/*
 * regex_write.c - writes the tree of a regular expression in PCRE2's syntax.
 *
 * Every character that could mean something is escaped and every group spelled out, so the result depends
 * on nothing but the options regex.c compiles with: UTF, DOTALL, newline is LF, no UCP.
 */
#include "common/rule/regex_tree.h"

static void write_node(struct text *out, struct regex_node *node, bool folding);

static bool is_letter(uint32_t rune)
{
    return rune >= 0x80 ||
           (ascii_lower((unsigned char)rune) >= 'a' && ascii_lower((unsigned char)rune) <= 'z');
}

/* Where letter case matters and where not, bottom up. */
static void mark_case(struct regex_node *node)
{
    bool letters = node->op == REGEX_CLASS || (node->op == REGEX_LITERAL && is_letter(node->rune));

    node->has_fold = letters && node->fold;
    node->has_exact = letters && !node->fold;
    for (size_t i = 0; i < node->count; i++) {
        mark_case(node->subs[i]);
        node->has_fold = node->has_fold || node->subs[i]->has_fold;
        node->has_exact = node->has_exact || node->subs[i]->has_exact;
    }
}

static bool is_surrogate(uint32_t rune)
{
    return rune >= 0xd800 && rune < 0xe000;
}

static void write_rune(struct text *out, uint32_t rune)
{
    if (is_surrogate(rune)) {
        text_add_cstr(out, "(?!)"); /* no text holds one */
    } else if (rune >= 0x80 || rune < 0x20 || rune == 0x7f) {
        text_printf(out, "\\x{%x}", (unsigned)rune);
    } else {
        if (!is_letter(rune) && !(rune >= '0' && rune <= '9')) {
            text_add_char(out, '\\');
        }
        text_add_char(out, (char)rune);
    }
}

static void write_range(struct text *out, uint32_t low, uint32_t high)
{
    if (low < 0xd800 && high >= 0xe000) {
        write_range(out, low, 0xd7ff);
        write_range(out, 0xe000, high);
        return;
    }
    low = is_surrogate(low) ? 0xe000 : low;
    high = is_surrogate(high) ? 0xd7ff : high;
    if (low > high) {
        return;
    }
    write_rune(out, low);
    if (high > low) {
        text_add_char(out, '-');
        write_rune(out, high);
    }
}

static void write_perl_class(struct text *out, char c)
{
    switch (c) {
    case 's':
        text_add_cstr(out, "\\t\\n\\f\\r\\x20"); /* without the vertical tab */
        break;
    case 'S':
        text_add_cstr(out, "\\x{0}-\\x{8}\\x{b}\\x{e}-\\x{1f}\\x{21}-\\x{10ffff}");
        break;
    default:
        text_add_char(out, '\\');
        text_add_char(out, c);
    }
}

/* Under (?i) Go first adds the letters that differ by case only, which brings in U+017F (for s) and U+212A
 * (for k), and negates afterwards. PCRE2 would leave them out and fold the negated class. False when the
 * name needs nothing of it. */
static bool write_folded(struct text *out, struct slice name)
{
    static const char tail[] = "-\\x{17e}\\x{180}-\\x{2129}\\x{212b}-\\x{10ffff}";
    static const struct {
        const char *name, *ranges, *others; /* others ends where the tail begins */
    } sets[] = {
        {"alpha:]", "A-Za-z", "\\x{0}-\\@\\[-\\`\\{"},
        {"lower:]", "A-Za-z", "\\x{0}-\\@\\[-\\`\\{"},
        {"upper:]", "A-Za-z", "\\x{0}-\\@\\[-\\`\\{"},
        {"alnum:]", "0-9A-Za-z", "\\x{0}-\\/\\:-\\@\\[-\\`\\{"},
        {"word:]", "0-9A-Za-z_", "\\x{0}-\\/\\:-\\@\\[-\\^\\`\\{"},
        {"graph:]", "\\!-\\~", "\\x{0}-\\x{20}\\x{7f}"},
        {"print:]", "\\x{20}-\\~", "\\x{0}-\\x{1f}\\x{7f}"},
        {"ascii:]", "\\x{0}-\\x{7f}", "\\x{80}"},
    };
    bool perl = name.len == 1, negated = perl ? name.ptr[0] == 'W' : name.len > 2 && name.ptr[2] == '^';
    struct slice bare = !perl                                            ? slice_from(name, negated ? 3 : 2)
                        : ascii_lower((unsigned char)name.ptr[0]) == 'w' ? SLICE("word:]")
                                                                         : name;

    for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
        if (slice_eq(bare, slice_cstr(sets[i].name))) {
            text_add_cstr(out, negated ? sets[i].others : sets[i].ranges);
            text_add_cstr(out, negated ? tail : "");
            return true;
        }
    }
    return false;
}

static void write_property(struct text *out, const struct regex_item *item, bool fold)
{
    bool cased = slice_eq(item->text, SLICE("Lu")) || slice_eq(item->text, SLICE("Ll")) ||
                 slice_eq(item->text, SLICE("Lt"));

    text_printf(out, "\\%c{%.*s}", item->negated ? 'P' : 'p',
                SLICE_ARG(fold && cased ? SLICE("L&") : item->text));
}

static void write_class(struct text *out, const struct regex_class *class, bool fold)
{
    size_t before = out->len;

    text_add_cstr(out, class->negated ? "[^" : "[");
    size_t inside = out->len;

    for (size_t i = 0; i < class->count; i++) {
        const struct regex_item *item = &class->items[i];

        switch (item->kind) {
        case ITEM_RANGE:
            write_range(out, item->low, item->high);
            break;
        case ITEM_PERL:
            if (!fold || !write_folded(out, item->text)) {
                write_perl_class(out, item->text.ptr[0]);
            }
            break;
        case ITEM_POSIX:
            if (!fold || !write_folded(out, item->text)) {
                text_add(out, item->text);
            }
            break;
        case ITEM_UNICODE:
            write_property(out, item, fold);
            break;
        }
    }
    if (out->len > inside) {
        text_add_char(out, ']');
        return;
    }
    out->len = before; /* nothing but surrogates was named */
    text_add_cstr(out, class->negated ? "." : "(?!)");
}

static bool is_single(const struct regex_node *node)
{
    switch (node->op) {
    case REGEX_LITERAL:
        return !is_surrogate(node->rune);
    case REGEX_CLASS:
    case REGEX_ANY:
    case REGEX_ANY_NOT_LF:
    case REGEX_CAPTURE:
        return true;
    default:
        return false;
    }
}

static void write_repeat(struct text *out, const struct regex_node *node, bool folding)
{
    struct regex_node *sub = node->subs[0];
    bool group = !is_single(sub) || (!folding && sub->has_fold && !sub->has_exact);

    text_add_cstr(out, group ? "(?:" : "");
    write_node(out, sub, folding);
    text_add_cstr(out, group ? ")" : "");
    if (node->min == 0 && node->max == 1) {
        text_add_char(out, '?');
    } else if (node->max < 0 && node->min <= 1) {
        text_add_char(out, node->min ? '+' : '*');
    } else if (node->max < 0) {
        text_printf(out, "{%d,}", node->min);
    } else {
        text_printf(out, "{%d,%d}", node->min, node->max);
    }
    text_add_cstr(out, node->lazy ? "?" : "");
}

/* Runs of neighbours that ignore case share one (?i:...). */
static void write_concat(struct text *out, const struct regex_node *node, bool folding)
{
    bool open = false;

    for (size_t i = 0; i < node->count; i++) {
        struct regex_node *sub = node->subs[i];
        bool fold = !folding && sub->has_fold && !sub->has_exact;

        if (fold != open && (fold || sub->has_exact)) {
            text_add_cstr(out, fold ? "(?i:" : ")");
            open = fold;
        }
        write_node(out, sub, folding || open);
    }
    text_add_cstr(out, open ? ")" : "");
}

static void write_op(struct text *out, struct regex_node *node, bool folding)
{
    static const char *const fixed[] = {
        [REGEX_EMPTY] = "",
        [REGEX_ANY] = ".",
        [REGEX_ANY_NOT_LF] = "\\N",
        [REGEX_BEGIN_TEXT] = "\\A",
        [REGEX_END_TEXT] = "\\z",
        [REGEX_BEGIN_LINE] = "(?:\\A|(?<=\\n))",
        [REGEX_END_LINE] = "(?=\\n|\\z)",
        [REGEX_WORD_BOUNDARY] = "\\b",
        [REGEX_NO_WORD_BOUNDARY] = "\\B",
    };

    switch (node->op) {
    case REGEX_LITERAL:
        write_rune(out, node->rune);
        break;
    case REGEX_CLASS:
        write_class(out, node->class, node->fold);
        break;
    case REGEX_CAPTURE:
        text_add_char(out, '(');
        write_node(out, node->subs[0], folding);
        text_add_char(out, ')');
        break;
    case REGEX_REPEAT:
        write_repeat(out, node, folding);
        break;
    case REGEX_CONCAT:
        write_concat(out, node, folding);
        break;
    case REGEX_ALTERNATE:
        text_add_cstr(out, "(?:");
        for (size_t i = 0; i < node->count; i++) {
            text_add_cstr(out, i ? "|" : "");
            write_node(out, node->subs[i], folding);
        }
        text_add_char(out, ')');
        break;
    default:
        text_add_cstr(out, fixed[node->op]);
    }
}

static void write_node(struct text *out, struct regex_node *node, bool folding)
{
    bool fold = !folding && node->has_fold && !node->has_exact && node->op != REGEX_CONCAT;

    text_add_cstr(out, fold ? "(?i:" : "");
    write_op(out, node, folding || fold);
    text_add_cstr(out, fold ? ")" : "");
}

bool regex_write(const struct regex_tree *tree, struct text *out)
{
    mark_case(tree->root);

    bool caseless = tree->root->has_fold && !tree->root->has_exact;

    write_node(out, tree->root, caseless);
    return caseless;
}
