/*
 * regex.c - compiles regular expressions with PCRE2 and matches with limits.
 *
 * What a match needs besides the code (match data, limits, a stack for JIT code) is kept for each thread,
 * so matching allocates nothing. PCRE2 works on valid UTF-8 only; a subject that is not is copied with
 * U+FFFD for each malformed byte.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "common/rule/regex_inner.h"
#include "common/rule/regex_tree.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "common/base/memory.h"
#include "common/base/process.h"

#define MATCH_LIMIT                                                                                          \
    500000 /* backtracking steps from one place of the subject: some milliseconds of JIT code */
#define EFFORT_NS 20000000   /* of the processor's time, for all of them */
#define EFFORT_EACH_NS 10000 /* and for each expression: ten times what most need */
/* What is done between two looks at the time. A step may walk over the whole subject, so these get fewer as it gets longer. */
#define STEPS_MOST 8192
#define STEPS_LEAST 16
#define STEP_BYTES ((size_t)1 << 20)
#define PLACES_MOST 64
#define PLACES_LEAST 8
#define PIECE_BYTES ((size_t)64 << 20)
#define HEAP_LIMIT_KIB 8192 /* of the interpreter, in tools and where JIT is not available */
#define JIT_STACK_FIRST (32 * 1024)
#define JIT_STACK_MAX (512 * 1024)
#define COMPILE_NEST_LIMIT 2000

struct regex {
    pcre2_code *code;
    bool jit;
    bool anchored; /* a match starts at the first place, or nowhere */
    size_t captures;
    struct slice *names; /* captures + 1 of them, in one piece with their text */
};

struct regex_thread {
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
};

static pthread_key_t thread_key;
static pthread_once_t thread_once = PTHREAD_ONCE_INIT;
static __thread struct regex_thread *thread_state;

static void thread_free(void *state)
{
    struct regex_thread *thread = state;

    pcre2_match_data_free(thread->data);
    pcre2_match_context_free(thread->context);
    pcre2_jit_stack_free(thread->stack);
    free(thread);
    thread_state = NULL;
}

static void thread_key_make(void)
{
    if (pthread_key_create(&thread_key, thread_free) != 0) {
        abort();
    }
}

/* NULL when memory is out: then nothing matches. */
static struct regex_thread *thread_get(void)
{
    if (thread_state) {
        return thread_state;
    }
    pthread_once(&thread_once, thread_key_make);

    struct regex_thread *thread = xcalloc(1, sizeof(*thread));

    thread->data = pcre2_match_data_create(REGEX_MAX_CAPTURES + 1, NULL);
    thread->context = pcre2_match_context_create(NULL);
    thread->stack = pcre2_jit_stack_create(JIT_STACK_FIRST, JIT_STACK_MAX, NULL);
    if (!thread->data || !thread->context) {
        thread_free(thread);
        return NULL;
    }
    pcre2_set_heap_limit(thread->context, HEAP_LIMIT_KIB);
    if (thread->stack) {
        pcre2_jit_stack_assign(thread->context, NULL, thread->stack);
    }
    pthread_setspecific(thread_key, thread);
    thread_state = thread;
    return thread;
}

/* ---- compiling ---- */

static int compile_text(struct slice pattern, struct slice text, bool caseless, pcre2_code **out,
                        struct error *why)
{
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    uint32_t options = PCRE2_UTF | PCRE2_NO_UTF_CHECK | PCRE2_DOTALL | PCRE2_DOLLAR_ENDONLY |
                       PCRE2_NEVER_BACKSLASH_C | PCRE2_NEVER_UCP | PCRE2_USE_OFFSET_LIMIT |
                       (caseless ? PCRE2_CASELESS : 0);
    int number = PCRE2_ERROR_NOMEMORY;
    PCRE2_SIZE at = 0;
    PCRE2_UCHAR8 message[160] = "out of memory";

    if (context) {
        pcre2_set_newline(context, PCRE2_NEWLINE_LF);
        pcre2_set_parens_nest_limit(context, COMPILE_NEST_LIMIT);
        *out = pcre2_compile((PCRE2_SPTR)text.ptr, text.len, options, &number, &at, context);
        pcre2_compile_context_free(context);
        if (*out) {
            return 0;
        }
        pcre2_get_error_message(number, message, sizeof(message));
    }
    return error_set(why, number == PCRE2_ERROR_NOMEMORY ? -ENOMEM : -EINVAL,
                     "error parsing regexp: %s: `%.*s%s`", (const char *)message,
                     SLICE_ARG(slice_head(pattern, 120)), pattern.len > 120 ? "..." : "");
}

static bool is_anchored(const pcre2_code *code)
{
    uint32_t options = 0;

    return pcre2_pattern_info(code, PCRE2_INFO_ALLOPTIONS, &options) == 0 && (options & PCRE2_ANCHORED);
}

static struct slice *copy_names(const struct regex_tree *tree)
{
    size_t bytes = (tree->captures + 1) * sizeof(struct slice), at = bytes;

    for (size_t i = 0; i <= tree->captures; i++) {
        bytes += tree->names[i].len;
    }
    struct slice *names = xcalloc(1, bytes);

