/*
 * The console's line discipline: nothing typed is lost or invented, whatever the mode does meanwhile.
 *
 * SOURCES: services/console/input.c
 */
#include <stdbool.h>
#include <string.h>

#include "check.h"
#include "services/console/input.h"

static struct input in;
static char echoed[1 << 16];
static size_t nechoed;
static int interrupts;

static void echo(const char *text, size_t len)
{
    for (size_t i = 0; i < len && nechoed < sizeof echoed - 1; i++)
        echoed[nechoed++] = text[i];
    echoed[nechoed] = '\0';
}

static void interrupt(void)
{
    interrupts++;
}

static void fresh(bool raw)
{
    memset(&in, 0, sizeof in);
    in.echo = echo;
    in.interrupt = interrupt;
    nechoed = 0;
    echoed[0] = '\0';
    interrupts = 0;
    input_set_raw(&in, raw);
}

static void type(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        input_key(&in, text[i]);
}

#define TYPE(text) type(text, sizeof(text) - 1)

static size_t take(char *buf, size_t max)
{
    size_t used, n = input_peek(&in, buf, max, &used);

    input_consume(&in, used);
    return n;
}

/* The next read gives exactly this. */
static void reads(const char *want)
{
    char buf[INPUT_LINE_MAX + 1];
    size_t n;

    CHECK(input_ready(&in), "nothing to read instead of \"%s\"", want);
    n = take(buf, INPUT_LINE_MAX);
    buf[n] = '\0';
    CHECK(strcmp(buf, want) == 0, "read \"%s\" instead of \"%s\"", buf, want);
}

static void empty(void)
{
    CHECK(!input_ready(&in), "something is left");
}

static void cooked(void)
{
    fresh(false);
    TYPE("wrung\x7f\x7f\x7fong\r");
    reads("wrong\n");
    TYPE("abc");
    empty();
    TYPE("\x15"
         "def ghi\x17jkl\n");
    reads("def jkl\n");
    TYPE("two\rlines\r");
    reads("two\n");
    reads("lines\n");
    empty();
    TYPE("\x7f\x7f\x08x\xc3\xa4\xe6\xbc\xa2\x7f\x7fy\r");
    reads("xy\n");
    nechoed = 0;
    TYPE("a\x01\x1b[A\r");
    CHECK(strcmp(echoed, "a^A^[[A\n") == 0, "echoed \"%s\"", echoed);
    reads("a\x01\x1b[A\n");
    TYPE("a\0b\r");
    reads("ab\n");
}

static void end_of_file(void)
{
    fresh(false);
    TYPE("\x04");
    reads("");
    empty();
    TYPE("part\x04");
    reads("part");
    empty();
    TYPE("line\r\x04more\r");
    reads("line\n");
    reads("");
    reads("more\n");
}

static void short_reads(void)
{
    char buf[4];
    size_t used;

    fresh(false);
    TYPE("123456\r");
    CHECK(input_peek(&in, buf, 4, &used) == 4 && used == 4, "peek");
    CHECK(take(buf, 4) == 4 && memcmp(buf, "1234", 4) == 0, "first");
    CHECK(take(buf, 4) == 3 && memcmp(buf, "56\n", 3) == 0, "second");
    empty();
}

static void raw(void)
{
    fresh(true);
    TYPE("ab");
    reads("ab");
    TYPE("first\rsecond\rthird");
    reads("first\r");
    reads("second\r");
    reads("third");
    TYPE("\x03");
    reads("\x03");
    CHECK(interrupts == 0 && nechoed == 0, "raw mode acts");
}

static void interrupting(void)
{
    fresh(false);
    TYPE("line\rhalf\x03");
    CHECK(interrupts == 1, "%d interrupts", interrupts);
    empty();
    TYPE("after\r");
    reads("after\n");
    input_set_raw(&in, true);
    in.watched = true;
    TYPE("keys\x03");
    CHECK(interrupts == 2, "%d interrupts", interrupts);
    empty();
}

/* Type-ahead from one mode to the other. */
static void changing_modes(void)
{
    fresh(true);
    TYPE("command\rinput for it\rha");
    reads("command\r");
    input_set_raw(&in, false);
    reads("input for it\n");
    empty();
    TYPE("lf\rnext");
    reads("half\n");
    input_set_raw(&in, true);
    reads("next");
    input_set_raw(&in, false);
    TYPE("a\x04"
         "b\r");
    input_set_raw(&in, true);
    reads("ab\n");
    TYPE("x\ry\x03z\rq");
    input_set_raw(&in, false);
    CHECK(interrupts == 1, "the interrupt key waited in raw mode");
    empty();
    TYPE("fine\r");
    reads("fine\n");
}

static void flood(void)
{
    char buf[1024];
    size_t total = 0;

    fresh(true);
    for (int i = 0; i < INPUT_MAX + 100; i++)
        input_key(&in, (char)('a' + i % 26));
    CHECK(nechoed == 100 && echoed[0] == '\a', "%zu bells", nechoed);
    while (input_ready(&in)) {
        size_t n = take(buf, sizeof buf);

        for (size_t i = 0; i < n; i++)
            CHECK(buf[i] == (char)('a' + total++ % 26), "byte %zu", total);
    }
    CHECK(total == INPUT_MAX, "%zu bytes", total);
    fresh(false);
    for (int i = 0; i < 2 * INPUT_LINE_MAX; i++)
        input_key(&in, 'x');
    TYPE("\r");
    CHECK(take(buf, sizeof buf) == sizeof buf, "a line too long is cut, not lost");
}

/* Any keys and changes: counts stay sound, and reading always comes to an end. */
static void nonsense(void)
{
    static const char keys[] = "ab \r\n\x03\x04\x08\x15\x17\x7f\0\x1b\xc3\xa4";

    for (int round = 0; round < 300; round++) {
        char buf[64];

        fresh(check_random() & 1);
        for (int i = 0; i < 2000; i++) {
            unsigned what = check_random() % 100;

            if (what == 0)
                input_set_raw(&in, check_random() & 1);
            else if (what == 1)
                in.watched = check_random() & 1;
            else if (what < 10 && input_ready(&in))
                (void)take(buf, 1 + check_random() % sizeof buf);
            else
                input_key(&in, keys[check_random() % (sizeof keys - 1)]);
            CHECK(in.count <= INPUT_MAX && in.lines <= in.count && in.line_len < INPUT_LINE_MAX,
                  "%zu bytes, %zu lines", in.count, in.lines);
        }
        for (int i = 0; input_ready(&in); i++) {
            CHECK(i < 100000, "no end");
            (void)take(buf, sizeof buf);
        }
        CHECK(in.lines == 0, "%zu lines in nothing", in.lines);
    }
}

int main(void)
{
    cooked();
    end_of_file();
    short_reads();
    raw();
    interrupting();
    changing_modes();
    flood();
    nonsense();
    return check_done("console");
}
