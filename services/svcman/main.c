/*
 * svcman: the first process. It starts the services from the initrd, deals out the machine's devices
 * among them, answers for their names, starts again what dies, and ends the machine in order.
 *
 * One loop, which never waits for a service: a service may be dead, and only this loop would know.
 */
#include <errno.h>
#include <rugo/abi.h>
#include <rugo/ipc.h>
#include <rugo/shm.h>
#include <rugo/start.h>
#include <rugo/syscall.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "services/say.h"
#include "services/svcman/svcman.h"

struct supervisor svcman;
struct initrd svcman_initrd;

enum { ENV_MAX = 64, EVENTS_MAX = 8 };

/* ---- the kernel's command line --------------------------------------------------------------------- */

static char *read_cmdline(void)
{
    size_t size = 0;
    char *text = NULL;
    int64_t len;

    while ((len = sys_machine_cmdline(svcman.machine, text, size)) >= 0 &&
           (text == NULL || (size_t)len > size)) {
        free(text);
        size = (size_t)len;
        text = malloc(size + 1);
        if (text == NULL)
            return NULL;
    }
    if (text != NULL)
        text[size] = '\0';
    return text;
}

/* Whether a word may be a variable: NAME=VALUE. */
static bool is_variable(const char *word)
{
    size_t len = strcspn(word, "=");

    for (size_t i = 0; i < len; i++) {
        if (!isalnum((unsigned char)word[i]) && word[i] != '_')
            return false;
    }
    return len > 0 && word[len] == '=';
}

/*
 * The words KEY=VALUE of the command line become every service's environment, nonce=… as NONCE too.
 * *test is the value of test=, or NULL.
 */
static void read_words(char *cmdline, const char **test)
{
    static char *env[ENV_MAX + 1];
    unsigned n = 0;
    char *save;

    *test = NULL;
    if (cmdline == NULL)
        cmdline = (char[]){ "" };
    for (char *w = strtok_r(cmdline, " ", &save); w != NULL && n + 2 < ENV_MAX;
         w = strtok_r(NULL, " ", &save)) {
        if (!is_variable(w))
            continue;
        if (strncmp(w, "test=", 5) == 0)
            *test = w + 5;
        if (strncmp(w, "nonce=", 6) == 0 && asprintf(&env[n], "NONCE=%s", w + 6) > 0)
            n++;
        env[n++] = w;
    }
    env[n] = NULL;
    svcman.envp = env;
}

/* ---- start ------------------------------------------------------------------------------------------- */

/* Find what the kernel gave us, and make what we need. False, and said where possible: hopeless. */
static bool set_up(void)
{
    struct machine_info machine = { 0 };
    void *archive = NULL;
    int st;

    svcman.root_job = start_handle(START_ROOT_JOB);
    svcman.log = start_handle(START_LOG);
    svcman.machine = start_handle(START_MACHINE);
    svcman.initrd_shm = start_handle(START_INITRD);
    svcman.serial = start_handle(START_SERIAL);
    (void)sys_machine_info(svcman.machine, &machine);
    svcman.memory = machine.total_pages * PAGE_SIZE;
    svcman.endpoint = sys_endpoint_create(0);
    svcman.port = sys_port_create();
    if (svcman.endpoint < 0 || svcman.port < 0) {
        say_error("SVC: no endpoint or port");
        return false;
    }
    st = sys_port_add(svcman.port, svcman.endpoint, EV_READABLE, TOKEN_ENDPOINT);
    if (st == 0)
        st = shm_attach(svcman.initrd_shm, VM_READ, &archive, &svcman_initrd.size);
    if (st != 0) {
        say_error("SVC: the initrd can't be mapped: %s", strerror(-st));
        return false;
    }
    svcman_initrd.data = archive;
    return true;
}

/* `test=`: prepare the scenario, or end the machine when there is none of that name. */
static void begin_scenario(const char *test)
{
    if (strcmp(test, "list") == 0) {
        scenario_list();
        (void)sys_machine_exit(svcman.machine, 0);
    } else if (scenario_select(test)) {
        return;
    } else {
        (void)sys_machine_exit(svcman.machine, 1);
    }
    exit(1);
}

/* What is not to be started with the system stays as if it had been stopped. */
static void begin_system(void)
{
    for (unsigned i = 0; i < nservices; i++) {
        if (!services[i].at_boot)
            services[i].state = SVC_STOPPED;
    }
}

/* ---- the loop ---------------------------------------------------------------------------------------- */

static int64_t time_left(void)
{
    int64_t a = services_next_deadline(), b = stop_deadline(), c = watchdog_deadline();
    int64_t next = a < b ? a : b, left;

    if (c < next)
        next = c;

    if (next == INT64_MAX)
        return TIMEOUT_NEVER;
    left = next - sys_time_now(CLOCK_MONOTONIC);
    return left > 0 ? left : 0;
}

static void handle_event(const struct port_event *event)
{
    if (event->token == TOKEN_ENDPOINT)
        names_serve();
    else if (event->token - TOKEN_PROCESS < nservices)
        service_ended(&services[event->token - TOKEN_PROCESS]);
}

int main(void)
{
    struct port_event events[EVENTS_MAX];
    const char *test;
    char *cmdline;

    if (!set_up())
        return 1;
    config_read(&svcman_initrd);
    cmdline = read_cmdline();
    read_words(cmdline, &test);
    if (test != NULL)
        begin_scenario(test);
    else
        begin_system();
    for (;;) {
        int64_t n;

        services_start();
        stop_step();
        watchdog_step();
        n = sys_port_wait(svcman.port, events, EVENTS_MAX, time_left());
        for (int64_t i = 0; i < n; i++)
            handle_event(&events[i]);
    }
}
