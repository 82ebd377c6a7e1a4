/*
 * regex_class.c - character classes of Go's regular expressions: [a-z], [[:alpha:]], \d, \pL, \p{Greek}.
 */
#include "common/rule/regex_tree.h"

static struct regex_item *add_item(struct regex_parser *p, struct regex_class *class,
                                   enum regex_item_kind kind)
{
    class->items = pool_grow(p->pool, class->items, class->count, &class->capacity, sizeof(*class->items));
    class->items[class->count] = (struct regex_item){.kind = kind};
    return &class->items[class->count++];
}

/* Letters only, the first upper, the rest lower: how Go compares property names. */
static size_t canonical_name(struct slice name, char *out, size_t size)
{
    size_t len = 0;

    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.ptr[i];

        if (c == '_' || c == '-' || c == ' ') {
            continue;
        }
        if (len + 1 >= size || c >= 0x80) {
            return 0;
        }
        c = ascii_lower(c);
        out[len] = (char)(len == 0 && c >= 'a' && c <= 'z' ? c - 32 : c);
        len++;
    }
    out[len] = 0;
    return len;
}

static const char *category(const char *name)
{
    static const char *const categories[] = {"C",  "Cc", "Cf", "Cn", "Co", "Cs", "L",  "Ll", "Lm", "Lo",
                                             "Lt", "Lu", "M",  "Mc", "Me", "Mn", "N",  "Nd", "Nl", "No",
                                             "P",  "Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps", "S",  "Sc",
                                             "Sk", "Sm", "So", "Z",  "Zl", "Zp", "Zs"};
    static const struct {
        const char *name, *category;
    } aliases[] = {
        {"Lc", "L&"},
        {"Casedletter", "L&"},
        {"Closepunctuation", "Pe"},
        {"Combiningmark", "M"},
        {"Connectorpunctuation", "Pc"},
        {"Control", "Cc"},
        {"Currencysymbol", "Sc"},
        {"Dashpunctuation", "Pd"},
        {"Decimalnumber", "Nd"},
        {"Enclosingmark", "Me"},
        {"Finalpunctuation", "Pf"},
        {"Format", "Cf"},
        {"Initialpunctuation", "Pi"},
        {"Letter", "L"},
        {"Letternumber", "Nl"},
        {"Lineseparator", "Zl"},
        {"Lowercaseletter", "Ll"},
        {"Mark", "M"},
        {"Mathsymbol", "Sm"},
        {"Modifierletter", "Lm"},
        {"Modifiersymbol", "Sk"},
        {"Nonspacingmark", "Mn"},
        {"Number", "N"},
        {"Openpunctuation", "Ps"},
        {"Other", "C"},
        {"Otherletter", "Lo"},
        {"Othernumber", "No"},
        {"Otherpunctuation", "Po"},
        {"Othersymbol", "So"},
        {"Paragraphseparator", "Zp"},
        {"Privateuse", "Co"},
        {"Punctuation", "P"},
        {"Separator", "Z"},
        {"Spaceseparator", "Zs"},
        {"Spacingmark", "Mc"},
        {"Surrogate", "Cs"},
        {"Symbol", "S"},
        {"Titlecaseletter", "Lt"},
        {"Unassigned", "Cn"},
        {"Uppercaseletter", "Lu"},
        {"Cntrl", "Cc"},
        {"Digit", "Nd"},
        {"Punct", "P"},
        {"Any", "Any"},
    };

    for (size_t i = 0; i < ARRAY_LEN(categories); i++) {
        if (strcmp(categories[i], name) == 0) {
            return categories[i];
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(aliases); i++) {
        if (strcmp(aliases[i].name, name) == 0) {
            return aliases[i].category;
        }
    }
    return NULL;
}

static int add_property(struct regex_parser *p, struct regex_class *class, struct slice name, bool negated,
                        struct slice where)
{
    char canonical[64];
    size_t len = canonical_name(name, canonical, sizeof(canonical));
    const char *known = category(canonical);

    if (len == 0) {
        return regex_fail(p, "invalid character class range", where);
    }
    if (strcmp(canonical, "Ascii") == 0) {
        add_item(p, class, ITEM_POSIX)->text = negated ? SLICE("[:^ascii:]") : SLICE("[:ascii:]");
        return 0;
    }
    struct regex_item *item = add_item(p, class, ITEM_UNICODE);

    item->negated = negated;
    if (strcmp(canonical, "Assigned") == 0) {
        item->negated = !negated;
        item->text = SLICE("Cn");
        return 0;
    }
    for (size_t i = 0; !known && i < len; i++) {
        if (ascii_lower((unsigned char)canonical[i]) < 'a' ||
            ascii_lower((unsigned char)canonical[i]) > 'z') {
            return regex_fail(p, "invalid character class range", where);
        }
    }
    /* what is no category is a script: PCRE2 compares the name loosely, and refuses what it does not know */
    item->text = known ? slice_cstr(known) : pool_printf(p->pool, "sc:%s", canonical);
    return 0;
}

/* \pL, \PL, \p{Greek}, \p{^Greek} */
static int parse_property(struct regex_parser *p, struct regex_class *class)
{
    struct slice whole = p->rest, name;
    bool negated = whole.ptr[1] == 'P';
    uint32_t rune;

    p->rest = slice_from(p->rest, 2);
    if (p->rest.len && p->rest.ptr[0] == '{') {
        ptrdiff_t end = slice_find(p->rest, '}');

        if (end < 0) {
            return regex_fail(p, "invalid character class range", whole);
        }
        name = slice_head(slice_from(p->rest, 1), (size_t)end - 1);
        p->rest = slice_from(p->rest, (size_t)end + 1);
    } else {
        name = p->rest;

        int rc = regex_next_rune(p, &rune);

        if (rc < 0) {
            return rc;
        }
        name = slice_head(name, name.len - p->rest.len);
    }
    if (name.len && name.ptr[0] == '^') {
        negated = !negated;
        name = slice_from(name, 1);
    }
    return add_property(p, class, name, negated, slice_head(whole, whole.len - p->rest.len));
}

int regex_parse_class_escape(struct regex_parser *p, struct regex_class *class, bool *found)
{
    *found = true;
    if (p->rest.len >= 2 && p->rest.ptr[0] == '\\' && p->rest.ptr[1]) {
        if (p->rest.ptr[1] == 'p' || p->rest.ptr[1] == 'P') {
            return p->rest.len > 2 ? parse_property(p, class)
                                   : regex_fail(p, "invalid character class range", p->rest);
        }
        if (strchr("dDsSwW", p->rest.ptr[1])) {
            add_item(p, class, ITEM_PERL)->text = slice_head(slice_from(p->rest, 1), 1);
            p->rest = slice_from(p->rest, 2);
            return 0;
        }
    }
    *found = false;
    return 0;
}

/* [:alpha:] at p->rest. */
static int parse_posix(struct regex_parser *p, struct regex_class *class, bool *found)
{
    static const char *const names[] = {"alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph",
                                        "lower", "print", "punct", "space", "upper", "word",  "xdigit"};
    ptrdiff_t end = slice_find_slice(slice_from(p->rest, 2), SLICE(":]"));

    *found = end >= 0;
    if (end < 0) {
        return 0;
    }
    struct slice whole = slice_head(p->rest, (size_t)end + 4),
                 name = slice_head(slice_from(p->rest, 2), (size_t)end);

    if (name.len && name.ptr[0] == '^') {
        name = slice_from(name, 1);
    }
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (slice_eq(name, slice_cstr(names[i]))) {
            add_item(p, class, ITEM_POSIX)->text = whole;
            p->rest = slice_from(p->rest, whole.len);
            return 0;
        }
    }
    return regex_fail(p, "invalid character class range", whole);
}

