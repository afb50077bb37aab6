/*
 * Test scenarios (`test=NAME`): one program, some services, and the program's end is the machine's.
 *
 * etc/scenarios has a line for each:
 *
 *     NAME: PROGRAM ARGS…  [services=A,B] [handles=X,Y] [calls=A,B] [expect=killed]
 *         [deaths=free]
 *
 * PROGRAM is a file of the initrd. The scenario passes if the program ends with status 0, or, with
 * expect=killed, by a signal. deaths=free: services that die are started again at once, however often. The program's
 * name among the services is "test".
 */
#include <rugo/syscall.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "services/say.h"
#include "services/svcman/svcman.h"

#define SCENARIO_FILE "etc/scenarios"
#define SERVICE_NAME  "test"

static struct {
    char *name;
    char *wanted;                       /* services, separated by commas */
    bool expect_killed;
    bool deaths_free;
    bool passed;
} scenario;

/* Line after line of the file; the name ends at a colon, *rest is what follows. */
static bool next_line(char **text, char **name, char **rest)
{
    char *line;

    while ((line = strsep(text, "\n")) != NULL) {
        char *colon = strchr(line, ':');

        if (line[0] == '#' || colon == NULL)
            continue;
        *colon = '\0';
        *name = line;
        *rest = colon + 1;
        return true;
    }
    return false;
}

static char *read_scenarios(void)
{
    struct initrd_file file;

    if (!initrd_find(&svcman_initrd, SCENARIO_FILE, &file))
        return NULL;
    return strndup(file.data, file.size);
}

void scenario_list(void)
{
    char *text = read_scenarios(), *name, *rest;

    while (text != NULL && next_line(&text, &name, &rest))
        say("TEST: %s", name);
}

/* The value if `word` is KEY=value. */
static char *value_of(char *word, const char *key)
{
    size_t len = strlen(key);

    return strncmp(word, key, len) == 0 && word[len] == '=' ? word + len + 1 : NULL;
}

static void commas_to_spaces(char *s)
{
    for (; *s != '\0'; s++) {
        if (*s == ',')
            *s = ' ';
    }
}

/* One word of a scenario's line. False: it is wrong. */
static bool take_word(struct service *s, char *word, unsigned *nargs)
{
    char *value;

    if ((value = value_of(word, "services")) != NULL) {
        commas_to_spaces(value);
        scenario.wanted = value;
        s->after = value;
        s->calls = value;
    } else if ((value = value_of(word, "calls")) != NULL) {
        commas_to_spaces(value);
        s->calls = value;
    } else if ((value = value_of(word, "stdio")) != NULL) {
        s->stdio = value;
    } else if ((value = value_of(word, "handles")) != NULL) {
        return config_handles(value, &s->gives) == NULL;
    } else if ((value = value_of(word, "expect")) != NULL) {
        scenario.expect_killed = true;
        return strcmp(value, "killed") == 0;
    } else if ((value = value_of(word, "deaths")) != NULL) {
        scenario.deaths_free = true;
        return strcmp(value, "free") == 0;
    } else if (*nargs < ARGS_MAX) {
        s->argv[(*nargs)++] = word;
    } else {
        return false;
    }
    return true;
}

/* A service as a test program is one. */
static void set_defaults(struct service *s)
{
    memset(s, 0, sizeof(*s));
    strcpy(s->name, SERVICE_NAME);
    s->after = s->calls = s->stdio = "";
    s->policy = RESTART_NEVER;
    s->may = MAY_RESTART | MAY_SPAWN | MAY_SHUTDOWN;
    s->gives = GIVE_JOB | GIVE_LOG | GIVE_MACHINE | GIVE_INITRD;
    s->endpoint = s->job = s->proc = s->supervisor = HANDLE_NONE;
    config_unlimited(s);
    s->limit = s->window = 1;
    s->priority = PRIORITY_DEFAULT;
}

/* Make the test program one more service. False, and said: the line is wrong. */
static bool add_program(char *line)
{
    struct service *s = &services[nservices];
    unsigned nargs = 0;
    char *save;

    if (nservices == SERVICES_MAX) {
        say_error("SVC: " SCENARIO_FILE ": no room for one more service");
        return false;
    }
    set_defaults(s);
    for (char *w = strtok_r(line, " \t", &save); w != NULL; w = strtok_r(NULL, " \t", &save)) {
        if (!take_word(s, w, &nargs)) {
            say_error("SVC: " SCENARIO_FILE ": %s: bad word '%s'", scenario.name, w);
            return false;
        }
    }
    s->program = s->argv[0];
    if (s->program == NULL) {
        say_error("SVC: " SCENARIO_FILE ": %s: no program is named", scenario.name);
        return false;
    }
    s->badge = ++nservices;
    return true;
}

bool scenario_select(const char *wanted)
{
    char *text = read_scenarios(), *name, *rest;

    while (text != NULL && next_line(&text, &name, &rest)) {
        if (strcmp(name, wanted) != 0)
            continue;
        scenario.name = name;
        scenario.wanted = "";
        for (unsigned i = 0; i < nservices; i++)
            services[i].state = SVC_STOPPED;
        if (!add_program(rest))
            return false;
        for (unsigned i = 0; i < nservices; i++) {
            if (!list_has(scenario.wanted, services[i].name))
                continue;
            services[i].state = SVC_WAITING;
            if (scenario.deaths_free)
                services[i].window = 0; /* seconds in which deaths are counted together */
        }
        return true;
    }
    say_error("SVC: unknown scenario '%s'", wanted);
    return false;
}

static void end_machine(void)
{
    (void)sys_machine_exit(svcman.machine, scenario.passed ? 0 : 1);
    exit(1);
}

bool scenario_ended(struct service *s)
{
    char how[32];

    if (scenario.name == NULL || strcmp(s->name, SERVICE_NAME) != 0)
        return false;
    s->state = SVC_STOPPED;
    scenario.passed = scenario.expect_killed ? WIFSIGNALED(s->status) : s->status == 0;
    say("SVC: scenario %s %s (%s)", scenario.name, scenario.passed ? "passed" : "failed",
        status_text(s->status, how, sizeof(how)));
    shutdown_begin(end_machine);
    return true;
}
