/* The shell's language (parse.h). */
#include "apps/sh/parse.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_LEN = 64 };

/* ---- words ----------------------------------------------------------------------------------------- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool ends_word(char c)
{
    return c == '\0' || is_blank(c) || strchr("\r\n;&|<>()", c) != NULL;
}

/* The end of the word that begins at `at`; NULL: a quote is not closed. */
static const char *word_end(const char *at)
{
    char quote = 0;

    for (; quote != 0 || !ends_word(*at); at++) {
        if (*at == '\0')
            return NULL;
        if (*at == '\\' && quote != '\'' && at[1] != '\0')
            at++;
        else if (quote == 0 && (*at == '\'' || *at == '"'))
            quote = *at;
        else if (*at == quote)
            quote = 0;
    }
    return at;
}

/* ---- parsing --------------------------------------------------------------------------------------- */

struct parser {
    const char *at;
    struct script *script;
};

/* Room for one more element of `size` bytes in *array; NULL: no memory. */
static void *grow(void *array, size_t *n, size_t size)
{
    char **where = array;
    char *bigger = *n % 8 == 0 ? realloc(*where, (*n + 8) * size) : *where;

    if (bigger == NULL)
        return NULL;
    *where = bigger;
    return memset(bigger + (*n)++ * size, 0, size);
}

static const char *take_word(struct parser *p, struct raw_word *word)
{
    const char *end = word_end(p->at);

    if (end == NULL)
        return "a quote is not closed";
    word->text = p->at;
    word->len = (size_t)(end - p->at);
    p->at = end;
    return NULL;
}

static void skip_blanks(struct parser *p)
{
    while (is_blank(*p->at) || *p->at == '\r')
        p->at++;
}

static const char *take_redirect(struct parser *p, struct command *cmd)
{
    struct redirect *r = grow(&cmd->redirects, &cmd->nredirects, sizeof(*r));

    if (r == NULL)
        return "out of memory";
    r->kind = p->at[0] == '<' ? REDIRECT_IN : p->at[1] == '>' ? REDIRECT_APPEND : REDIRECT_OUT;
    p->at += r->kind == REDIRECT_APPEND ? 2 : 1;
    skip_blanks(p);
    if (ends_word(*p->at))
        return "a file name is missing after < or >";
    return take_word(p, &r->target);
}

/* One command, up to what ends it. */
static const char *take_command(struct parser *p, struct command *cmd)
{
    const char *wrong = NULL;

    while (wrong == NULL) {
        skip_blanks(p);
        if (*p->at == '#')
            p->at += strcspn(p->at, "\n");
        if (*p->at == '<' || *p->at == '>') {
            wrong = take_redirect(p, cmd);
        } else if (ends_word(*p->at)) {
            break;
        } else {
            struct raw_word *word = grow(&cmd->words, &cmd->nwords, sizeof(*word));

            wrong = word != NULL ? take_word(p, word) : "out of memory";
        }
    }
    return wrong;
}

/* What stands between two commands. */
static const char *take_operator(struct parser *p, enum join *join)
{
    *join = JOIN_ALWAYS;
    if (p->at[0] == '&' && p->at[1] == '&')
        *join = JOIN_AND;
    else if (p->at[0] == '|' && p->at[1] == '|')
        *join = JOIN_OR;
    else if (*p->at == '|')
        *join = JOIN_PIPE;
    else if (*p->at == '&')
        return "background commands are not supported";
    else if (*p->at == '(' || *p->at == ')')
        return "subshells are not supported";
    p->at += *join == JOIN_AND || *join == JOIN_OR ? 2 : *p->at != '\0';
    return NULL;
}

static bool is_empty(const struct command *cmd)
{
    return cmd->nwords == 0 && cmd->nredirects == 0;
}

static const char *parse_all(struct parser *p)
{
    enum join join = JOIN_ALWAYS;

    do {
        struct command *cmd = grow(&p->script->commands, &p->script->ncommands, sizeof(*cmd));
        enum join before = join;
        const char *wrong;

        if (cmd == NULL)
            return "out of memory";
        cmd->join = join;
        wrong = take_command(p, cmd);
        if (wrong == NULL)
            wrong = take_operator(p, &join);
        if (wrong != NULL)
            return wrong;
        if (is_empty(cmd) && (before != JOIN_ALWAYS || join != JOIN_ALWAYS))
            return "a command is missing beside && or || or |";
    } while (*p->at != '\0' || join != JOIN_ALWAYS);
    return NULL;
}

const char *script_parse(const char *text, struct script *script)
{
    struct parser p = { .at = text, .script = script };
    const char *wrong;

    memset(script, 0, sizeof(*script));
    wrong = parse_all(&p);
    if (wrong != NULL)
        script_free(script);
    return wrong;
}

void script_free(struct script *script)
{
    for (size_t i = 0; i < script->ncommands; i++) {
        free(script->commands[i].words);
        free(script->commands[i].redirects);
    }
    free(script->commands);
    memset(script, 0, sizeof(*script));
}

/* ---- expansion --------------------------------------------------------------------------------------- */

/* Text that grows. */
struct text {
    char *data;
    size_t len, size;
    bool failed;
};

static void add(struct text *t, const char *bytes, size_t n)
{
    if (t->len + n + 1 > t->size) {
        size_t size = (t->len + n + 1) * 2;
        char *bigger = realloc(t->data, size);

        if (bigger == NULL) {
            t->failed = true;
            return;
        }
        t->data = bigger;
        t->size = size;
    }
    memcpy(t->data + t->len, bytes, n);
    t->len += n;
    t->data[t->len] = '\0';
}

/* Bytes of the variable's name at `at`: "?", or letters, digits and underscores. */
static size_t name_len(const char *at, const char *end)
{
    size_t n = 0;

    if (at < end && *at == '?')
        return 1;
    while (at + n < end && (isalnum((unsigned char)at[n]) || at[n] == '_'))
        n++;
    return n;
}

/* Replace the variable at the dollar sign `at`; where to go on. A lone dollar sign stays. */
static const char *expand_variable(struct text *t, const char *at, const char *end,
                                   variable_fn variable)
{
    bool braces = at + 1 < end && at[1] == '{';
    const char *from = at + 1 + braces, *value;
    size_t n = name_len(from, end);
    char name[NAME_MAX_LEN + 1];

    if (n == 0 || n > NAME_MAX_LEN || (braces && (from + n == end || from[n] != '}'))) {
        add(t, at, 1);
        return at + 1;
    }
    memcpy(name, from, n);
    name[n] = '\0';
    value = variable(name);
    if (value != NULL)
        add(t, value, strlen(value));
    return from + n + braces;
}

char *word_expand(const struct raw_word *word, variable_fn variable, int *vanishes)
{
    const char *at = word->text, *end = at + word->len;
    struct text t = { .data = NULL };
    bool literal = false; /* something in it is there even if it is empty */
    char quote = 0;

    add(&t, "", 0);
    while (at < end) {
        if (*at == '$' && quote != '\'') {
            at = expand_variable(&t, at, end, variable);
            continue;
        }
        if (*at == '\\' && at + 1 < end &&
            (quote == 0 || (quote == '"' && strchr("\"\\$", at[1]) != NULL))) {
            add(&t, ++at, 1);
            literal = true;
        } else if (*at == quote || (quote == 0 && (*at == '\'' || *at == '"'))) {
            quote = quote == 0 ? *at : 0;
            literal = true;
        } else {
            add(&t, at, 1);
        }
        at++;
    }
    *vanishes = t.len == 0 && !literal;
    if (t.failed) {
        free(t.data);
        return NULL;
    }
    return t.data;
}