    for (size_t i = 0; i <= tree->captures; i++) {
        names[i] = slice_of((char *)names + at, tree->names[i].len);
        if (names[i].len) {
            memcpy((char *)names + at, tree->names[i].ptr, names[i].len);
        }
        at += names[i].len;
    }
    return names;
}

int regex_compile(struct slice pattern, bool jit, struct regex **out, struct error *why)
{
    struct pool *pool = pool_new(4096, 0);
    struct regex_tree tree;
    struct text text;
    pcre2_code *code = NULL;
    int rc = regex_parse(pool, pattern, &tree, why);

    text_init(&text);
    if (rc == 0) {
        bool caseless = regex_write(&tree, &text);

        rc = compile_text(pattern, text_slice(&text), caseless, &code, why);
    }
    if (rc == 0) {
        struct regex *regex = xcalloc(1, sizeof(*regex));

        regex->code = code;
        regex->jit = jit && pcre2_jit_compile(code, PCRE2_JIT_COMPLETE) == 0;
        regex->anchored = is_anchored(code);
        regex->captures = tree.captures;
        regex->names = copy_names(&tree);
        *out = regex;
    }
    text_free(&text);
    pool_free(pool);
    return rc;
}

void regex_free(struct regex *regex)
{
    if (regex) {
        pcre2_code_free(regex->code);
        free(regex->names);
        free(regex);
    }
}

/* ---- subjects ---- */

static bool is_utf8(struct slice s)
{
    size_t i = 0;
    uint32_t rune;

    while (i < s.len) {
        uint64_t word;

        while (s.len - i >= sizeof(word)) {
            memcpy(&word, s.ptr + i, sizeof(word));
            if (word & 0x8080808080808080ULL) {
                break;
            }
            i += sizeof(word);
        }
        if (i == s.len) {
            break;
        }
        size_t n = (unsigned char)s.ptr[i] < 0x80 ? 1 : regex_decode(slice_from(s, i), &rune);

        if (n == 0) {
            return false;
        }
        i += n;
    }
    return true;
}

bool regex_subject_open(struct regex_subject *subject, struct slice text)
{
    *subject = (struct regex_subject){.given = text, .text = text};
    if (is_utf8(text)) {
        return true;
    }
    if (text.len > SIZE_MAX / 16) {
        return false;
    }
    char *copy = malloc(text.len * 3);
    size_t *origin = malloc((text.len * 3 + 1) * sizeof(*origin)), len = 0;

    if (!copy || !origin) {
        free(copy);
        free(origin);
        return false;
    }
    for (size_t i = 0; i < text.len;) {
        uint32_t rune;
        size_t n = regex_decode(slice_from(text, i), &rune);
        const char *from = n ? text.ptr + i : "\xef\xbf\xbd";
        size_t width = n ? n : 3;

        for (size_t j = 0; j < width; j++) {
            copy[len] = from[j];
            origin[len++] = n ? i + j : i;
        }
        i += n ? n : 1;
    }
    origin[len] = text.len;
    subject->copy = copy;
    subject->origin = origin;
    subject->text = slice_of(copy, len);
    return true;
}

void regex_subject_close(struct regex_subject *subject)
{
    free(subject->copy);
    free(subject->origin);
}

/* ---- running, within bounds ---- */

static int64_t processor_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

bool regex_effort_left(struct regex_effort *effort)
{
    int64_t now = process_clock_ns(), most = EFFORT_NS + effort->more_ns;

    if (effort->begun_ns == 0) {
        effort->begun_ns = now;
        effort->processor_ns = processor_ns();
        return true;
    }
    /* that of the processor is the one that counts, and costs a call of the kernel */
    return now - effort->begun_ns < most || processor_ns() - effort->processor_ns < most;
}

void regex_effort_more(struct regex_effort *effort)
{
    effort->more_ns += EFFORT_EACH_NS;
}

struct run {
    const struct regex *regex;
    struct regex_thread *thread;
    struct slice text;
    struct regex_effort *effort;
    uint32_t steps; /* to begin with, from each place */
    size_t places;  /* that are tried at once */
};

static size_t clamp(size_t number, size_t least, size_t most)
{
    return number < least ? least : number > most ? most : number;
}

static void set_pieces(struct run *run)
{
    size_t len = run->text.len + 1;

    run->steps = (uint32_t)clamp(STEP_BYTES / len, STEPS_LEAST, STEPS_MOST);
    run->places = clamp(PIECE_BYTES / run->steps / len, PLACES_LEAST, PLACES_MOST);
}

/* A match that starts between these two places. PCRE2 counts the steps anew at each place. */
static int try_places(const struct run *run, size_t from, size_t last, uint32_t steps)
{
    struct regex_thread *thread = run->thread;
    PCRE2_SPTR text = (PCRE2_SPTR)(run->text.ptr ? run->text.ptr : "");

    pcre2_set_offset_limit(thread->context, last);
    pcre2_set_match_limit(thread->context, steps);
    return run->regex->jit ? pcre2_jit_match(run->regex->code, text, run->text.len, from, 0, thread->data,
                                             thread->context)
                           : pcre2_match(run->regex->code, text, run->text.len, from, PCRE2_NO_UTF_CHECK,
                                         thread->data, thread->context);
}

