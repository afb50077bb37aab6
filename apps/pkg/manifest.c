/* Reading a manifest: line by line, each key once, nothing unknown, nothing that could upset a terminal. */
#include "manifest.h"

#include <string.h>

static bool alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool manifest_name_ok(const char *name)
{
    size_t len = strnlen(name, MANIFEST_NAME_MAX + 1);

    if (len == 0 || len > MANIFEST_NAME_MAX || !alphanumeric(name[0]))
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!alphanumeric(name[i]) && !strchr("._+-", name[i]))
            return false;
    }
    return true;
}

static bool hash_ok(const char *text)
{
    return strspn(text, "0123456789abcdef") == MANIFEST_HASH && text[MANIFEST_HASH] == 0;
}

/* Store a value that must be new and a name. */
static const char *take_name(char field[MANIFEST_NAME_MAX + 1], const char *value)
{
    if (field[0])
        return "said twice";
    if (!manifest_name_ok(value))
        return "not 1 to 32 letters, digits and ._+-";
    strcpy(field, value);
    return NULL;
}

static const char *take_program(struct manifest *m, const char *value)
{
    if (m->nprograms == MANIFEST_PROGRAMS)
        return "more than 16 programs";
    for (unsigned i = 0; i < m->nprograms; i++) {
        if (strcmp(m->program[i], value) == 0)
            return "the same program twice";
    }
    return take_name(m->program[m->nprograms++], value);
}

static const char *take_summary(struct manifest *m, const char *value)
{
    if (m->summary[0])
        return "said twice";
    if (strlen(value) >= sizeof(m->summary))
        return "a summary of more than 128 bytes";
    strcpy(m->summary, value);
    return NULL;
}

static const char *take_hash(struct manifest *m, const char *value)
{
    if (m->sha256[0])
        return "said twice";
    if (!hash_ok(value))
        return "not a hash of 64 digits";
    strcpy(m->sha256, value);
    return NULL;
}

static const char *take(struct manifest *m, const char *key, const char *value)
{
    if (strcmp(key, "name") == 0)
        return take_name(m->name, value);
    if (strcmp(key, "version") == 0)
        return take_name(m->version, value);
    if (strcmp(key, "summary") == 0)
        return take_summary(m, value);
    if (strcmp(key, "program") == 0)
        return take_program(m, value);
    if (strcmp(key, "sha256") == 0)
        return take_hash(m, value);
    return "unknown key";
}

/* The line without blanks at its ends, cut off there. */
static char *trim(char *text)
{
    size_t len;

    text += strspn(text, " ");
    len = strlen(text);
    while (len > 0 && text[len - 1] == ' ')
        text[--len] = 0;
    return text;
}

static const char *parse_line(struct manifest *m, char *line)
{
    char *equals;

    line = trim(line);
    if (line[0] == 0 || line[0] == '#')
        return NULL;
    equals = strchr(line, '=');
    if (!equals)
        return "not `key = value`";
    *equals = 0;
    return take(m, trim(line), trim(equals + 1));
}

/* One line into a buffer of its own; false if it is too long or has characters that no text has. */
static bool copy_line(char *line, size_t max, const char *text, size_t len)
{
    if (len >= max)
        return false;
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
            return false;
        line[i] = text[i];
    }
    line[len] = 0;
    return true;
}

static const char *parse_lines(struct manifest *m, const char *text, size_t size, unsigned *number)
{
    char line[256];

    for (*number = 1; size > 0; ++*number) {
        const char *newline = memchr(text, '\n', size);
        size_t len = newline ? (size_t)(newline - text) : size;
        const char *wrong;

        if (!copy_line(line, sizeof(line), text, len))
            return "a line that is too long or not text";
        wrong = parse_line(m, line);
        if (wrong)
            return wrong;
        len += newline ? 1 : 0;
        text += len;
        size -= len;
    }
    *number = 0;
    return NULL;
}

const char *manifest_parse(const char *text, size_t size, struct manifest *m, unsigned *line)
{
    const char *wrong;

    memset(m, 0, sizeof(*m));
    *line = 0;
    if (size > MANIFEST_MAX)
        return "more than 4096 bytes";
    wrong = parse_lines(m, text, size, line);
    if (wrong)
        return wrong;
    if (!m->name[0])
        return "no name";
    if (!m->version[0])
        return "no version";
    return NULL;
}