static int parse_class_rune(struct regex_parser *p, struct slice whole, uint32_t *rune)
{
    if (p->rest.len == 0) {
        return regex_fail(p, "missing closing ]", whole);
    }
    return p->rest.ptr[0] == '\\' ? regex_parse_escape(p, rune) : regex_next_rune(p, rune);
}

static int parse_range(struct regex_parser *p, struct regex_class *class, struct slice whole)
{
    struct slice before = p->rest;
    uint32_t low, high;
    int rc = parse_class_rune(p, whole, &low);

    if (rc < 0) {
        return rc;
    }
    high = low;
    if (p->rest.len >= 2 && p->rest.ptr[0] == '-' && p->rest.ptr[1] != ']') {
        p->rest = slice_from(p->rest, 1);
        if ((rc = parse_class_rune(p, whole, &high)) < 0) {
            return rc;
        }
        if (high < low) {
            return regex_fail(p, "invalid character class range",
                              slice_head(before, before.len - p->rest.len));
        }
    }
    struct regex_item *item = add_item(p, class, ITEM_RANGE);

    item->low = low;
    item->high = high;
    return 0;
}

int regex_parse_class(struct regex_parser *p, struct regex_node **out)
{
    struct regex_node *node = regex_node(p, REGEX_CLASS);
    struct regex_class *class = node->class = pool_zalloc(p->pool, sizeof(*class));
    struct slice whole = p->rest;

    p->rest = slice_from(p->rest, 1);
    if (p->rest.len && p->rest.ptr[0] == '^') {
        class->negated = true;
        p->rest = slice_from(p->rest, 1);
    }
    for (bool first = true; p->rest.len == 0 || p->rest.ptr[0] != ']' || first; first = false) {
        bool found = false;
        int rc = 0;

        if (p->rest.len > 2 && p->rest.ptr[0] == '[' && p->rest.ptr[1] == ':') {
            rc = parse_posix(p, class, &found);
        }
        if (rc == 0 && !found) {
            rc = regex_parse_class_escape(p, class, &found);
        }
        if (rc == 0 && !found) {
            rc = parse_range(p, class, whole);
        }
        if (rc < 0) {
            return rc;
        }
    }
    p->rest = slice_from(p->rest, 1);
    *out = node;
    return 0;
}
