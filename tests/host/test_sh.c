/*
 * The shell's language, and column widths.
 *
 * SOURCES: apps/sh/parse.c apps/sh/width.c
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "apps/sh/parse.h"
#include "apps/sh/width.h"
#include "check.h"

static const char *variable(const char *name)
{
    if (strcmp(name, "?") == 0)
        return "42";
    if (strcmp(name, "two") == 0)
        return "a b";
    return strcmp(name, "long_NAME_1") == 0 ? "x" : NULL;
}

/* The only word of `text`, expanded; "(none)" when it vanishes. */
static void expands(const char *text, const char *want)
{
    struct script script;
    const char *wrong = script_parse(text, &script);
    int vanishes;
    char *got;

    CHECK(wrong == NULL, "%s: %s", text, wrong);
    if (wrong != NULL)
        return;
    CHECK(script.commands[0].nwords == 1, "%s: %zu words", text, script.commands[0].nwords);
    got = word_expand(&script.commands[0].words[0], variable, &vanishes);
    CHECK(strcmp(vanishes ? "(none)" : got, want) == 0, "%s: \"%s\"", text, got);
    free(got);
    script_free(&script);
}

static void words(void)
{
    expands("plain", "plain");
    expands("'a  b'", "a  b");
    expands("\"a  b\"", "a  b");
    expands("a'b'\"c\"d", "abcd");
    expands("a\\ b", "a b");
    expands("'$?'", "$?");
    expands("\"$?\"", "42");
    expands("$?", "42");
    expands("$two", "a b");
    expands("${two}c", "a bc");
    expands("$long_NAME_1-", "x-");
    expands("$unset", "(none)");
    expands("\"$unset\"", "");
    expands("''", "");
    expands("a$", "a$");
    expands("$-", "$-");
    expands("${", "${");
    expands("${two", "${two");
    expands("\"\\$two \\\\ \\\" \\n\"", "$two \\ \" \\n");
    expands("'it'\\''s'", "it's");
    expands("a#b", "a#b");
    expands("x # comment 'open", "x");
    expands("  word\t\r", "word");
    expands("w\\", "w\\");
}

/* How a line is taken apart: "words/redirects" of each command, with what joins it to the one before. */
static void parses(const char *text, const char *want)
{
    struct script script;
    const char *wrong = script_parse(text, &script);
    char got[256] = "";

    for (size_t i = 0; wrong == NULL && i < script.ncommands; i++) {
        const struct command *c = &script.commands[i];
        size_t at = strlen(got);

        snprintf(got + at, sizeof got - at, "%c%zu/%zu", ";&|!"[c->join], c -> nwords,
                 c -> nredirects);
    }
    CHECK(strcmp(wrong != NULL ? wrong : got, want) == 0, "%s: %s", text, wrong ? wrong : got);
    if (wrong == NULL)
        script_free(&script);
}

static void lines(void)
{
    parses("", ";0/0");
    parses("a b c", ";3/0");
    parses("a;b", ";1/0;1/0");
    parses("a; b;", ";1/0;1/0");
    parses("a && b || c", ";1/0&1/0|1/0");
    parses("a > f b >> g < h", ";2/3");
    parses(">f", ";0/1");
    parses("a>f", ";1/1");
    parses("a >f;b", ";1/1;1/0");
    parses("a\nb", ";1/0;1/0");
    parses("a 'x;y&&z>|' b", ";3/0");
    parses("a \\; b", ";3/0");
    parses("# only a comment", ";0/0");
    parses("'open", "a quote is not closed");
    parses("a > \"open", "a quote is not closed");
    parses("a >", "a file name is missing after < or >");
    parses("a > ; b", "a file name is missing after < or >");
    parses("a > > b", "a file name is missing after < or >");
    parses("&& a", "a command is missing beside && or || or |");
    parses("a &&", "a command is missing beside && or || or |");
    parses("a || && b", "a command is missing beside && or || or |");
    parses("a && ; b", "a command is missing beside && or || or |");
    parses("a | b", ";1/0!1/0");
    parses("a x|b y|c && d", ";2/0!2/0!1/0&1/0");
    parses("a > f | b < g; c", ";1/1!1/1;1/0");
    parses("a |", "a command is missing beside && or || or |");
    parses("| a", "a command is missing beside && or || or |");
    parses("a | | b", "a command is missing beside && or || or |");
    parses("a | && b", "a command is missing beside && or || or |");
    parses("a | ; b", "a command is missing beside && or || or |");
    parses("a & b", "background commands are not supported");
    parses("(a)", "subshells are not supported");
}

/* Anything at all: no crash, and what parses can be expanded. */
static void nonsense(void)
{
    static const char alphabet[] = "ab '\"\\$?{}<>&|;#()\n\r\t=\x80\xff";

    for (int round = 0; round < 200000; round++) {
        char text[24];
        size_t len = check_random() % sizeof text;
        struct script script;

        for (size_t i = 0; i < len; i++)
            text[i] = alphabet[check_random() % (sizeof alphabet - 1)];
        text[len < sizeof text ? len : sizeof text - 1] = '\0';
        if (script_parse(text, &script) != NULL)
            continue;
        for (size_t i = 0; i < script.ncommands; i++) {
            for (size_t w = 0; w < script.commands[i].nwords; w++) {
                int vanishes;
                char *word = word_expand(&script.commands[i].words[w], variable, &vanishes);

                CHECK(word != NULL, "%s", text);
                free(word);
            }
        }
        script_free(&script);
    }
}

static void widths(void)
{
    CHECK(text_width("abc", 3) == 3, "ascii");
    CHECK(text_width("äöü€", strlen("äöü€")) == 4, "two and three bytes");
    CHECK(text_width("漢字", strlen("漢字")) == 4, "wide");
    CHECK(text_width("🙂", strlen("🙂")) == 2, "emoji");
    CHECK(text_width("e\u0301", strlen("e\u0301")) == 1, "combining");
    CHECK(text_width("\xff\x80", 2) == 2, "no UTF-8");
    CHECK(text_width("\xe6\xbc", 2) == 2, "cut");
    CHECK(text_width("", 0) == 0, "nothing");
}

int main(void)
{
    words();
    lines();
    nonsense();
    widths();
    return check_done("sh");
}
