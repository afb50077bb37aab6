/*
 * etc/services/NAME.conf: lines `key = value`; `#` begins a comment. docs/services.md lists the keys.
 */
#include <errno.h>
#include <rugo/job_limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "services/initrd.h"
#include "services/say.h"
#include "services/svcman/service.h"

struct word_bit {
    const char *word;
    uint32_t bit;
};

static const struct word_bit handle_words[] = {
    { "blk", GIVE_BLK },   { "serial", GIVE_SERIAL },     { "initrd", GIVE_INITRD },
    { "log", GIVE_LOG },   { "log-read", GIVE_LOG_READ }, { "machine", GIVE_MACHINE },
    { "root", GIVE_ROOT }, { "job", GIVE_JOB },           { "root-job", GIVE_ROOT_JOB },
    { NULL, 0 },
};

static const struct word_bit may_words[] = {
    { "restart", MAY_RESTART },
    { "shutdown", MAY_SHUTDOWN },
    { "spawn", MAY_SPAWN },
    { NULL, 0 },
};

static const struct word_bit policy_words[] = {
    { "always", RESTART_ALWAYS },
    { "on-failure", RESTART_ON_FAILURE },
    { "never", RESTART_NEVER },
    { NULL, 0 },
};

static const struct word_bit yes_no[] = { { "yes", 1 }, { "no", 0 }, { NULL, 0 } };

static const struct word_bit *lookup(const struct word_bit *table, const char *word)
{
    for (; table->word != NULL; table++) {
        if (strcmp(table->word, word) == 0)
            return table;
    }
    return NULL;
}

/* Or the bits of all words in `list`. NULL, or the first word that the table does not have. */
static const char *add_bits(const struct word_bit *table, char *list, uint32_t *bits)
{
    const struct word_bit *found;
    char *word, *save;

    for (word = strtok_r(list, " ,", &save); word != NULL; word = strtok_r(NULL, " ,", &save)) {
        found = lookup(table, word);
        if (found == NULL)
            return word;
        *bits |= found->bit;
    }
    return NULL;
}

const char *config_handles(char *list, uint32_t *gives)
{
    return add_bits(handle_words, list, gives);
}

bool list_has(const char *list, const char *word)
{
    size_t len = strlen(word);
    const char *at = list;

    while ((at = strstr(at, word)) != NULL) {
        if ((at == list || at[-1] == ' ') && (at[len] == '\0' || at[len] == ' '))
            return true;
        at += len;
    }
    return false;
}

/* Cut white space at both ends, in place. */
static char *trim(char *s)
{
    size_t len;

    s += strspn(s, " \t\r");
    len = strlen(s);
    while (len > 0 && strchr(" \t\r", s[len - 1]) != NULL)
        s[--len] = '\0';
    return s;
}

/* `list`, with single spaces between its words, as list_has() wants it. */
static const char *tidy(char *list)
{
    char *to = list, *from = list;

    while (*(from += strspn(from, " ,\t")) != '\0') {
        size_t len = strcspn(from, " ,\t");

        if (to != list)
            *to++ = ' ';
        memmove(to, from, len);
        to += len;
        from += len;
    }
    *to = '\0';
    return list;
}

/* ---- one function per kind of value: NULL, or what is wrong -------------------------------------- */

static const char *set_program(struct service *s, char *value)
{
    size_t size = strlen(value) + sizeof("bin/");
    char *path = malloc(size);

    if (path == NULL)
        return "out of memory";
    snprintf(path, size, strchr(value, '/') != NULL ? "%s" : "bin/%s", value);
    s->program = path;
    s->argv[0] = value;
    return NULL;
}

static const char *set_args(struct service *s, char *value)
{
    unsigned n = 1;
    char *save;

    for (char *w = strtok_r(value, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save)) {
        if (n == ARGS_MAX)
            return "too many arguments";
        s->argv[n++] = w;
    }
    return NULL;
}

static const char *set_handles(struct service *s, char *value)
{
    return add_bits(handle_words, value, &s->gives) != NULL ? "unknown handle" : NULL;
}

static const char *set_may(struct service *s, char *value)
{
    return add_bits(may_words, value, &s->may) != NULL ? "unknown permission" : NULL;
}

