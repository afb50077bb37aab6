/*
 * What svcman knows of a service: its configuration (config.c), and how it is doing (service.c).
 *
 * svcman owns every endpoint and lends the right to receive to the process that serves on it. So when
 * that process dies, clients keep their sessions, and calls it had not received wait for the next
 * incarnation.
 */
#ifndef SVCMAN_SERVICE_H
#define SVCMAN_SERVICE_H

#include <rugo/abi.h>
#include <rugo/proto_svcman.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SERVICES_MAX = 32,
    ARGS_MAX = 16,                  /* words of a command line */
    DEATHS_MAX = 32,                /* highest `limit` */
};

/* `handles`: what a service gets beside its endpoint and its session to svcman. */
enum {
    GIVE_BLK = 1 << 0,              /* all disks, to read and write */
    GIVE_SERIAL = 1 << 1,           /* the serial line */
    GIVE_INITRD = 1 << 2,           /* the boot module, to read */
    GIVE_LOG = 1 << 3,              /* the log, to write */
    GIVE_LOG_READ = 1 << 4,         /* the log, to read */
    GIVE_MACHINE = 1 << 5,          /* totals and command line */
    GIVE_ROOT = 1 << 6,             /* the directory / */
    GIVE_JOB = 1 << 7,              /* its own job, to make children in */
    GIVE_ROOT_JOB = 1 << 8,         /* the job of everything, to look and to kill */
};

/* `may`: what a service, and who inherits its names, may ask of svcman. */
enum {
    MAY_RESTART = 1 << 0,
    MAY_SHUTDOWN = 1 << 1,
    MAY_SPAWN = 1 << 2,
};

enum restart_policy { RESTART_ALWAYS, RESTART_ON_FAILURE, RESTART_NEVER };

struct service {
    /* Configuration. Texts stay as long as svcman. Lists are words with single spaces between. */
    char name[NAME_LEN];
    const char *program; /* file in the initrd: "bin/fsd" */
    char *argv[ARGS_MAX + 1];
    uint32_t gives; /* GIVE_ */
    uint32_t may; /* MAY_ */
    const char *calls; /* services it may connect to */
    const char *after; /* services that must be ready before it is started */
    const char *stdio; /* service whose session becomes its descriptors 0, 1 and 2; "" */
    bool serves; /* has an endpoint */
    bool
        at_boot; /* is started with the system; otherwise when somebody asks for it (`svc restart`) */
    bool says_ready; /* is ready when it says so, not when it was started */
    enum restart_policy policy;
    unsigned limit; /* deaths within `window` seconds after which it is given up */
    unsigned window;
    uint64_t limits[JOB_KINDS]; /* of its job */
    uint64_t inner[JOB_KINDS]; /* of each job that is made in it */
    uint32_t priority; /* of its process, and so of what it starts */
    int64_t watchdog; /* ns within which it must answer; 0: it is not asked */
    int64_t startup; /* ns within which it must say that it is ready, or at least that it lives */

    /* State. */
    uint32_t state; /* SVC_ */
    bool ready;
    bool stopping; /* told to stop: its end is no accident */
    handle_t endpoint, job, proc; /* HANDLE_NONE where there is none */
    uint64_t pid;
    uint64_t badge; /* of its sessions to svcman */
    uint32_t restarts;
    uint32_t status; /* last exit status */
    int64_t started; /* CLOCK_MONOTONIC of the last start */
    unsigned order; /* rank of the last start among all: they stop in reverse */
    int64_t restart_at; /* CLOCK_MONOTONIC, 0: not waiting for a restart */
    int64_t deaths[DEATHS_MAX]; /* times of the latest, a ring */
    unsigned ndeaths;
    unsigned unready; /* ends in a row that came before it was ready */
    handle_t supervisor; /* session that it is asked on whether it lives; HANDLE_NONE */
    unsigned
        silent; /* looks at it since it was asked and has not answered; while it starts: since it was heard */
    int64_t look_at; /* CLOCK_MONOTONIC of the next one */
};

enum {
    PRIORITY_SERVICE = 8, /* above programs: their work is what others wait for */
    SERVICE_PRIORITY_MAX = 12, /* svcman's own; the kernel gives nobody more */
};

/* How long a service may take until it is ready, if its configuration does not say otherwise. */
#define STARTUP_NS (60 * INT64_C(1000000000))

/* What svcman was started with. */
struct supervisor {
    handle_t root_job, log, machine, initrd_shm, serial;
    handle_t endpoint; /* svcman's own */
    handle_t port;
    char **envp; /* of all services: the words KEY=VALUE of the command line */
    uint64_t memory; /* bytes of the machine, which limits in percent refer to */
};
extern struct supervisor svcman;

extern struct service services[SERVICES_MAX];
extern unsigned nservices;

/* Port tokens: a service's index is added. */
enum { TOKEN_ENDPOINT = 1, TOKEN_PROCESS = 0x100 };

struct initrd;

/*
 * Read all etc/services/NAME.conf of the initrd. Mistakes are said with file and line; a service whose
 * file has one is left out.
 */
void config_read(const struct initrd *rd);

/* Take one service out of its configuration text, which is changed and must stay. False, and said:
 * it has a mistake. `file` is for messages. */
bool config_parse(struct service *s, const char *file, char *text);

/* No limits for its jobs. */
void config_unlimited(struct service *s);

/* Read a list of words as the configuration's `handles` into GIVE_ bits. NULL, or the unknown word. */
const char *config_handles(char *list, uint32_t *gives);

bool list_has(const char *list, const char *word);

struct service *service_find(const char *name);
struct service *service_by_badge(uint64_t badge);

/* Begin what can begin: services whose `after` are ready, restarts whose time has come. */
void services_start(void);

/* When services_start() has something to do again by time alone; INT64_MAX: never. */
int64_t services_next_deadline(void);

/* Whether it was asked to stop, to end or to be started again. */
bool service_is_stopping(const struct service *s);

/* watchdog.c: ask the services that are to be asked, and kill those that have not answered or begun to work in time. */
void watchdog_step(void);
/* When watchdog_step() has something to do; INT64_MAX: never. */
int64_t watchdog_deadline(void);
/* The service has answered, or said of its own accord that it lives. */
void watchdog_heard(struct service *s);
/* It was started, is ready, or has ended. */
void watchdog_reset(struct service *s);

/* The service has said that it is ready. */
void service_is_ready(struct service *s);

/* Its process has ended: clean up, and restart it if the policy says so. */
void service_ended(struct service *s);

/* Kill it; what happens then its policy says. */
void service_kill(struct service *s);

/* Start it again though it was stopped or given up. */
void service_revive(struct service *s);

/* A new session for a client, with the badge of service.def. Negative errno: -EAGAIN: given up. */
handle_t service_connect(struct service *s, uint64_t badge);

/* "exit status 1", "signal 9": in `out`, for messages. */
const char *status_text(uint32_t status, char *out, size_t size);

/*
 * Ask everything to stop, in reverse order of starting, then end the machine: `finish` is called when
 * all have ended. Each has STOP_NS to stop by itself. Returns at once.
 */
void shutdown_begin(void (*finish)(void));
bool shutdown_running(void);
/*
 * Ask a service to stop, as at the end of the machine, and start it again when it has; one that does not run is
 * started. -EAGAIN: another one is being restarted, or the machine is ending.
 */
int service_restart(struct service *s);

/* A service has ended, or time has passed. */
void stop_step(void);
/* When stop_step() has something to do by time alone; INT64_MAX: never. */
int64_t stop_deadline(void);

#endif
