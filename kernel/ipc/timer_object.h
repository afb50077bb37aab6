/* Timers that programs hold: they signal EV_TIMER. */
#ifndef IPC_TIMER_OBJECT_H
#define IPC_TIMER_OBJECT_H

#include "sched/thread.h"

struct timer_object {
    struct object obj;
    struct timer timer;
    uint64_t period; /* [a] ns; 0: once */
};

struct timer_object *timer_object_create(void);
/* Fire at deadline (ns of clock_ns) and then every period ns (0: once); a negative deadline disarms. */
void timer_object_set(struct timer_object *t, int64_t deadline, uint64_t period);

#endif