static const char *set_calls(struct service *s, char *value)
{
    s->calls = tidy(value);
    return NULL;
}

static const char *set_after(struct service *s, char *value)
{
    s->after = tidy(value);
    return NULL;
}

static const char *set_stdio(struct service *s, char *value)
{
    s->stdio = value;
    return NULL;
}

static const char *set_flag(bool *flag, const char *value)
{
    const struct word_bit *found = lookup(yes_no, value);

    if (found == NULL)
        return "yes or no expected";
    *flag = found->bit != 0;
    return NULL;
}

static const char *set_serves(struct service *s, char *value)
{
    return set_flag(&s->serves, value);
}

static const char *set_ready(struct service *s, char *value)
{
    return set_flag(&s->says_ready, value);
}

static const char *set_boot(struct service *s, char *value)
{
    return set_flag(&s->at_boot, value);
}

static const char *set_restart(struct service *s, char *value)
{
    const struct word_bit *found = lookup(policy_words, value);

    if (found == NULL)
        return "always, on-failure or never expected";
    s->policy = (enum restart_policy)found->bit;
    return NULL;
}

static const char *set_limit(struct service *s, char *value)
{
    char *end;
    unsigned long limit = strtoul(value, &end, 10), window = 0;

    if (strncmp(end, " in ", 4) == 0)
        window = strtoul(end + 4, &end, 10);
    if (*end != '\0' || limit == 0 || limit > DEATHS_MAX || window == 0 || window > 86400)
        return "expected: N in SECONDS";
    s->limit = (unsigned)limit;
    s->window = (unsigned)window;
    return NULL;
}

/* "2s", "500ms" */
static const char *read_time(int64_t *ns, const char *value)
{
    char *end;
    unsigned long n = strtoul(value, &end, 10);
    bool seconds = strcmp(end, "s") == 0;

    if ((!seconds && strcmp(end, "ms") != 0) || n == 0 || n > 86400 || (!seconds && n < 100))
        return "expected: Ns or Nms, at least 100ms";
    *ns = (int64_t)n * (seconds ? 1000000000 : 1000000);
    return NULL;
}

static const char *set_watchdog(struct service *s, char *value)
{
    return read_time(&s->watchdog, value);
}

static const char *set_startup(struct service *s, char *value)
{
    return read_time(&s->startup, value);
}

static const char *set_priority(struct service *s, char *value)
{
    char *end;
    unsigned long n = strtoul(value, &end, 10);

    if (end == value || *end != '\0' || n > SERVICE_PRIORITY_MAX)
        return "expected: 0 to 12";
    s->priority = (uint32_t)n;
    return NULL;
}

/* "memory 64M, threads 100" */
static const char *read_limits(char *value, uint64_t *limits)
{
    char *save, *inner, *item;

    for (item = strtok_r(value, ",", &save); item != NULL; item = strtok_r(NULL, ",", &save)) {
        char *word = strtok_r(item, " \t", &inner), *amount = strtok_r(NULL, " \t", &inner);
        uint32_t kind = word != NULL ? job_kind_find(word) : JOB_KINDS;

        if (kind == JOB_KINDS)
            return "unknown limit";
        if (amount == NULL || strtok_r(NULL, " \t", &inner) != NULL ||
            !job_amount_read(amount, kind, svcman.memory, &limits[kind]))
            return "expected: KIND AMOUNT, KIND AMOUNT…";
    }
    return NULL;
}

static const char *set_limits(struct service *s, char *value)
{
    return read_limits(value, s->limits);
}

static const char *set_programs(struct service *s, char *value)
{
    return read_limits(value, s->inner);
}

static const struct {
    const char *key;
    const char *(*set)(struct service *s, char *value);
} keys[] = {
    { "program", set_program },   { "args", set_args },         { "handles", set_handles },
    { "may", set_may },           { "calls", set_calls },       { "after", set_after },
    { "stdio", set_stdio },       { "serves", set_serves },     { "ready", set_ready },
    { "restart", set_restart },   { "limit", set_limit },       { "limits", set_limits },
    { "programs", set_programs }, { "watchdog", set_watchdog }, { "priority", set_priority },
    { "startup", set_startup },   { "boot", set_boot },
};