/* With all the steps that there are: twice as many each time, so that no time is much longer than all before. */
static int try_hard(const struct run *run, size_t from, size_t last)
{
    for (uint32_t steps = run->steps;; steps = steps < MATCH_LIMIT / 2 ? 2 * steps : MATCH_LIMIT) {
        int rc = try_places(run, from, last, steps);

        if (rc != PCRE2_ERROR_MATCHLIMIT || steps == MATCH_LIMIT || !regex_effort_left(run->effort)) {
            return rc;
        }
    }
}

/* Where a character begins, at that place or behind. */
static size_t begin_of_next(struct slice text, size_t at)
{
    while (at < text.len && ((unsigned char)text.ptr[at] & 0xc0) == 0x80) {
        at++;
    }
    return at;
}

static int try_each(const struct run *run, size_t from, size_t last)
{
    int rc = PCRE2_ERROR_NOMATCH;

    while (from <= last && rc == PCRE2_ERROR_NOMATCH) {
        rc = try_hard(run, from, from);
        if (rc == PCRE2_ERROR_NOMATCH && !regex_effort_left(run->effort)) {
            return PCRE2_ERROR_MATCHLIMIT;
        }
        from = begin_of_next(run->text, from + 1);
    }
    return rc;
}

static int try_all(const struct run *run, size_t from)
{
    for (;;) {
        size_t next = from + run->places;
        bool final = next > run->text.len;
        int rc = try_places(run, from, final ? PCRE2_UNSET : next - 1, run->steps);

        if (rc == PCRE2_ERROR_MATCHLIMIT) {
            rc = try_each(run, from, final ? run->text.len : next - 1);
        }
        if (rc != PCRE2_ERROR_NOMATCH || final) {
            return rc;
        }
        if (!regex_effort_left(run->effort)) {
            return PCRE2_ERROR_MATCHLIMIT;
        }
        from = begin_of_next(run->text, next);
    }
}

int regex_run(const struct regex *regex, const struct regex_subject *subject, size_t from,
              struct regex_effort *effort, size_t **spans)
{
    struct run run = {.regex = regex, .thread = thread_get(), .text = subject->text, .effort = effort};
    int rc;

    if (!run.thread) {
        return REGEX_RUN_LIMIT;
    }
    set_pieces(&run);
    rc = regex->anchored ? try_hard(&run, from, PCRE2_UNSET) : try_all(&run, from);
    if (rc == PCRE2_ERROR_NOMATCH) {
        return 0;
    }
    if (rc <= 0) {
        return REGEX_RUN_LIMIT;
    }
    if (spans) {
        *spans = pcre2_get_ovector_pointer(run.thread->data);
    }
    return rc;
}

/* ---- matching ---- */

size_t regex_captures(const struct regex *regex)
{
    return regex->captures;
}

struct slice regex_capture_name(const struct regex *regex, size_t number)
{
    return regex->names[number];
}

static enum regex_result result_of(int run)
{
    return run > 0 ? REGEX_MATCH : run == 0 ? REGEX_NO_MATCH : REGEX_LIMIT;
}

static enum regex_result test(const struct regex *regex, struct slice text, struct regex_effort *effort)
{
    struct regex_subject subject;

    if (regex == NULL || !regex_subject_open(&subject, text)) {
        return REGEX_LIMIT;
    }
    int rc = regex_run(regex, &subject, 0, effort, NULL);

    regex_subject_close(&subject);
    return result_of(rc);
}

enum regex_result regex_test(const struct regex *regex, struct slice text)
{
    struct regex_effort effort = {0};

    return test(regex, text, &effort);
}

enum regex_result regex_test_among(const struct regex *regex, struct slice text, struct regex_effort *effort)
{
    bool first = !effort->used;

    effort->used = true;
    return first || regex_effort_left(effort) ? test(regex, text, effort) : REGEX_LIMIT;
}

bool regex_match(const struct regex *regex, struct slice text)
{
    return regex_test(regex, text) == REGEX_MATCH;
}

struct slice regex_span(const struct regex_subject *subject, const size_t *spans, size_t number)
{
    size_t start = spans[2 * number], end = spans[2 * number + 1];

    if (start == PCRE2_UNSET || end < start) {
        return slice_of("", 0);
    }
    if (subject->origin) {
        start = subject->origin[start];
        end = subject->origin[end];
    }
    return slice_head(slice_from(subject->given, start), end - start);
}

enum regex_result regex_find(const struct regex *regex, struct slice text, struct slice *match)
{
    struct regex_effort effort = {0};
    struct regex_subject subject;
    size_t *spans = NULL;

    if (regex == NULL || !regex_subject_open(&subject, text)) {
        return REGEX_LIMIT;
    }
    int rc = regex_run(regex, &subject, 0, &effort, &spans);

    if (rc > 0) {
        *match = regex_span(&subject, spans, 0);
    }
    regex_subject_close(&subject);
    return result_of(rc);
}
