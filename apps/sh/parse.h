/*
 * The shell's language, far smaller than POSIX's:
 *
 *     line    : pipe { (";" | "&&" | "||" | newline) pipe }
 *     pipe    : command { "|" command }
 *     command : { WORD | "<" WORD | ">" WORD | ">>" WORD }
 *
 * In words: '…' takes all literally; in "…" a backslash escapes `"`, `\` and `$`; outside it escapes
 * anything. $? and $NAME and ${NAME} are replaced, and never split again. `#` at a word's start begins
 * a comment. Pure: no calls, compiled for the host as well.
 */
#ifndef SH_PARSE_H
#define SH_PARSE_H

#include <stddef.h>

/* What joins a command to the one before it; JOIN_PIPE: it reads what that one writes. */
enum join { JOIN_ALWAYS, JOIN_AND, JOIN_OR, JOIN_PIPE };

enum redirect_kind { REDIRECT_IN, REDIRECT_OUT, REDIRECT_APPEND };

/* A piece of the line as it was typed, quotes and all. */
struct raw_word {
    const char *text;
    size_t len;
};

struct redirect {
    enum redirect_kind kind;
    struct raw_word target;
};

struct command {
    enum join join;
    struct raw_word *words;
    size_t nwords;
    struct redirect *redirects;
    size_t nredirects;
};

struct script {
    struct command *commands;
    size_t ncommands;
};

/*
 * Parse `text`, which must stay while *script is used. NULL, or what is wrong, as a phrase; then there
 * is nothing to free.
 */
const char *script_parse(const char *text, struct script *script);
void script_free(struct script *script);

/* Where a word's variables come from; NULL: not set. */
typedef const char *(*variable_fn)(const char *name);

/*
 * The word without its quotes, variables replaced; to be freed. *vanishes: it consisted of nothing but
 * unquoted variables that are empty, so it is no word at all. NULL: out of memory.
 */
char *word_expand(const struct raw_word *word, variable_fn variable, int *vanishes);

#endif