/* One line without its end; NULL, or what is wrong with it. */
static const char *parse_line(struct service *s, char *line)
{
    char *comment = strchr(line, '#'), *equals, *key;

    if (comment != NULL)
        *comment = '\0';
    line = trim(line);
    if (*line == '\0')
        return NULL;
    equals = strchr(line, '=');
    if (equals == NULL)
        return "key = value expected";
    *equals = '\0';
    key = trim(line);
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (strcmp(keys[i].key, key) == 0)
            return keys[i].set(s, trim(equals + 1));
    }
    return "unknown key";
}

void config_unlimited(struct service *s)
{
    for (uint32_t kind = 0; kind < JOB_KINDS; kind++)
        s->limits[kind] = s->inner[kind] = JOB_UNLIMITED;
}

static void set_defaults(struct service *s)
{
    config_unlimited(s);
    s->calls = s->after = s->stdio = "";
    s->serves = s->at_boot = true;
    s->policy = RESTART_ALWAYS;
    s->priority = PRIORITY_SERVICE;
    s->startup = STARTUP_NS;
    s->limit = 5;
    s->window = 10;
    s->endpoint = s->job = s->proc = s->supervisor = HANDLE_NONE;
}

bool config_parse(struct service *s, const char *file, char *text)
{
    unsigned line = 0;

    set_defaults(s);
    while (text != NULL) {
        const char *wrong = parse_line(s, strsep(&text, "\n"));

        line++;
        if (wrong != NULL) {
            say_error("SVC: %s:%u: %s", file, line, wrong);
            return false;
        }
    }
    if (s->program == NULL)
        say_error("SVC: %s:%u: no program is named", file, line);
    return s->program != NULL;
}

/* ---- all files -------------------------------------------------------------------------------- */

#define CONFIG_DIR    "etc/services/"
#define CONFIG_SUFFIX ".conf"

/* The service's name in the path of its file; false: this is no such file. */
static bool name_of(const char *path, char name[NAME_LEN])
{
    size_t dir = strlen(CONFIG_DIR), suffix = strlen(CONFIG_SUFFIX), len = strlen(path);

    if (len <= dir + suffix || strncmp(path, CONFIG_DIR, dir) != 0 ||
        strcmp(path + len - suffix, CONFIG_SUFFIX) != 0)
        return false;
    if (len - dir - suffix >= NAME_LEN || strchr(path + dir, '/') != NULL) {
        say_error("SVC: %s: not a name for a service", path);
        return false;
    }
    memcpy(name, path + dir, len - dir - suffix);
    name[len - dir - suffix] = '\0';
    return true;
}

static void read_one(const struct initrd_file *file)
{
    char name[NAME_LEN], *text;
    struct service *s;

    if (!name_of(file->name, name))
        return;
    if (nservices == SERVICES_MAX) {
        say_error("SVC: %s: too many services, this one is left out", file->name);
        return;
    }
    s = &services[nservices];
    memset(s, 0, sizeof(*s));
    strcpy(s->name, name);
    text = strndup(file->data, file->size);
    if (text != NULL && config_parse(s, file->name, text))
        s->badge = ++nservices;
    else
        say_error("SVC: %s is not started", s->name);
}

/* Say and leave out what refers to services that do not exist. */
static void check_references(struct service *s)
{
    const char *lists[] = { s->after, s->calls, s->stdio };

    for (unsigned i = 0; i < 3; i++) {
        char *copy = strdup(lists[i]), *save;

        if (copy == NULL)
            return;
        for (char *w = strtok_r(copy, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save)) {
            if (service_find(w) == NULL)
                say_error("SVC: " CONFIG_DIR "%s" CONFIG_SUFFIX ": there is no service %s", s->name,
                          w);
        }
        free(copy);
    }
}

void config_read(const struct initrd *rd)
{
    struct initrd_file file;
    size_t at = 0;

    while (initrd_next(rd, &at, &file)) {
        if (file.size > 0)
            read_one(&file);
    }
    for (unsigned i = 0; i < nservices; i++)
        check_references(&services[i]);
}
